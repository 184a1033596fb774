//! Objects of JavaScript that Python has.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pyo3::prelude::*;

use super::owner::Owner;
use crate::bridge::record::op;

/// What a proxy of Python's stands for. JavaScript keeps the object until it is told that this was dropped.
#[pyclass(frozen, module = "amphis")]
pub struct Remote {
  pub owner: Arc<Owner>,
  pub number: u32,
  #[pyo3(get)]
  kind: u8,
  #[pyo3(get)]
  name: String,
}

impl Remote {
  pub fn new(owner: Arc<Owner>, kind: u8, number: u32, name: String) -> Self {
    Self {
      owner,
      number,
      kind,
      name,
    }
  }

  pub fn name(&self) -> &str {
    &self.name
  }
}

#[pymethods]
impl Remote {
  fn __eq__(&self, other: &Self) -> bool {
    self.number == other.number && Arc::ptr_eq(&self.owner, &other.owner)
  }

  fn __hash__(&self) -> u64 {
    let mut hasher = DefaultHasher::new();
    (self.owner.index, self.number).hash(&mut hasher);
    hasher.finish()
  }
}

impl Drop for Remote {
  /// On any thread that holds the GIL: only writes a record.
  fn drop(&mut self) {
    let host = &self.owner.host;
    host
      .outbox
      .push(|records| records.push(op::FREE, self.number, [1, 0, 0]));
    host.wake();
  }
}
