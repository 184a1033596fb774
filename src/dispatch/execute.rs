//! Turns a command into what it asks for: a cycle of an app, or an event for one that runs.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::cycles;
use super::handlers::{self, App};
use crate::asgi::cycle::Cycle;
use crate::asgi::http_cycle::{Abilities, HttpCycle, RequestTraits};
use crate::asgi::owner::Owner;
use crate::asgi::scope;
use crate::asgi::websocket_cycle::WebSocketCycle;
use crate::base::error::HandlerError;
use crate::bridge;
use crate::bridge::command::Command;
use crate::bridge::host::Host;
use crate::bridge::record::{flag, op};
use crate::calls::incoming::{self, Place};
use crate::calls::waiters::Payload;
use crate::calls::{context, outgoing};
use crate::python::exceptions::{python_error, report};
use crate::python::{event_loop, pacing};

/// On the Python thread; `arena` is that of the command's batch.
pub fn execute(py: Python<'_>, command: Command, arena: &[u8]) {
  match command {
    Command::Request {
      handler,
      host,
      slot,
      head,
      body,
      more_body,
      awaits_continue,
      alone,
    } => {
      pacing::begin(alone);
      begin(py, handler, host, slot, |owner, app| {
        let head = head.of(arena);
        let (scope, letters) = scope::http_scope(py, &app.constants, head)?;
        let traits = RequestTraits {
          head_only: scope::asks_for_head(head),
          more_body,
          awaits_continue,
          abilities: Abilities::parse(letters),
        };
        let cycle = HttpCycle::new(owner, traits);
        cycle.body_part(py, body, arena, more_body);
        Ok((scope, Cycle::Http(Py::new(py, cycle)?)))
      });
    }
    Command::Chunk {
      host,
      slot,
      part,
      more_body,
    } => {
      if let Some(Cycle::Http(cycle)) = cycles::get(py, host, slot) {
        cycle.get().body_part(py, part, arena, more_body);
      }
    }
    Command::Disconnect { host, slot } => {
      if let Some(cycle) = cycles::get(py, host, slot) {
        cycle.disconnect(py);
      }
    }
    Command::Connect {
      handler,
      host,
      slot,
      head,
      max_queue,
    } => {
      begin(py, handler, host, slot, |owner, app| {
        let (scope, offer) = scope::websocket_scope(py, &app.constants, head.of(arena))?;
        let cycle = WebSocketCycle::new(owner, offer, max_queue);
        Ok((scope, Cycle::WebSocket(Py::new(py, cycle)?)))
      });
    }
    Command::Message {
      host,
      slot,
      part,
      is_text,
      alone,
    } => {
      pacing::begin(alone);
      if let Some(Cycle::WebSocket(cycle)) = cycles::get(py, host, slot) {
        cycle.get().message(py, part, arena, is_text);
      }
    }
    Command::Closed {
      host,
      slot,
      code,
      reason,
    } => {
      if let Some(Cycle::WebSocket(cycle)) = cycles::get(py, host, slot) {
        let reason = String::from_utf8_lossy(reason.of(arena)).into_owned();
        cycle.get().closed(py, code, reason);
      }
    }
    Command::Credit { host, slot, bytes } => {
      if let Some(cycle) = cycles::get(py, host, slot) {
        cycle.credit(py, bytes);
      }
    }
    Command::Cancel { host, slot } => {
      if let Some(cycle) = cycles::get(py, host, slot) {
        report(py, cycle.cancel(py, HandlerError::RequestTimeout));
        // JavaScript has answered in its place: for the app the client is gone.
        cycle.disconnect(py);
      }
    }
    Command::Taken { host } => {
      let held = bridge::get().host(host).map(|host| host.take_held());
      for slot in held.unwrap_or_default() {
        if let Some(cycle) = cycles::get(py, host, slot) {
          cycle.resume(py);
        }
      }
    }
    Command::Release(body) => drop(body.owner),
    Command::Run(job) => job(py),
    call => execute_call(py, call, arena),
  }
}

/// What is about calls between the languages.
fn execute_call(py: Python<'_>, command: Command, arena: &[u8]) {
  match command {
    Command::Call {
      owner,
      call,
      payload,
      buffers,
      alone,
    } => {
      pacing::begin(alone);
      incoming::receive(py, owner, call, payload.copied(arena), buffers, Place::Loop);
    }
    Command::CancelCall { owner, call } => incoming::cancel(py, owner, call),
    Command::Answer {
      call,
      payload,
      buffers,
    } => {
      let bytes = payload.copied(arena).into();
      outgoing::settle(py, call, Payload { bytes, buffers });
    }
    Command::Free { owner, numbers } => incoming::free(owner, numbers.of(arena)),
    _ => {}
  }
}

/// Starts the app on what `make` makes: a scope and a cycle.
fn begin<'py>(
  py: Python<'py>,
  handler: u32,
  host: u32,
  slot: u32,
  make: impl FnOnce(Owner, &App) -> PyResult<(Bound<'py, PyDict>, Cycle)>,
) {
  let Some(host) = bridge::get().host(host) else {
    return;
  };
  let Some(handler) = handlers::get(handler) else {
    refuse(py, &host, slot, &HandlerError::Closed);
    return;
  };
  let Some(app) = handler.app() else {
    refuse(py, &host, slot, &HandlerError::Closed);
    return;
  };
  handler.state.request_started();
  report(py, context::enter(py, handler.options.owner));
  let owner = Owner {
    host: Arc::clone(&host),
    app: Arc::clone(&handler.state),
    slot,
    released: cycles::forget,
  };
  let begun = make(owner, app).and_then(|(scope, cycle)| {
    let task = match event_loop::spawn(py, (app.callable.bind(py), scope, cycle.bind(py))) {
      // It may have come to its end and been told of, before the task could not be made.
      Err(error) if cycle.is_finished() => {
        report(py, Err(error));
        return Ok(());
      }
      task => task?,
    };
    if !cycle.is_finished() {
      cycle.set_task(task);
      cycles::keep(host.index, slot, cycle);
    }
    Ok(())
  });
  if let Err(error) = begun {
    handler.state.request_finished();
    refuse(py, &host, slot, &python_error(py, error));
  }
}

/// Ends a request that never had a cycle.
fn refuse(py: Python<'_>, host: &Arc<Host>, slot: u32, error: &HandlerError) {
  let description = error.to_json();
  let length = i32::try_from(description.len()).unwrap_or(i32::MAX);
  host.outbox.push(|records| {
    records.text.extend_from_slice(description.as_bytes());
    records.push(op::FAIL | flag::DONE, slot, [length, 0, 0]);
  });
  pacing::flush_soon(py, host);
}
