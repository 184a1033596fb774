//! Takes what JavaScript has sent out of the inbox, on the Python thread.
//!
//! [`drain`] runs as a reader callback of the loop whenever the inbox' descriptor is readable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::execute::execute;
use crate::base::lock::lock;
use crate::bridge;
use crate::bridge::command::Batch;
use crate::python::exceptions::report;
use crate::python::{event_loop, pacing};

/// How many batches one drain takes before other callbacks of the loop get their turn.
const ROUNDS: usize = 8;

/// The batch that the next swap fills.
static SPARE: Mutex<Option<Batch>> = Mutex::new(None);

/// Has the loop drain the inbox from here on.
///
/// # Errors
///
/// What Python raises.
pub fn prepare(py: Python<'_>) -> PyResult<()> {
  let linger = wrap_pyfunction!(linger, py)?;
  pacing::prepare(py, linger.into_any().unbind())?;
  let drain = wrap_pyfunction!(drain, py)?;
  let descriptor = bridge::get().inbox().descriptor().as_raw();
  event_loop::add_reader(py, descriptor, &drain)
}

/// Runs all that JavaScript has sent. The inbox wakes the loop again for what comes later.
#[pyfunction]
fn drain(py: Python<'_>) {
  bridge::get().inbox().descriptor().clear();
  run_batches(py);
}

/// Stays awake for the next request; see `bridge/linger.rs`.
#[pyfunction]
fn linger(py: Python<'_>) {
  let Some(limit) = pacing::look_begins() else {
    return;
  };
  if !py.detach(|| bridge::get().inbox().linger(limit)) {
    pacing::waited_in_vain();
  }
  run_batches(py);
}

fn run_batches(py: Python<'_>) {
  let inbox = bridge::get().inbox();
  let mut batch = lock(&SPARE).take().unwrap_or_default();
  pacing::drain_begins();
  for round in 1.. {
    if inbox.swap(&mut batch) {
      for command in batch.commands.drain(..) {
        // A panic must not cost the commands behind this one, nor leave the loop in the middle of a drain.
        let executed = catch_unwind(AssertUnwindSafe(|| {
          execute(py, command, &batch.arena);
        }));
        if executed.is_err() {
          report(
            py,
            Err(PyRuntimeError::new_err("amphis panicked; please report it")),
          );
        }
      }
    }
    if !inbox.arm() {
      break;
    }
    if round == ROUNDS {
      // `arm` has disarmed the wake: this descriptor is the only thing that brings us back.
      inbox.descriptor().signal();
      break;
    }
  }
  *lock(&SPARE) = Some(batch);
  pacing::drain_ends();
}
