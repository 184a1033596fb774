//! Extension modules that are changed when they are imported: `uvloop.loop`, `_ctypes` and `setproctitle`'s.
//!
//! What is changed in Python shows there, so nothing is before one of them is about to run. On Linux [`binding`] tells;
//! elsewhere it is done as soon as Python has started.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use super::binding;
use super::original::Original;
use super::{sources, title};

/// Called with the file of each library that Python loads, before it runs.
pub fn before_module_runs(path: &[u8]) {
  let mut parts = path.rsplit(|byte| *byte == b'/');
  let file = parts.next().unwrap_or_default();
  let folder = parts.next().unwrap_or_default();
  let is_uvloop = folder == b"uvloop" && file.starts_with(b"loop.");
  // Before its version 1.2 `setproctitle` was no package.
  let others = [&b"_ctypes."[..], b"_setproctitle.", b"setproctitle."];
  if is_uvloop || others.iter().any(|name| file.starts_with(name)) {
    // Python is loading that module on this thread, so there is nothing to wait for.
    let _ = Python::try_attach(|py| {
      if let Err(error) = adopt(py) {
        error.write_unraisable(py, None);
      }
    });
  }
}

/// Once Python has started: does what nobody tells the right time for.
///
/// # Errors
///
/// What Python raises.
pub fn adopt_at_start(py: Python<'_>) -> PyResult<()> {
  if binding::TELLS {
    return Ok(());
  }
  adopt(py)
}

/// Has those modules changed that are imported from here on.
///
/// # Errors
///
/// What Python raises.
pub fn adopt(py: Python<'_>) -> PyResult<()> {
  static DONE: PyOnceLock<()> = PyOnceLock::new();
  let install = || {
    let changes = PyDict::new(py);
    changes.set_item("uvloop.loop", wrap_pyfunction!(adopt_uvloop, py)?)?;
    changes.set_item("_ctypes", wrap_pyfunction!(adopt_ctypes, py)?)?;
    for name in ["setproctitle._setproctitle", "setproctitle"] {
      changes.set_item(name, wrap_pyfunction!(adopt_title, py)?)?;
    }
    sources::adoption(py)?
      .call_method1("adopt", (changes,))
      .map(drop)
  };
  DONE.get_or_try_init(py, install)?;
  Ok(())
}

/// Makes uvloop's children and pipes get along with Node's.
#[pyfunction]
fn adopt_uvloop(py: Python<'_>, module: &Bound<'_, PyModule>) -> PyResult<()> {
  sources::uvloop_helpers(py)?
    .call_method1("adopt_module", (module,))
    .map(drop)
}

/// Has `setproctitle` set the title as Node does. The package's own function has the same name as its module.
#[pyfunction]
fn adopt_title(py: Python<'_>, module: &Bound<'_, PyModule>) -> PyResult<()> {
  let set_title = wrap_pyfunction!(title::set_title, py)?;
  sources::title(py)?
    .call_method1("adopt_title", (module, set_title))
    .map(drop)
}

static CTYPES_DLOPEN: Original = Original::new();

/// Has what is loaded by `ctypes` bound as well. Its own function is called, since the linker looks for a library where
/// its caller says.
#[pyfunction]
fn adopt_ctypes(py: Python<'_>, module: &Bound<'_, PyModule>) -> PyResult<()> {
  CTYPES_DLOPEN.replace(module, "dlopen", &wrap_pyfunction!(dlopen, py)?)
}

#[pyfunction]
#[pyo3(signature = (*arguments))]
fn dlopen<'py>(py: Python<'py>, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
  let original = CTYPES_DLOPEN.get(py)?;
  binding::bound(|| original.call1(arguments))
}
