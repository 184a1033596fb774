//! Classes of Python's that are treated in ways of their own. A module that nobody has imported has no instances.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// A class of a module, if that is imported.
pub fn class_of<'py>(py: Python<'py>, module: &str, name: &str) -> Option<Bound<'py, PyType>> {
  static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
  let modules = MODULES
    .get_or_try_init(py, || {
      let modules = py.import("sys")?.getattr("modules")?;
      PyResult::Ok(modules.cast_into::<PyDict>()?.unbind())
    })
    .ok()?;
  let module = modules.bind(py).get_item(module).ok()??;
  module.getattr(name).ok()?.cast_into().ok()
}

/// Whether instances of `class` are instances of this one of Python's.
pub fn is_a(class: &Bound<'_, PyType>, module: &str, name: &str) -> bool {
  class_of(class.py(), module, name).is_some_and(|base| class.is_subclass(&base).unwrap_or(false))
}
