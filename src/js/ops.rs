//! Operations: functions that JavaScript calls by number, with what they may do granted by the runtime's config.

use std::collections::HashSet;
use std::sync::Mutex;

use pyo3::exceptions::{PyPermissionError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};

use super::parking;
use crate::base::lock::lock;

struct Operation {
  name: String,
  handler: Py<PyAny>,
  /// The first of its permissions that this runtime does not grant.
  missing: Option<String>,
}

/// The operations of one runtime; JavaScript knows them as one function, `__host_op_sync__`.
#[pyclass(module = "amphis.js", frozen)]
pub struct Operations {
  grants: HashSet<String>,
  operations: Mutex<Vec<Operation>>,
}

/// The name that JavaScript has for them.
pub const NAME: &str = "__host_op_sync__";

impl Operations {
  pub fn new(grants: HashSet<String>) -> Self {
    Self {
      grants,
      operations: Mutex::default(),
    }
  }

  /// Takes one in, and gives its number.
  ///
  /// # Errors
  ///
  /// `ValueError` for a name that another one has.
  pub fn add(
    &self,
    name: &str,
    handler: &Bound<'_, PyAny>,
    permissions: &[String],
  ) -> PyResult<usize> {
    let missing = permissions
      .iter()
      .find(|permission| !self.grants.contains(*permission))
      .cloned();
    let mut operations = lock(&self.operations);
    if operations.iter().any(|operation| operation.name == name) {
      return Err(PyValueError::new_err(format!(
        "There is an operation of the name {name:?} already"
      )));
    }
    operations.push(Operation {
      name: name.to_owned(),
      handler: handler.clone().unbind(),
      missing,
    });
    Ok(operations.len() - 1)
  }

  fn find(&self, py: Python<'_>, number: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let unknown = || PyTypeError::new_err(format!("There is no operation {number}"));
    let place: usize = number.extract().map_err(|_| unknown())?;
    let found = lock(&self.operations).get(place).map(|operation| {
      let name = &operation.name;
      match &operation.missing {
        Some(permission) => Err(format!(
          "The operation {name} needs the permission {permission:?}, which this runtime does not grant",
        )),
        None => Ok(operation.handler.clone_ref(py)),
      }
    });
    found
      .ok_or_else(unknown)?
      .map_err(PyPermissionError::new_err)
  }
}

#[pymethods]
impl Operations {
  #[pyo3(signature = (*arguments))]
  fn __call__<'py>(&self, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    let py = arguments.py();
    let number = match arguments.get_item(0) {
      Ok(number) => number,
      Err(_) => py.None().into_bound(py),
    };
    let handler = self.find(py, &number)?;
    let rest = arguments.get_slice(1, arguments.len());
    parking::call(handler.bind(py), &rest)
  }

  #[expect(clippy::unused_self, reason = "Python asks an object")]
  #[getter]
  fn __name__(&self) -> &'static str {
    NAME
  }

  fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    match self.operations.try_lock() {
      Ok(operations) => operations
        .iter()
        .try_for_each(|operation| visit.call(&operation.handler)),
      Err(_) => Ok(()),
    }
  }

  fn __clear__(&self) {
    let dropped = std::mem::take(&mut *lock(&self.operations));
    drop(dropped);
  }
}

/// What `mode` says.
///
/// # Errors
///
/// `ValueError` for what is no mode, `TypeError` for one that runtimes do not have.
pub fn check_mode(mode: &str) -> PyResult<()> {
  match mode {
    "sync" => Ok(()),
    "async" => Err(PyTypeError::new_err(
      "Asynchronous operations cannot be registered so far: a runtime is synchronous. Register one with mode=\"sync\".",
    )),
    _ => Err(PyValueError::new_err(format!(
      "Invalid mode {mode:?}: it is \"sync\" or \"async\""
    ))),
  }
}
