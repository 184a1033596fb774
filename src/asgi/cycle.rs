//! What a request and a WebSocket have in common: whose they are, how they are cancelled and concluded.

use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;

use super::http_cycle::HttpCycle;
use super::response::Target;
use super::websocket_cycle::WebSocketCycle;
use crate::base::error::HandlerError;
use crate::bridge::record::{RECORD, RecordMark, flag, op};
use crate::node::environment::Host;
use crate::node::handler::Handler;
use crate::python::event_loop;

/// Whose a cycle is, and where its records go.
pub struct Owner {
  pub host: Arc<Host>,
  pub handler: Arc<Handler>,
  pub slot: u32,
}

impl Owner {
  pub fn target(&self) -> Target<'_> {
    Target {
      host: &self.host,
      slot: self.slot,
    }
  }

  /// Tells JavaScript how the app ended: the slot is free, the cycle is let go.
  pub fn conclude(
    &self,
    py: Python<'_>,
    last_record: Option<RecordMark>,
    failure: Option<&HandlerError>,
    destroy: bool,
  ) {
    let outbox = &self.host.outbox;
    if let Some(failure) = failure {
      let description = failure.to_json();
      let length = i32::try_from(description.len()).unwrap_or(i32::MAX);
      let destroy = if destroy { flag::DESTROY } else { 0 };
      outbox.push(|records| {
        records.text.extend_from_slice(description.as_bytes());
        records.push(op::FAIL | flag::DONE | destroy, self.slot, [length, 0, 0]);
      });
      event_loop::flush_soon(py, &self.host);
    } else if !last_record.is_some_and(|mark| outbox.amend(mark, flag::DONE)) {
      outbox.push(|records| records.push(op::DONE, self.slot, [0; RECORD - 2]));
      event_loop::flush_soon(py, &self.host);
    }
    self.handler.request_finished();
    event_loop::forget_cycle(py, &self.host, self.slot);
  }
}

/// Tells JavaScript what the app has received of a body or of messages.
pub fn acknowledge(py: Python<'_>, owner: &Owner, bytes: usize, parts: usize) {
  let low = i32::try_from(bytes & 0x3fff_ffff).unwrap_or(0);
  let high = i32::try_from(bytes >> 30).unwrap_or(i32::MAX);
  let parts = i32::try_from(parts).unwrap_or(i32::MAX);
  owner.host.outbox.push(|records| {
    records.push(op::ACK, owner.slot, [low, parts, high]);
  });
  event_loop::flush_soon(py, &owner.host);
}

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

  /// Gives up on an app that did not let itself be cancelled.
  pub fn abandon(&self, py: Python<'_>, reason: &HandlerError) {
    match self {
      Self::Http(cycle) => cycle.get().abandon(py, reason),
      Self::WebSocket(cycle) => cycle.get().abandon(py, reason),
    }
  }
}
