//! Which owner the code that runs belongs to: a context variable, which tasks and the threads of frameworks inherit.

use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::owner::{self, Owner};
use super::support;

fn variable(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
  static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
  VARIABLE
    .get_or_try_init(py, || support::get(py)?.getattr("owner").map(Bound::unbind))
    .map(|variable| variable.bind(py))
}

/// What runs from here on in this context, and what it starts, belongs to this owner.
///
/// # Errors
///
/// What Python raises.
pub fn enter(py: Python<'_>, owner: u32) -> PyResult<()> {
  let variable = variable(py)?;
  // Most of the time it does already.
  let current: Option<u32> = variable
    .call_method1(intern!(py, "get"), (py.None(),))?
    .extract()?;
  if current != Some(owner) {
    variable.call_method1(intern!(py, "set"), (owner,))?;
  }
  Ok(())
}

/// The owner of the code that runs; that of nobody's belongs to the oldest.
pub fn current(py: Python<'_>) -> PyResult<Option<Arc<Owner>>> {
  let index: Option<u32> = variable(py)?
    .call_method1(intern!(py, "get"), (py.None(),))?
    .extract()?;
  Ok(match index {
    Some(index) => owner::get(index),
    None => owner::default(),
  })
}
