//! One HTTP request and its response: the state machine behind `receive` and `send`.
//!
//! Runs on the Python thread. `state` is locked for a look or a change, never across a call into Python
//! (anything there, even dropping an object, may run code of the app that comes back here).

use std::mem;
use std::sync::{Arc, Mutex};

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyBytesMethods};

use super::awaitable::{Wait, Waiters, Waiting};
use super::message;
use crate::batch::{BodyPart, LargeBody, RECORD, RecordMark, flag, lock, op};
use crate::body::{HIGH_WATER, LOW_WATER, RequestBody};
use crate::error::HandlerError;
use crate::event_loop;
use crate::handler::Handler;
use crate::host::Host;

/// Bodies up to this size travel in the batch's text, larger ones as buffers over Python's memory. About
/// where four small copies cost as much as making and finalising an external buffer.
const TEXT_BODY: usize = 16 * 1024;

/// What fits into one Buffer in every supported version of Node.
const MAX_BUFFER: usize = 1 << 30;

/// A body as it travels: in one piece, unless it is huge.
fn large_bodies(body: &Bound<'_, PyBytes>) -> Vec<LargeBody> {
  body
    .as_bytes()
    .chunks(MAX_BUFFER)
    .map(|piece| LargeBody {
      data: piece.as_ptr(),
      len: piece.len(),
      owner: body.clone().unbind(),
    })
    .collect()
}

/// Where the response is. Transitions go down the list only.
enum Phase {
  /// Nothing was sent.
  Idle,
  /// `http.response.start` was sent; nothing is on the wire before the first `http.response.body`.
  Started(message::ResponseHead),
  /// The head is on its way, more body is to come.
  Streaming,
  /// The app has sent its last event.
  Complete,
}

struct State {
  phase: Phase,
  /// The client has gone.
  disconnected: bool,
  /// The app has returned or raised.
  finished: bool,
  /// Why amphis cancelled the app's task, if it did.
  cancelled: Option<HandlerError>,
  body: RequestBody,
  /// Body bytes that the declared content-length still wants.
  remaining: Option<u64>,
  /// The response has no body on the wire (HEAD, 204, 304); what the app sends as body is dropped.
  bodiless: bool,
  /// The app ended its body before its content-length: the message can't be mended any more.
  short: bool,
  /// Bytes of the response on their way to the client.
  outstanding: usize,
  /// The last record written, to which `DONE` may be added.
  last_record: Option<RecordMark>,
  /// Keeps the task alive: asyncio itself holds tasks weakly.
  task: Option<Py<PyAny>>,
}

/// See the module's text.
#[pyclass(frozen, module = "_amphis")]
pub struct HttpCycle {
  host: Arc<Host>,
  handler: Arc<Handler>,
  slot: u32,
  state: Mutex<State>,
  /// Tasks that sleep in `receive` or `send`.
  waiters: Waiters,
}

impl HttpCycle {
  pub fn new(
    host: Arc<Host>,
    handler: Arc<Handler>,
    slot: u32,
    head_only: bool,
    more_body: bool,
  ) -> Self {
    Self {
      host,
      handler,
      slot,
      state: Mutex::new(State {
        phase: Phase::Idle,
        disconnected: false,
        finished: false,
        cancelled: None,
        body: RequestBody::new(more_body),
        remaining: None,
        bodiless: head_only,
        short: false,
        outstanding: 0,
        last_record: None,
        task: None,
      }),
      waiters: Waiters::default(),
    }
  }

  pub fn slot(&self) -> u32 {
    self.slot
  }

  pub fn handler(&self) -> &Arc<Handler> {
    &self.handler
  }

  pub fn is_finished(&self) -> bool {
    lock(&self.state).finished
  }

  pub fn set_task(&self, task: Py<PyAny>) {
    lock(&self.state).task = Some(task);
  }

