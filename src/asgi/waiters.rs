//! The tasks that sleep on one cycle.

use std::mem;
use std::sync::Mutex;

use pyo3::prelude::*;

use crate::base::lock::lock;
use crate::python::event_loop;

/// The futures of tasks that sleep on one cycle. Locked for a look or a change only.
#[derive(Default)]
pub struct Waiters(Mutex<Vec<Py<PyAny>>>);

impl Waiters {
  /// Wakes all; each looks for itself at what has come.
  pub fn wake(&self, py: Python<'_>) {
    let futures = mem::take(&mut *lock(&self.0));
    for future in futures {
      event_loop::wake_future(py, &future);
    }
  }

  pub fn is_empty(&self) -> bool {
    lock(&self.0).is_empty()
  }

  pub fn add(&self, future: Py<PyAny>) {
    lock(&self.0).push(future);
  }

  pub fn remove(&self, future: &Py<PyAny>) {
    let removed = {
      let mut futures = lock(&self.0);
      let at = futures.iter().position(|waiter| waiter.is(future));
      at.map(|at| futures.swap_remove(at))
    };
    drop(removed);
  }
}
