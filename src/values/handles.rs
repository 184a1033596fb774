//! What the tape cannot hold stays where it is and goes over as a handle: who gives them out, and who knows them again.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What stands for an object that is no data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle {
  /// [`tag::JS`](super::tag::JS) for an object of JavaScript that comes home, [`tag::PY`](super::tag::PY) for one of Python.
  pub tag: u8,
  pub kind: u8,
  pub id: u64,
  pub name: String,
}

pub trait WriteHandles {
  /// The handle of an object that is no data, or `None` for one that shall have none: then writing ends in a
  /// `ConversionError` that names its place. Exceptions are asked for here as well, and are written with their fields
  /// whether they get one or not.
  ///
  /// # Errors
  ///
  /// Whatever ends the writing.
  fn export(&mut self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Option<Handle>>;

  /// What an error says is to be done with an object that shall have no handle.
  fn remedy(&self) -> &'static str {
    "Convert it to what both languages have, as a dict, or keep it in Python: `.ref(…)` calls a function and gives its result as a handle."
  }

  /// What JavaScript is told of an exception besides its handle. Asked after [`Self::export`]; may be empty.
  ///
  /// # Errors
  ///
  /// Whatever ends the writing.
  fn error_fields<'py>(
    &mut self,
    py: Python<'py>,
    exception: &Bound<'py, PyAny>,
  ) -> PyResult<Bound<'py, PyDict>>;
}

pub trait ReadHandles {
  /// The proxy of an object of JavaScript.
  ///
  /// # Errors
  ///
  /// Whatever ends the reading.
  fn javascript<'py>(
    &mut self,
    py: Python<'py>,
    kind: u8,
    id: u64,
    name: &str,
  ) -> PyResult<Bound<'py, PyAny>>;

  /// An object of Python comes home, or a member of it.
  ///
  /// # Errors
  ///
  /// Whatever ends the reading, as where nobody knows this number.
  fn python<'py>(&mut self, py: Python<'py>, id: u64, member: &str) -> PyResult<Bound<'py, PyAny>>;

  /// The exception for an error of JavaScript. `original` is what its handle led to.
  ///
  /// # Errors
  ///
  /// Whatever ends the reading.
  fn error<'py>(
    &mut self,
    py: Python<'py>,
    original: Option<Bound<'py, PyAny>>,
    fields: Bound<'py, PyDict>,
  ) -> PyResult<Bound<'py, PyAny>>;
}
