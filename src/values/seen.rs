//! Objects that a payload has met, by where they are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use pyo3::ffi;
use pyo3::prelude::*;

/// Good enough for addresses, and much faster than what withstands chosen keys.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
  fn finish(&self) -> u64 {
    self.0
  }

  fn write(&mut self, bytes: &[u8]) {
    for byte in bytes {
      self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
  }

  fn write_usize(&mut self, address: usize) {
    // The lowest bits of an address are always the same, the highest of the product depend on all.
    self.0 = (address as u64 >> 4)
      .wrapping_mul(0x9e37_79b9_7f4a_7c15)
      .rotate_left(26);
  }
}

pub type ByAddress<T> = HashMap<usize, T, BuildHasherDefault<AddressHasher>>;

/// As many are looked through; more are looked up.
const FEW: usize = 8;

/// Numbers for objects in the order in which they come. Holds them all: a new one must not get the address of an old one.
#[derive(Default)]
pub struct Seen<'py> {
  held: Vec<Bound<'py, PyAny>>,
  /// Of all, once there are more than a few.
  numbers: ByAddress<u64>,
}

impl<'py> Seen<'py> {
  /// The number of an object that has one; one that has none gets the next.
  pub fn number(&mut self, object: &Bound<'py, PyAny>) -> Option<u64> {
    let next = self.held.len();
    if next < FEW {
      let known = self.held.iter().position(|held| held.is(object));
      if known.is_none() {
        self.held.push(object.clone());
      }
      return known.map(|known| known as u64);
    }
    if self.numbers.is_empty() {
      self.numbers.reserve(4 * FEW);
      for (number, held) in (0..).zip(&self.held) {
        self.numbers.insert(address(held.as_ptr()), number);
      }
    }
    match self.numbers.entry(address(object.as_ptr())) {
      Entry::Occupied(known) => Some(*known.get()),
      Entry::Vacant(new) => {
        new.insert(next as u64);
        self.held.push(object.clone());
        None
      }
    }
  }
}

pub fn address(object: *mut ffi::PyObject) -> usize {
  object as usize
}
