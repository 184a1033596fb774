//! What JavaScript calls of a stream of Python's, and how that ends with its runtime.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::core::Core;
use super::flow::Flow;
use super::owner::Owner;

#[pyclass(frozen, module = "amphis._js")]
pub struct Step {
  /// `_Source` or `_Sink` of streams.py.
  pub end: Py<PyAny>,
  /// The loop where it was made.
  pub owner: Option<Arc<Owner>>,
}

#[pymethods]
impl Step {
  fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    visit.call(&self.end)
  }
}

/// The runtime has ended: what Python iterates over for it is closed. Without a lock.
pub fn end_all(py: Python<'_>, core: &Core) {
  for number in core.flow.close_all() {
    core.flow.end_stream(Flow::FROM_PYTHON);
    if let Some(function) = core.remove_function(number)
      && let Ok(step) = function.bind(py).cast::<Step>()
    {
      let _ = step.get().end.bind(py).call_method0("shut_down");
    }
  }
}
