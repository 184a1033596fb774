//! `amphis.undefined`: what JavaScript says where there is nothing, and Python has no word for.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

/// JavaScript's `undefined`. There is one, `amphis.undefined`; it is false, and equal to nothing but itself.
#[pyclass(name = "Undefined", module = "amphis", frozen)]
pub struct Undefined;

#[pymethods]
impl Undefined {
  #[staticmethod]
  fn __bool__() -> bool {
    false
  }

  #[staticmethod]
  fn __repr__() -> &'static str {
    "undefined"
  }

  /// Copied and pickled as what it is called: there is no second one.
  #[staticmethod]
  fn __reduce__(py: Python<'_>) -> Bound<'_, PyString> {
    PyString::intern(py, "undefined")
  }
}

/// The only one.
///
/// # Errors
///
/// What Python raises.
pub fn undefined(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
  static ONLY: PyOnceLock<Py<Undefined>> = PyOnceLock::new();
  let only = ONLY.get_or_try_init(py, || Py::new(py, Undefined))?;
  Ok(only.bind(py).clone().into_any())
}
