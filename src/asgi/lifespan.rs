//! The lifespan protocol (ASGI `lifespan` spec 2.0): one task for startup and shutdown, on the loop.
//!
//! `auto` takes an exception before `lifespan.startup.complete` as "unsupported" and goes on without; `on`
//! takes it as a failure; `off` never asks. `lifespan.startup.failed` is a failure in both.

use std::sync::Mutex;

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_async_runtimes::TaskLocals;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::awaitable::{Wait, Waiting, ready};
use super::message;
use super::waiters::Waiters;
use crate::base::error::HandlerError;
use crate::base::lock::lock;
use crate::base::options::LifespanMode;
use crate::bridge;
use crate::python::{event_loop, exceptions};

/// How startup or shutdown ended.
pub type Outcome = Result<Answer, HandlerError>;

/// An end that is no failure.
pub enum Answer {
  Complete,
  /// The app has no lifespan: it returned, or raised what is described here.
  Unsupported(Option<String>),
}

#[derive(Default)]
struct State {
  /// `lifespan.startup` was received.
  started: bool,
  /// Startup is over, well or not.
  startup_answered: bool,
  /// `lifespan.shutdown` may be received.
  shutting_down: bool,
  /// `lifespan.shutdown` was received.
  shutdown_sent: bool,
  finished: bool,
  /// The app has sent `lifespan.startup.failed`.
  startup_failed: bool,
  /// What the app says of a startup or shutdown that has failed, until that is told.
  failed: Option<String>,
  startup: Option<oneshot::Sender<Outcome>>,
  shutdown: Option<oneshot::Sender<Outcome>>,
  /// Keeps the task alive.
  task: Option<Py<PyAny>>,
}

type Notice = Box<dyn Fn(&HandlerError) + Send + Sync>;

/// `receive`, `send` and `finish` of one app's lifespan.
#[pyclass(frozen, module = "_amphis")]
pub struct LifespanCycle {
  mode: LifespanMode,
  state: Mutex<State>,
  waiters: Waiters,
  /// Takes a failure that nobody waits for.
  notice: Notice,
  /// Ends with the app's task.
  pub ended: Mutex<Option<JoinHandle<PyResult<Py<PyAny>>>>>,
}

/// Calls the app with a lifespan scope. The receiver is told how its startup ended.
///
/// # Errors
///
/// When the task can't be made.
pub fn begin(
  py: Python<'_>,
  app: &Py<PyAny>,
  mode: LifespanMode,
  app_state: &Py<PyDict>,
  notice: Notice,
) -> PyResult<(Py<LifespanCycle>, oneshot::Receiver<Outcome>)> {
  let (sender, receiver) = oneshot::channel();
  let state = State {
    startup: Some(sender),
    ..State::default()
  };
  let cycle = Py::new(
    py,
    LifespanCycle {
      mode,
      state: Mutex::new(state),
      waiters: Waiters::default(),
      notice,
      ended: Mutex::new(None),
    },
  )?;
  let asgi = PyDict::new(py);
  asgi.set_item("version", "3.0")?;
  asgi.set_item("spec_version", "2.0")?;
  let scope = PyDict::new(py);
  scope.set_item("type", "lifespan")?;
  scope.set_item("asgi", asgi)?;
  scope.set_item("state", app_state)?;
  let task = event_loop::spawn(py, (app.bind(py), scope, cycle.bind(py)))?;
  let locals = TaskLocals::new(event_loop::bound(py)?).copy_context(py)?;
  let ended = pyo3_async_runtimes::into_future_with_locals(&locals, task.bind(py).clone())?;
  *lock(&cycle.get().ended) = Some(bridge::tokio()?.spawn(ended));
  lock(&cycle.get().state).task = Some(task);
  Ok((cycle, receiver))
}

impl LifespanCycle {
  /// Lets the app receive `lifespan.shutdown`. The receiver is told how it ended; `None` when the app's
  /// lifespan is over already.
  pub fn shut_down(&self, py: Python<'_>) -> Option<oneshot::Receiver<Outcome>> {
    let (sender, receiver) = oneshot::channel();
    {
      let mut state = lock(&self.state);
      state.shutting_down = true;
      if state.finished {
        return None;
      }
      state.shutdown = Some(sender);
    }
    self.waiters.wake(py);
    Some(receiver)
  }

  /// Cancels the task of a lifespan that hangs.
  pub fn cancel(&self, py: Python<'_>) {
    let task = lock(&self.state)
      .task
      .as_ref()
      .map(|task| task.clone_ref(py));
    if let Some(task) = task {
      exceptions::report(py, task.call_method0(py, intern!(py, "cancel")).map(drop));
    }
  }

  pub fn waiters(&self) -> &Waiters {
    &self.waiters
  }

  /// The next event, if there is one.
  pub fn poll_receive(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
    self
      .next_event()
      .map(|event| message::bare(py, event).map(|event| event.into_any().unbind()))
      .transpose()
  }

