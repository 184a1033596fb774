//! Operations: functions that JavaScript calls by number, with what they may do granted by the runtime's config.

use std::collections::HashSet;
use std::sync::Mutex;

use pyo3::exceptions::{PyPermissionError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};

use super::parking;
use crate::base::lock::lock;

struct Operation {
  name: String,
  handler: Py<PyAny>,
  is_async: bool,
  /// The first of its permissions that this runtime does not grant.
  missing: Option<String>,
}

/// The operations of one runtime; JavaScript knows those that are synchronous as one function, `__host_op_sync__`.
#[pyclass(module = "amphis.js", frozen)]
pub struct Operations {
  grants: HashSet<String>,
  operations: Mutex<Vec<Operation>>,
}

/// The names that JavaScript has for them.
pub const NAME: &str = "__host_op_sync__";
pub const ASYNC_NAME: &str = "__host_op_async__";

/// Those that are asynchronous, as JavaScript knows them: one function, which gives promises.
#[pyclass(module = "amphis.js", frozen)]
pub struct AsyncOperations(pub Py<Operations>);

#[pymethods]
impl AsyncOperations {
  #[pyo3(signature = (*arguments))]
  fn __call__<'py>(&self, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    self.0.get().call(arguments, true)
  }

  #[getter]
  #[expect(clippy::unused_self, reason = "a getter of Python's")]
  fn __name__(&self) -> &'static str {
    ASYNC_NAME
  }

  fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    visit.call(&self.0)
  }
}

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
    is_async: bool,
    permissions: &[String],
  ) -> PyResult<usize> {
    if is_coroutine_function(handler)? != is_async {
      let message = if is_async {
        "is no coroutine function: register it with mode=\"sync\""
      } else {
        "is asynchronous, and the operation would be synchronous: register it with mode=\"async\""
      };
      return Err(PyRuntimeError::new_err(format!(
        "The handler of {name} {message}"
      )));
    }
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
      is_async,
      missing,
    });
    Ok(operations.len() - 1)
  }

  fn call<'py>(
    &self,
    arguments: &Bound<'py, PyTuple>,
    is_async: bool,
  ) -> PyResult<Bound<'py, PyAny>> {
    let py = arguments.py();
    let number = match arguments.get_item(0) {
      Ok(number) => number,
      Err(_) => py.None().into_bound(py),
    };
    let handler = self.find(py, &number, is_async)?;
    let rest = arguments.get_slice(1, arguments.len());
    parking::call(handler.bind(py), &rest)
  }

  fn find(&self, py: Python<'_>, number: &Bound<'_, PyAny>, is_async: bool) -> PyResult<Py<PyAny>> {
    let unknown = || PyTypeError::new_err(format!("There is no operation {number}"));
    let place: usize = number.extract().map_err(|_| unknown())?;
    let found = lock(&self.operations).get(place).map(|operation| {
      let name = &operation.name;
      match &operation.missing {
        _ if operation.is_async && !is_async => Err(PyTypeError::new_err(format!(
          "The operation {name} is async: call it by {ASYNC_NAME}",
        ))),
        _ if is_async && !operation.is_async => Err(PyTypeError::new_err(format!(
          "The operation {name} is sync: call it by {NAME}",
        ))),
        Some(permission) => Err(PyPermissionError::new_err(format!(
          "The operation {name} needs the permission {permission:?}, which this runtime does not grant",
        ))),
        None => Ok(operation.handler.clone_ref(py)),
      }
    });
    found.ok_or_else(unknown)?
  }
}

#[pymethods]
impl Operations {
  #[pyo3(signature = (*arguments))]
  fn __call__<'py>(&self, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    self.call(arguments, false)
  }

  #[getter]
  #[expect(clippy::unused_self, reason = "a getter of Python's")]
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

/// Whether `mode` says that an operation is asynchronous.
///
/// # Errors
///
/// `ValueError` for what is no mode.
pub fn is_async_mode(mode: &str) -> PyResult<bool> {
  match mode {
    "sync" => Ok(false),
    "async" => Ok(true),
    _ => Err(PyValueError::new_err(format!(
      "Invalid mode {mode:?}: it is \"sync\" or \"async\""
    ))),
  }
}

fn is_coroutine_function(function: &Bound<'_, PyAny>) -> PyResult<bool> {
  let inspect = function.py().import("inspect")?;
  let is_async = |value: &Bound<'_, PyAny>| -> PyResult<bool> {
    inspect
      .call_method1("iscoroutinefunction", (value,))?
      .extract()
  };
  let call = function.getattr_opt("__call__")?;
  Ok(is_async(function)? || call.is_some_and(|call| is_async(&call).unwrap_or(false)))
}
