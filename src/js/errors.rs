//! What runtimes raise.

use pyo3::create_exception;
use pyo3::exceptions::{PyImportError, PyRuntimeError, PySystemExit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use super::core::{Core, End};
use super::ending;

create_exception!(
  amphis,
  EngineUnavailable,
  PyImportError,
  "This Node.js has no engine for isolated runtimes: the message says why, and which versions have one."
);

create_exception!(
  amphis,
  RuntimeTerminated,
  PyRuntimeError,
  "A runtime was terminated: by terminate(), or by a limit of memory. It takes no more calls."
);

/// `amphis.js.JavaScriptTimeout`, which has two bases.
fn timeout_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
  static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
  TYPE
    .get_or_try_init(py, || {
      let found = py.import("amphis.js")?.getattr("JavaScriptTimeout")?;
      Ok(found.cast_into::<PyType>()?.unbind())
    })
    .map(|found| found.bind(py))
}

pub fn timed_out(py: Python<'_>, seconds: f64) -> PyErr {
  let message = format!("JavaScript timed out: it has run for longer than {seconds} s");
  match timeout_type(py) {
    Ok(class) => PyErr::from_type(class.clone(), message),
    Err(error) => error,
  }
}

/// The same, of a promise that nothing has settled until then.
pub fn timed_out_pending(py: Python<'_>, seconds: f64) -> PyErr {
  let message =
    format!("Evaluation failed: timed out after {seconds} s, and the promise is still pending");
  match timeout_type(py) {
    Ok(class) => PyErr::from_type(class.clone(), message),
    Err(error) => error,
  }
}

/// What a runtime that takes no calls says.
pub fn ended(core: &Core) -> PyErr {
  match core.end() {
    // As Python ends its own daemon threads: in silence. A traceback of theirs would be told while the standard streams go,
    // which aborts the process where it is under way just then.
    End::Left if !ending::is_leaver() => PySystemExit::new_err(()),
    End::Open | End::Closed | End::Left => {
      PyRuntimeError::new_err("Runtime has been shut down: it is closed. Make a new Runtime.")
    }
    End::Terminated => {
      RuntimeTerminated::new_err("The runtime was terminated. Make a new Runtime.")
    }
    End::Lost => RuntimeTerminated::new_err(format!(
      "The process of the runtime is not there any more. {} Make a new Runtime.",
      core.lost()
    )),
    End::OutOfMemory => RuntimeTerminated::new_err(
      "Heap limit exceeded: the runtime was terminated. Make a new Runtime, with a larger max_heap_size if that was too small.",
    ),
  }
}

pub fn foreign() -> PyErr {
  PyRuntimeError::new_err(
    "This process was forked, and V8's threads are in its parent only: a child has no JavaScript runtimes. Start it with multiprocessing's \"spawn\", or run JavaScript in the parent.",
  )
}

/// The exception for an error of JavaScript's; `original` is the exception of Python's that it was, if it was one.
///
/// # Errors
///
/// What Python raises.
pub fn javascript_error<'py>(
  py: Python<'py>,
  original: Option<&Bound<'py, PyAny>>,
  fields: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
  static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
  let make = MAKE.get_or_try_init(py, || {
    PyResult::Ok(py.import("amphis")?.getattr("_error")?.unbind())
  })?;
  let error = make.bind(py).call1((py.None(), fields))?;
  if let Some(original) = original {
    error.setattr("__cause__", original)?;
  }
  Ok(error)
}