  /// A piece of the request's body has come in.
  pub fn body_part(&self, py: Python<'_>, part: BodyPart, arena: &[u8], more: bool) {
    let copied = match part {
      BodyPart::Copied(ref span) => Some(PyBytes::new(py, span.of(arena))),
      _ => None,
    };
    {
      let mut state = lock(&self.state);
      if state.finished {
        return;
      }
      match (copied, part) {
        (Some(bytes), _) => state.body.push_bytes(bytes),
        (None, BodyPart::Owned(bytes)) => state.body.push_owned(bytes),
        (None, BodyPart::Pinned(pinned)) => state.body.push_pinned(pinned),
        (None, BodyPart::Empty | BodyPart::Copied(_)) => {}
      }
      state.body.set_more(more);
    }
    self.waiters.wake(py);
  }

  /// The client has gone: both directions learn it, the task goes on.
  pub fn disconnect(&self, py: Python<'_>) {
    lock(&self.state).disconnected = true;
    self.waiters.wake(py);
  }

  /// The client's socket has taken `bytes` of the response.
  pub fn credit(&self, py: Python<'_>, bytes: usize) {
    let resume = {
      let mut state = lock(&self.state);
      state.outstanding = state.outstanding.saturating_sub(bytes);
      state.outstanding <= LOW_WATER
    };
    if resume {
      self.waiters.wake(py);
    }
  }

  /// Cancels the app's task; `reason` is what its request ends with.
  pub fn cancel(slf: &Py<Self>, py: Python<'_>, reason: HandlerError) -> PyResult<()> {
    let cycle = slf.get();
    let task = {
      let mut state = lock(&cycle.state);
      state.cancelled = Some(reason);
      state.task.as_ref().map(|task| task.clone_ref(py))
    };
    if let Some(task) = task {
      // A task that is cancelled before its first step never runs `finish`.
      let abandoned = slf.bind(py).getattr(intern!(py, "abandoned"))?;
      task.call_method1(py, intern!(py, "add_done_callback"), (abandoned,))?;
      task.call_method0(py, intern!(py, "cancel"))?;
    }
    Ok(())
  }

  /// Gives up on an app that did not let itself be cancelled: its request ends without it.
  pub fn abandon(&self, py: Python<'_>, reason: &HandlerError) {
    let task = {
      let mut state = lock(&self.state);
      if state.finished {
        return;
      }
      state.finished = true;
      state.body.clear();
      state.task.take()
    };
    drop(task);
    self.waiters.wake(py);
    self.conclude(py, Some(reason), false);
  }

  pub fn waiters(&self) -> &Waiters {
    &self.waiters
  }

  /// The next event, if there is one: `http.disconnect` before anything else.
  pub fn poll_receive(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
    let received = {
      let mut state = lock(&self.state);
      let over = state.disconnected || state.finished || matches!(state.phase, Phase::Complete);
      if over {
        drop(state);
        return message::bare(py, "http.disconnect").map(|event| Some(event.into_any().unbind()));
      }
      if !state.body.is_ready() {
        return Ok(None);
      }
      state.body.take()
    };
    let Some(body) = received.join(py, &self.host)? else {
      return message::bare(py, "http.disconnect").map(|event| Some(event.into_any().unbind()));
    };
    if received.counted && received.parts() > 0 {
      let low = i32::try_from(received.bytes & 0x3fff_ffff).unwrap_or(0);
      let high = i32::try_from(received.bytes >> 30).unwrap_or(i32::MAX);
      let parts = i32::try_from(received.parts()).unwrap_or(i32::MAX);
      self.host.outbox.push(|records| {
        records.push(op::ACK, self.slot, [low, parts, high]);
      });
      event_loop::flush_soon(py, &self.host);
    }
    let event = message::http_request(py, &body, received.more_body)?;
    Ok(Some(event.into_any().unbind()))
  }

  /// `None` while there is no room for more of the response.
  pub fn poll_send(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
    let state = lock(&self.state);
    let (disconnected, full) = (state.disconnected, state.outstanding > LOW_WATER);
    drop(state);
    if disconnected {
      return Err(event_loop::client_disconnected(py));
    }
    Ok((!full).then(|| py.None()))
  }

  fn start(&self, message: &Bound<'_, PyAny>) -> PyResult<()> {
    let head = message::response_start(message)?;
    let mut state = lock(&self.state);
    if let Phase::Idle = state.phase {
      state.remaining = head.content_length;
      state.phase = Phase::Started(head);
      return Ok(());
    }
    drop(state);
    Err(PyRuntimeError::new_err(
      "'http.response.start' was sent twice; a request has one response",
    ))
  }

