//! Where JavaScript is had from: the process that it runs in, and an environment for Python that was started without one.

use std::cell::Cell;
use std::process;
use std::sync::{Arc, OnceLock};

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;

use super::owner::Owner;

thread_local! {
  static IS_MAIN: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether this is Python's main thread, which signals are for.
///
/// # Errors
///
/// What Python raises.
pub fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
  // Asked with each call that waits. Only a forked child has another, which calls nothing.
  if let Some(known) = IS_MAIN.get() {
    return Ok(known);
  }
  let threading = py.import(intern!(py, "threading"))?;
  let current = threading.call_method0(intern!(py, "get_ident"))?;
  let main = threading
    .call_method0(intern!(py, "main_thread"))?
    .getattr(intern!(py, "ident"))?;
  let is_main = current.eq(main)?;
  IS_MAIN.set(Some(is_main));
  Ok(is_main)
}

/// Has JavaScript open an environment for Python that has been started without one; waits for it without the GIL.
pub type Open = Box<dyn Fn(Python<'_>) -> PyResult<Option<Arc<Owner>>> + Send + Sync>;

static OPEN: OnceLock<Open> = OnceLock::new();
/// Has Python tell of its end, where it is finalised in this process.
pub type Ended = fn(Python<'_>) -> PyResult<()>;

static ENDED: OnceLock<Ended> = OnceLock::new();
static PROCESS: OnceLock<u32> = OnceLock::new();

/// How an environment is had where none has asked for Python.
pub fn opened_by(open: Open) {
  let _ = OPEN.set(open);
}

/// What `amphis` does when it is first imported, where Python is finalised in the end.
pub fn ended_by(ended: Ended) {
  let _ = ENDED.set(ended);
}

/// The package is being imported.
///
/// # Errors
///
/// What Python raises.
pub fn imported(py: Python<'_>) -> PyResult<()> {
  ENDED.get().map_or(Ok(()), |ended| ended(py))
}

/// The process that Node runs in, as long as it is not a child that Python has forked.
pub fn remember_process() {
  let _ = PROCESS.set(process::id());
}

/// # Errors
///
/// `RuntimeError` in a forked child, which has no Node.
pub fn check_process() -> PyResult<()> {
  match PROCESS.get() {
    Some(&id) if id != process::id() => Err(PyRuntimeError::new_err(
      "this process was forked, and Node.js lives in its parent: call JavaScript there, or start the child anew",
    )),
    _ => Ok(()),
  }
}

/// An environment, where one can be had.
///
/// # Errors
///
/// When JavaScript does not open it.
pub fn open(py: Python<'_>) -> PyResult<Option<Arc<Owner>>> {
  check_process()?;
  match OPEN.get() {
    Some(open) => open(py),
    None => Ok(None),
  }
}
