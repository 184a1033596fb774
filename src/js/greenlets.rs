//! Greenlets move the stack of their thread away and back. V8 must not find itself on one that is moved: what is not the
//! thread's first greenlet runs JavaScript on a thread of its own.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// Whether this runs in a greenlet that is not its thread's first.
///
/// # Errors
///
/// What Python raises.
pub fn is_elsewhere(py: Python<'_>) -> PyResult<bool> {
  static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
  static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
  if CURRENT.get(py).is_none() {
    let modules = MODULES.get_or_try_init(py, || {
      let modules = py.import("sys")?.getattr("modules")?;
      PyResult::Ok(modules.cast_into::<PyDict>()?.unbind())
    })?;
    let Some(module) = modules
      .bind(py)
      .get_item(pyo3::intern!(py, "greenlet"))?
      .filter(|module| !module.is_none())
    else {
      return Ok(false);
    };
    // Half imported, it has none yet, and no greenlets either.
    let Some(current) = module.getattr_opt("getcurrent")? else {
      return Ok(false);
    };
    let _ = CURRENT.set(py, current.unbind());
  }
  match CURRENT.get(py) {
    Some(current) => Ok(!current.bind(py).call0()?.getattr("parent")?.is_none()),
    None => Ok(false),
  }
}