  /// True when the caller has to wait before it sends more.
  fn body(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<bool> {
    let (body, more) = message::response_body(message)?;
    let mut state = lock(&self.state);
    let mut head = match mem::replace(&mut state.phase, Phase::Streaming) {
      Phase::Started(head) => Some(head),
      Phase::Streaming => None,
      phase @ (Phase::Idle | Phase::Complete) => {
        state.phase = phase;
        drop(state);
        return Err(PyRuntimeError::new_err(
          "'http.response.body' was sent before 'http.response.start'",
        ));
      }
    };
    if head
      .as_ref()
      .is_some_and(|head| matches!(head.status, 204 | 304))
    {
      state.bodiless = true;
    }
    // The app may send a body all the same (RFC 9110 9.3.2); it is not for the wire.
    let body = body.filter(|_| !state.bodiless);
    let length = body.as_ref().map_or(0, |body| body.as_bytes().len());
    if let Some(remaining) = state.remaining.filter(|_| !state.bodiless) {
      match remaining.checked_sub(length as u64) {
        None => {
          // Nothing of this event goes on the wire; the app may still end its response properly.
          state.phase = head.map_or(Phase::Streaming, Phase::Started);
          drop(state);
          return Err(PyRuntimeError::new_err(format!(
            "the response's body is longer than its 'content-length': {length} bytes were sent and {remaining} were left"
          )));
        }
        Some(left) if !more && left > 0 => {
          // The app may still send the rest; if it does not, the message can't be mended.
          state.short = true;
          state.phase = head.map_or(Phase::Streaming, Phase::Started);
          drop(state);
          return Err(PyRuntimeError::new_err(format!(
            "the response's body is {left} bytes shorter than its 'content-length'"
          )));
        }
        Some(left) => {
          state.remaining = Some(left);
          state.short = false;
        }
      }
    }
    if let Some(head) = head
      .as_mut()
      .filter(|head| !more && head.content_length.is_none())
      && !state.bodiless
    {
      head.set_content_length(length);
    }
    if !more {
      state.phase = Phase::Complete;
      // Once JavaScript sees the end it may free the Buffers of the request's body.
      state.body.clear();
    }
    state.last_record = self.write(head.as_ref(), body.as_ref(), !more);
    state.outstanding += length;
    let full = more && state.outstanding > HIGH_WATER;
    drop(state);
    if !more {
      // Whoever waits in `receive` learns that the request is over.
      self.waiters.wake(py);
    }
    event_loop::flush_soon(py, &self.host);
    Ok(full)
  }

  /// Writes one piece of the response, with its head if that was not written yet. Returns the record to
  /// which `DONE` may be added.
  fn write(
    &self,
    head: Option<&message::ResponseHead>,
    body: Option<&Bound<'_, PyBytes>>,
    last: bool,
  ) -> Option<RecordMark> {
    let bytes = body.map(PyBytesMethods::as_bytes).unwrap_or_default();
    let is_large = bytes.len() > TEXT_BODY;
    let large = body
      .filter(|_| is_large)
      .map(large_bodies)
      .unwrap_or_default();
    let text = if is_large { &[] } else { bytes };
    let text_length = i32::try_from(text.len()).unwrap_or(i32::MAX);
    let pieces = large.len().max(1);
    let flags = |piece: usize| {
      let end = if last && piece + 1 == pieces {
        flag::END
      } else {
        0
      };
      if is_large { end | flag::BUFFER } else { end }
    };
    let mark = self.host.outbox.push(|records| {
      if let Some(head) = head {
        let head_length = i32::try_from(head.text.len()).unwrap_or(i32::MAX);
        let operands = [i32::from(head.status), head_length, text_length];
        records.text.extend_from_slice(&head.text);
        records.push(op::RESPONSE | flags(0), self.slot, operands);
      } else {
        records.push(op::CHUNK | flags(0), self.slot, [text_length, 0, 0]);
      }
      records.text.extend_from_slice(text);
      records.bodies.extend(large);
      for piece in 1..pieces {
        records.push(op::CHUNK | flags(piece), self.slot, [0; 3]);
      }
    });
    (pieces == 1).then_some(mark)
  }

  /// Tells JavaScript how the app ended.
  fn conclude(&self, py: Python<'_>, failure: Option<&HandlerError>, destroy: bool) {
    let last_record = lock(&self.state).last_record;
    if let Some(failure) = failure {
      let description = failure.to_json();
      let length = i32::try_from(description.len()).unwrap_or(i32::MAX);
      let destroy = if destroy { flag::DESTROY } else { 0 };
      self.host.outbox.push(|records| {
        records.text.extend_from_slice(description.as_bytes());
        records.push(op::FAIL | flag::DONE | destroy, self.slot, [length, 0, 0]);
      });
    } else if !last_record.is_some_and(|mark| self.host.outbox.amend(mark, flag::DONE)) {
      self
        .host
        .outbox
        .push(|records| records.push(op::DONE, self.slot, [0; RECORD - 2]));
    }
    event_loop::flush_soon(py, &self.host);
    self.handler.request_finished();
    event_loop::forget_cycle(py, &self.host, self.slot);
  }
}

#[pymethods]
impl HttpCycle {
  /// ASGI `receive`: an awaitable of the next event.
  fn receive(slf: Py<Self>) -> Waiting {
    Waiting::new(Wait::Receive(slf))
  }

