//! For whom JavaScript runs: the event loop and the context of a call, which what follows from it inherits.

use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::core::Core;
use super::deadline::Deadline;
use super::support;

pub struct Owner {
  /// `_Owner` of asynchronous.py.
  helper: Py<PyAny>,
  /// Until when JavaScript may run for it.
  pub deadline: Option<Deadline>,
}

impl Owner {
  /// The one of this thread's running loop, if it has one.
  ///
  /// # Errors
  ///
  /// What Python raises.
  pub fn here(py: Python<'_>, deadline: Option<Deadline>) -> PyResult<Option<Arc<Self>>> {
    static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let running = RUNNING.get_or_try_init(py, || {
      PyResult::Ok(py.import("asyncio")?.getattr("_get_running_loop")?.unbind())
    })?;
    let event_loop = running.bind(py).call0()?;
    if event_loop.is_none() {
      return Ok(None);
    }
    let helper = support::get(py, "_Owner")?.call1((event_loop,))?.unbind();
    Ok(Some(Arc::new(Self { helper, deadline })))
  }

  pub fn is_alive(&self, py: Python<'_>) -> bool {
    self
      .helper
      .bind(py)
      .call_method0(pyo3::intern!(py, "is_alive"))
      .and_then(|is_alive| is_alive.extract())
      .unwrap_or(false)
  }

  /// Has the loop run something awaitable, whose outcome goes to `later`.
  ///
  /// # Errors
  ///
  /// What Python raises: the loop may be closed.
  pub fn start(
    &self,
    laters: Bound<'_, PyAny>,
    later: u32,
    awaitable: &Bound<'_, PyAny>,
  ) -> PyResult<()> {
    self
      .helper
      .bind(laters.py())
      .call_method1("start", (laters, later, awaitable))
      .map(drop)
  }

  /// Cancels what its loop runs for JavaScript.
  pub fn cancel(&self, py: Python<'_>) {
    let _ = self.helper.bind(py).call_method0("cancel");
  }

  /// A copy of the context that it was called in: one can be entered once only.
  ///
  /// # Errors
  ///
  /// What Python raises.
  pub fn context<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    self.helper.bind(py).call_method0(pyo3::intern!(py, "copy"))
  }
}

/// Who is to run an asynchronous function that JavaScript calls: the loop of the call that has led here, else this
/// thread's, else the one that was there when something was bound or called before.
///
/// # Errors
///
/// `RuntimeError` where there is none.
pub fn for_awaitable(py: Python<'_>, core: &Core) -> PyResult<Arc<Owner>> {
  if let Some(owner) = core.work.current().filter(|owner| owner.is_alive(py)) {
    return Ok(owner);
  }
  if let Some(owner) = Owner::here(py, None)? {
    return Ok(owner);
  }
  core
    .work
    .home()
    .filter(|owner| owner.is_alive(py))
    .ok_or_else(|| {
      PyRuntimeError::new_err(
        "An asynchronous function needs an event loop, and none is running: call JavaScript by eval_async, or bind the function where a loop runs",
      )
    })
}