  fn next_event(&self) -> Option<&'static str> {
    let mut state = lock(&self.state);
    if !state.started {
      state.started = true;
      return Some("lifespan.startup");
    }
    if state.shutting_down && !state.shutdown_sent {
      state.shutdown_sent = true;
      return Some("lifespan.shutdown");
    }
    None
  }

  /// Notes a failure. Most apps raise right after it what it came from, which says more: that is waited for,
  /// for one turn of the loop.
  fn fail(slf: &Bound<'_, Self>, message: String) -> PyResult<()> {
    {
      let mut state = lock(&slf.get().state);
      state.startup_answered = true;
      state.startup_failed |= !state.shutting_down;
      state.failed = Some(message);
    }
    let tell = slf.getattr(intern!(slf.py(), "tell_failure"))?;
    event_loop::call_soon(slf.py(), &tell)
  }

  fn answer_startup(&self, outcome: Outcome) {
    let mut state = lock(&self.state);
    state.startup_answered = true;
    if let Some(startup) = state.startup.take() {
      // Nobody listens when the start has timed out.
      let _ = startup.send(outcome);
    }
  }

  fn answer_shutdown(&self, outcome: Outcome) {
    let shutdown = lock(&self.state).shutdown.take();
    if let Some(shutdown) = shutdown {
      // Nobody listens when the limit has passed.
      let _ = shutdown.send(outcome);
    }
  }
}

fn failed(what: &str, message: &str) -> HandlerError {
  let message = if message.is_empty() {
    "the app gave no message"
  } else {
    message
  };
  HandlerError::LifespanFailed {
    message: format!("The app's lifespan {what} failed: {message}"),
    raised: None,
  }
}

fn raised(py: Python<'_>, when: &str, error: &Bound<'_, PyAny>) -> HandlerError {
  let raised = exceptions::report_parts(py, error);
  HandlerError::LifespanFailed {
    message: format!(
      "The app raised in its lifespan {when}: {}: {}",
      raised.kind, raised.message
    ),
    raised: Some(Box::new(raised)),
  }
}

#[pymethods]
impl LifespanCycle {
  /// ASGI `receive`.
  fn receive(slf: Py<Self>) -> Waiting {
    Waiting::new(Wait::Lifespan(slf))
  }

  /// ASGI `send`.
  fn send(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let (py, cycle) = (slf.py(), slf.get());
    let kind = message::event_type(message)?;
    let text = || -> PyResult<String> {
      match message::optional(message, intern!(py, "message"))? {
        Some(text) => text.str().map(|text| text.to_string_lossy().into_owned()),
        None => Ok(String::new()),
      }
    };
    let (startup_answered, shutdown_sent) = {
      let state = lock(&cycle.state);
      (state.startup_answered, state.shutdown_sent)
    };
    match (kind.to_str()?, startup_answered) {
      ("lifespan.startup.complete", false) => cycle.answer_startup(Ok(Answer::Complete)),
      ("lifespan.startup.failed", false) => Self::fail(slf, text()?)?,
      ("lifespan.shutdown.complete", true) if shutdown_sent => {
        cycle.answer_shutdown(Ok(Answer::Complete));
      }
      ("lifespan.shutdown.failed", true) if shutdown_sent => Self::fail(slf, text()?)?,
      (kind, _) => {
        return Err(PyRuntimeError::new_err(format!(
          "'{kind}' is not an event that an app may send at this point of its lifespan"
        )));
      }
    }
    Ok(ready(py))
  }

  /// Tells of a failure that the app has only sent.
  fn tell_failure(&self) {
    let (message, shutting_down) = {
      let mut state = lock(&self.state);
      (state.failed.take(), state.shutting_down)
    };
    match message {
      Some(message) if shutting_down => self.answer_shutdown(Err(failed("shutdown", &message))),
      Some(message) => self.answer_startup(Err(failed("startup", &message))),
      None => {}
    }
  }

  /// The app returned (`None`) or raised.
  fn finish(&self, py: Python<'_>, error: Option<&Bound<'_, PyAny>>) {
    let (task, startup_answered, startup_failed, shutting_down) = {
      let mut state = lock(&self.state);
      state.finished = true;
      (
        state.task.take(),
        state.startup_answered,
        state.startup_failed,
        state.shutting_down,
      )
    };
    drop(task);
    let is_required = self.mode == LifespanMode::On;
    match error {
      None => {
        self.tell_failure();
        if !startup_answered {
          self.answer_startup(if is_required {
            Err(failed(
              "startup",
              "the app returned without `lifespan.startup.complete`; use lifespan 'auto' or 'off' for an app without one",
            ))
          } else {
            Ok(Answer::Unsupported(None))
          });
        }
        self.answer_shutdown(Ok(Answer::Complete));
      }
      Some(error) if shutting_down => self.answer_shutdown(Err(raised(py, "shutdown", error))),
      Some(error) if startup_failed || (is_required && !startup_answered) => {
        self.answer_startup(Err(raised(py, "startup", error)));
      }
      Some(error) if startup_answered => {
        (self.notice)(&raised(py, "after its startup; its requests go on", error));
      }
      // An app that does not know the scope type raises, as the spec tells it to.
      Some(error) => {
        let why = exceptions::describe(py, error);
        self.answer_startup(Ok(Answer::Unsupported(Some(why))));
      }
    }
  }
}
