//! Objects of Python's that JavaScript has, by number.
//!
//! An object has one number for as long as JavaScript has it, so that it stays the same object there. JavaScript says how
//! often it was given a number when it drops it: one that is on its way to it again at that moment stays.

use std::collections::HashMap;

use pyo3::prelude::*;

struct Export {
  object: Py<PyAny>,
  /// How often JavaScript was given it.
  given: u64,
}

/// The objects of one owner.
#[derive(Default)]
pub struct Exports {
  by_number: HashMap<u32, Export>,
  /// By the object's address, which is its own for as long as it is here.
  by_address: HashMap<usize, u32>,
  last: u32,
}

impl Exports {
  /// The number of an object, which JavaScript is about to be given.
  pub fn give(&mut self, object: &Bound<'_, PyAny>) -> u32 {
    let address = object.as_ptr() as usize;
    if let Some(&number) = self.by_address.get(&address)
      && let Some(export) = self.by_number.get_mut(&number)
    {
      export.given += 1;
      return number;
    }
    loop {
      self.last = self.last.wrapping_add(1);
      if self.last != 0 && !self.by_number.contains_key(&self.last) {
        break;
      }
    }
    let object = object.clone().unbind();
    self
      .by_number
      .insert(self.last, Export { object, given: 1 });
    self.by_address.insert(address, self.last);
    self.last
  }

  /// Whether JavaScript has an object.
  pub fn has(&self, object: &Bound<'_, PyAny>) -> bool {
    self.by_address.contains_key(&(object.as_ptr() as usize))
  }

  pub fn get(&self, py: Python<'_>, number: u32) -> Option<Py<PyAny>> {
    self
      .by_number
      .get(&number)
      .map(|export| export.object.clone_ref(py))
  }

  /// JavaScript has dropped an object that it was given so many times. What is returned is to be dropped without the lock.
  pub fn free(&mut self, number: u32, given: u64) -> Option<Py<PyAny>> {
    let export = self.by_number.get_mut(&number)?;
    export.given = export.given.saturating_sub(given);
    if export.given > 0 {
      return None;
    }
    let export = self.by_number.remove(&number)?;
    self.by_address.remove(&(export.object.as_ptr() as usize));
    Some(export.object)
  }
}
