//! A request or a WebSocket, to those for whom the difference does not matter.

use pyo3::intern;
use pyo3::prelude::*;

use super::http_cycle::HttpCycle;
use super::owner::Owner;
use super::websocket_cycle::WebSocketCycle;
use crate::base::error::HandlerError;

/// One running app, by what it serves.
pub enum Cycle {
  Http(Py<HttpCycle>),
  WebSocket(Py<WebSocketCycle>),
}

impl Cycle {
  pub fn clone_ref(&self, py: Python<'_>) -> Self {
    match self {
      Self::Http(cycle) => Self::Http(cycle.clone_ref(py)),
      Self::WebSocket(cycle) => Self::WebSocket(cycle.clone_ref(py)),
    }
  }

  pub fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
    match self {
      Self::Http(cycle) => cycle.bind(py).as_any(),
      Self::WebSocket(cycle) => cycle.bind(py).as_any(),
    }
  }

  pub fn owner(&self) -> &Owner {
    match self {
      Self::Http(cycle) => cycle.get().owner(),
      Self::WebSocket(cycle) => cycle.get().owner(),
    }
  }

  pub fn is_finished(&self) -> bool {
    match self {
      Self::Http(cycle) => cycle.get().is_finished(),
      Self::WebSocket(cycle) => cycle.get().is_finished(),
    }
  }

  pub fn set_task(&self, task: Py<PyAny>) {
    match self {
      Self::Http(cycle) => cycle.get().set_task(task),
      Self::WebSocket(cycle) => cycle.get().set_task(task),
    }
  }

  /// The client has gone, without a word.
  pub fn disconnect(&self, py: Python<'_>) {
    match self {
      Self::Http(cycle) => cycle.get().disconnect(py),
      Self::WebSocket(cycle) => cycle.get().disconnect(py),
    }
  }

  /// The server is to stop: who sends events is told to end.
  pub fn stop_events(&self, py: Python<'_>) {
    if let Self::Http(cycle) = self {
      cycle.get().stop_events(py);
    }
  }

  /// Whether it has begun a response that may never end.
  pub fn is_stream(&self) -> bool {
    match self {
      Self::Http(cycle) => cycle.get().is_stream(),
      Self::WebSocket(_) => false,
    }
  }

  /// The client's socket has taken `bytes`.
  pub fn credit(&self, py: Python<'_>, bytes: i64) {
    match self {
      Self::Http(cycle) => cycle.get().credit(py, bytes),
      Self::WebSocket(cycle) => cycle.get().credit(py, bytes),
    }
  }

  /// What its `send` was held up by is gone: it looks again.
  pub fn resume(&self, py: Python<'_>) {
    match self {
      Self::Http(cycle) => cycle.get().senders().wake(py),
      Self::WebSocket(cycle) => cycle.get().waiters().wake(py),
    }
  }

  /// Cancels the app's task; `reason` is what it ends with for JavaScript.
  pub fn cancel(&self, py: Python<'_>, reason: HandlerError) -> PyResult<()> {
    let task = match self {
      Self::Http(cycle) => cycle.get().start_cancel(py, reason),
      Self::WebSocket(cycle) => cycle.get().start_cancel(py, reason),
    };
    if let Some(task) = task {
      // A task that is cancelled before its first step never runs `finish`.
      let abandoned = self.bind(py).getattr(intern!(py, "abandoned"))?;
      task.call_method1(py, intern!(py, "add_done_callback"), (abandoned,))?;
      task.call_method0(py, intern!(py, "cancel"))?;
    }
    Ok(())
  }

  /// Whether its task was cancelled since the app is to end.
  pub fn is_cut(&self) -> bool {
    match self {
      Self::Http(cycle) => cycle.get().is_cut(),
      Self::WebSocket(cycle) => cycle.get().is_cut(),
    }
  }

  /// Gives up on an app that did not let itself be cancelled.
  pub fn abandon(&self, py: Python<'_>, reason: &HandlerError) {
    match self {
      Self::Http(cycle) => cycle.get().abandon(py, reason),
      Self::WebSocket(cycle) => cycle.get().abandon(py, reason),
    }
  }
}
