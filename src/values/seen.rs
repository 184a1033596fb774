//! Objects that a payload has met, by where they are.

use std::collections::HashMap;
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

/// Numbers for objects in the order in which they come. Holds them all: a new one must not get the address of an old one.
#[derive(Default)]
pub struct Seen<'py> {
  numbers: ByAddress<u64>,
  held: Vec<Bound<'py, PyAny>>,
}

impl<'py> Seen<'py> {
  /// The number of an object that has one; one that has none gets the next.
  pub fn number(&mut self, object: &Bound<'py, PyAny>) -> Option<u64> {
    let next = self.held.len() as u64;
    match self.numbers.entry(address(object.as_ptr())) {
      std::collections::hash_map::Entry::Occupied(known) => Some(*known.get()),
      std::collections::hash_map::Entry::Vacant(new) => {
        new.insert(next);
        self.held.push(object.clone());
        None
      }
    }
  }
}

pub fn address(object: *mut ffi::PyObject) -> usize {
  object as usize
}
