//! Attributes of objects, by their names.

use pyo3::exceptions::PyAttributeError;
use pyo3::intern;
use pyo3::prelude::*;

use super::support;

/// An attribute, or the object itself where the name is empty.
///
/// # Errors
///
/// `AttributeError` with the name that was meant.
pub fn member<'py>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
  if name.is_empty() {
    return Ok(object.clone());
  }
  let py = object.py();
  object.getattr(name).map_err(|error| {
    // One that a property has raised says more than that.
    if !error.is_instance_of::<PyAttributeError>(py) || error.traceback(py).is_some() {
      return error;
    }
    support::get(py)
      .and_then(|support| {
        support.call_method1(
          intern!(py, "explain_missing"),
          (object, name, error.value(py)),
        )
      })
      .map_or_else(|failure| failure, PyErr::from_value)
  })
}