  /// ASGI `send`: takes one event, returns an awaitable.
  fn send(slf: Py<Self>, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let cycle = slf.get();
    let kind = message::event_type(message)?;
    let kind = kind.to_str()?;
    {
      let state = lock(&cycle.state);
      let disconnected = state.disconnected;
      let complete = state.finished || matches!(state.phase, Phase::Complete);
      drop(state);
      if disconnected {
        return Err(event_loop::client_disconnected(py));
      }
      if complete {
        return Err(PyRuntimeError::new_err(format!(
          "'{kind}' was sent after the response was complete"
        )));
      }
    }
    let wait = match kind {
      "http.response.start" => {
        cycle.start(message)?;
        false
      }
      "http.response.body" => cycle.body(py, message)?,
      _ => {
        return Err(PyRuntimeError::new_err(format!(
          "'{kind}' is not an event that an HTTP app may send here; expected 'http.response.start' or 'http.response.body'"
        )));
      }
    };
    if wait {
      return Ok(
        Waiting::new(Wait::Send(slf))
          .into_pyobject(py)?
          .into_any()
          .unbind(),
      );
    }
    Ok(event_loop::ready(py))
  }

  /// The app returned (`None`) or raised.
  fn finish(&self, py: Python<'_>, error: Option<&Bound<'_, PyAny>>) {
    let (phase, disconnected, short, cancelled, task) = {
      let mut state = lock(&self.state);
      if state.finished {
        return;
      }
      state.finished = true;
      // From here on JavaScript may free the Buffers of the request's body.
      state.body.clear();
      let phase = mem::replace(&mut state.phase, Phase::Complete);
      (
        phase,
        state.disconnected,
        state.short,
        state.cancelled.take(),
        state.task.take(),
      )
    };
    drop(task);
    // Tasks of the app that outlive it and still wait in `receive` learn that the request is over.
    self.waiters.wake(py);
    let failure = match error {
      Some(_) if cancelled.is_some() => cancelled,
      Some(error) if disconnected && event_loop::is_disconnect(py, error) => Some(
        HandlerError::ClientDisconnected(event_loop::describe(py, error)),
      ),
      Some(error) if short => Some(HandlerError::ShortBody(event_loop::describe(py, error))),
      Some(error) => Some(HandlerError::Python(event_loop::describe(py, error))),
      None if disconnected => None,
      None => match phase {
        Phase::Idle | Phase::Started(_) => Some(HandlerError::NoResponse),
        Phase::Streaming => Some(HandlerError::IncompleteResponse),
        Phase::Complete => None,
      },
    };
    self.conclude(py, failure.as_ref(), short);
  }

  /// Done-callback of a cancelled task, for one that never took its first step.
  fn abandoned(&self, py: Python<'_>, _task: &Bound<'_, PyAny>) {
    let reason = lock(&self.state).cancelled.take();
    self.abandon(py, &reason.unwrap_or(HandlerError::Closed));
  }
}
