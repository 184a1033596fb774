//! A promise of JavaScript's, or a call that is under way, in Python's hands: what `JsPromise` of asynchronous.py stands on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::prelude::*;

use super::call;
use super::config::seconds;
use super::core::Core;
use super::errors::{ended, timed_out, timed_out_pending};
use super::main_thread;
use super::pending::{Pending, Settled};
use super::support;
use super::work::{self, Wake};

/// How often a thread that waits looks at signals.
const LOOK: Duration = Duration::from_millis(50);

#[pyclass(frozen, module = "amphis._js")]
pub struct Promise {
  core: Arc<Core>,
  pending: Arc<Pending>,
}

/// The promise as Python has it, which nobody in particular has begun.
///
/// # Errors
///
/// What Python raises.
pub fn of<'py>(
  py: Python<'py>,
  core: &Arc<Core>,
  pending: Arc<Pending>,
) -> PyResult<Bound<'py, PyAny>> {
  make(py, core, pending, py.None().bind(py))
}

/// The same, of a call: cancelling it ends the call. `runtime` is kept for as long.
///
/// # Errors
///
/// What Python raises.
pub fn make<'py>(
  py: Python<'py>,
  core: &Arc<Core>,
  pending: Arc<Pending>,
  runtime: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
  let promise = Promise {
    core: Arc::clone(core),
    pending,
  };
  support::get(py, "JsPromise")?.call1((Bound::new(py, promise)?, runtime))
}

#[pymethods]
impl Promise {
  fn is_done(&self) -> bool {
    !self.pending.is_open()
  }

  /// On an event loop's thread: waits for a call that takes some microseconds only. Whether there is an outcome.
  fn linger(&self, py: Python<'_>) -> bool {
    let pending = &self.pending;
    if pending.owner.is_some() && !self.core.is_foreign() {
      let driver = &self.core.work.driver;
      driver.await_outcome(py, pending.posts, || !pending.is_open());
    }
    !pending.is_open()
  }

  /// Seconds until its timeout.
  fn left(&self) -> Option<f64> {
    let left = self.deadline()?.saturating_duration_since(Instant::now());
    Some(left.as_secs_f64())
  }

  /// Whether the future will be woken.
  fn add(&self, event_loop: Py<PyAny>, future: Py<PyAny>) -> bool {
    self.pending.add(Wake { event_loop, future })
  }

  fn remove(&self, future: &Bound<'_, PyAny>) {
    self.pending.remove(future);
  }

  /// Waits without the GIL. Whether there is an outcome.
  fn wait(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
    let timeout = timeout.map(seconds).transpose()?;
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let is_main = main_thread::is_this(py);
    loop {
      let deadline = self.deadline();
      let until = match (until, deadline) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
      };
      let now = Instant::now();
      if until.is_some_and(|until| until <= now) {
        if deadline.is_some_and(|deadline| deadline <= now) {
          self.time_out(py);
        }
        return Ok(self.is_done());
      }
      let next = if is_main { Some(now + LOOK) } else { None };
      let next = until.map_or(next, |until| {
        Some(next.map_or(until, |next| next.min(until)))
      });
      if py.detach(|| self.pending.wait(next)) {
        return Ok(true);
      }
      py.check_signals()?;
    }
  }

  /// The outcome, which is there.
  fn value(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
    self.pending.value(py, |settled| {
      let timeout = self.pending.timeout.unwrap_or_default();
      match settled {
        Settled::Outcome(outcome) => {
          call::give(py, &self.core, Some(timeout), outcome).map(Bound::unbind)
        }
        Settled::TimedOut if self.pending.number().is_some() => {
          Err(timed_out_pending(py, timeout.as_secs_f64()))
        }
        Settled::TimedOut => Err(timed_out(py, timeout.as_secs_f64())),
        Settled::Cancelled => Err(CancelledError::new_err("The call was cancelled")),
        Settled::Ended => Err(ended(&self.core)),
        Settled::Reset => Err(PyRuntimeError::new_err(
          "The runtime was reset before there was an outcome",
        )),
      }
    })
  }

  fn time_out(&self, py: Python<'_>) {
    self.end(py, Settled::TimedOut);
  }

  fn cancel(&self, py: Python<'_>) -> bool {
    self.end(py, Settled::Cancelled)
  }
}

impl Promise {
  /// As it is now: a debugger may hold it up.
  fn deadline(&self) -> Option<Instant> {
    Some(self.pending.deadline?.now(&self.core.held))
  }

  /// Nobody waits for JavaScript any more: what has not begun does not begin, and what runs is terminated, in
  /// both languages.
  fn end(&self, py: Python<'_>, settled: Settled) -> bool {
    if !self.core.work.settle(&self.pending, settled) {
      return false;
    }
    self.core.work.driver.cancel(&self.pending);
    if let Some(number) = self.pending.number() {
      drop(self.core.work.take_promise(number));
    }
    if let Some(owner) = &self.pending.owner {
      owner.cancel(py);
    }
    work::flush(&self.core);
    true
  }
}
