//! One WebSocket: the state machine behind `receive` and `send` (ASGI `www` spec, "WebSocket").
//!
//! Runs on the Python thread. `state` is locked for a look or a change, never across a call into Python
//! (anything there, even dropping an object, may run code of the app that comes back here).

use std::collections::VecDeque;
use std::sync::Mutex;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::awaitable::{Wait, Waiting, ready};
use super::message;
use super::owner::{self, Owner};
use super::response::{Left, Response};
use super::scope::Offer;
use super::waiters::Waiters;
use crate::base::error::HandlerError;
use crate::base::lock::lock;
use crate::bridge::body::{HIGH_WATER, LOW_WATER, Payload, TEXT_BODY, length_of};
use crate::bridge::bytes::{BodyPart, Pinned};
use crate::bridge::record::{RecordMark, flag, op};
use crate::python::{exceptions, pacing};

/// Received bytes that JavaScript is told of at once; fewer are told of together.
const ACKNOWLEDGE: usize = 64 * 1024;

/// What a message counts beside its bytes, as in `lib/websocket/exchange.ts`.
const MESSAGE_COST: i64 = 64;

/// Where the WebSocket is. Transitions go down the list only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
  /// The client waits for the answer to its handshake.
  Connecting,
  /// The app answers the handshake with a response of its own.
  Denying,
  Open,
  /// The app has closed or refused it.
  Closed,
}

/// A message of the client, until the app receives it.
struct Message {
  content: Content,
  length: usize,
}

enum Content {
  Bytes(Py<PyBytes>),
  Text(Py<PyString>),
  /// Still in Node's memory.
  Pinned {
    pinned: Pinned,
    is_text: bool,
  },
}

struct State {
  phase: Phase,
  /// The app has received `websocket.connect`.
  connected: bool,
  /// The response of a refusal.
  response: Response,
  messages: VecDeque<Message>,
  /// Code and reason of the end, which comes after the messages. Set once the connection is over.
  ended: Option<(u16, String)>,
  /// Received by the app, and not told to JavaScript yet.
  unacknowledged: (usize, usize),
  /// Bytes of messages on their way to the client.
  outstanding: i64,
  /// They have passed the high-water mark, and not come down to the low one.
  is_over: bool,
  /// The batch that JavaScript has to take first, see `Host::hold`.
  held: Option<u64>,
  /// The app has returned or raised.
  finished: bool,
  /// Why amphis cancelled the app's task, if it did.
  cancelled: Option<HandlerError>,
  last_record: Option<RecordMark>,
  /// Keeps the task alive: asyncio itself holds tasks weakly.
  task: Option<Py<PyAny>>,
}

/// See the module's text.
#[pyclass(frozen, module = "_amphis")]
pub struct WebSocketCycle {
  owner: Owner,
  offer: Offer,
  /// Messages after whose reception JavaScript must be told: half of those that it sends ahead.
  acknowledge_parts: usize,
  state: Mutex<State>,
  /// Tasks that sleep in `receive` or `send`.
  waiters: Waiters,
}

impl WebSocketCycle {
  /// `max_queue`: messages that JavaScript sends before the app has received them.
  pub fn new(owner: Owner, offer: Offer, max_queue: u32) -> Self {
    Self {
      owner,
      offer,
      acknowledge_parts: max_queue.div_ceil(2) as usize,
      state: Mutex::new(State {
        phase: Phase::Connecting,
        connected: false,
        response: Response::new(false),
        messages: VecDeque::new(),
        ended: None,
        unacknowledged: (0, 0),
        outstanding: 0,
        is_over: false,
        held: None,
        finished: false,
        cancelled: None,
        last_record: None,
        task: None,
      }),
      waiters: Waiters::default(),
    }
  }

  pub fn owner(&self) -> &Owner {
    &self.owner
  }

  pub fn is_finished(&self) -> bool {
    lock(&self.state).finished
  }

  pub fn set_task(&self, task: Py<PyAny>) {
    lock(&self.state).task = Some(task);
  }

  /// The client has sent a message.
  pub fn message(&self, py: Python<'_>, part: BodyPart, arena: &[u8], is_text: bool) {
    let message = match part {
      BodyPart::Pinned(pinned) => Message {
        content: Content::Pinned { pinned, is_text },
        length: pinned.len,
      },
      BodyPart::Empty => Message::copy(py, b"", is_text),
      BodyPart::Copied(span) => Message::copy(py, span.of(arena), is_text),
      BodyPart::Owned(bytes) => Message::copy(py, &bytes, is_text),
    };
    {
      let mut state = lock(&self.state);
      if state.finished || state.ended.is_some() {
        return;
      }
      state.messages.push_back(message);
    }
    self.waiters.wake(py);
  }

  /// The connection is over: what the client has said last, or 1006 where it has said nothing.
  pub fn closed(&self, py: Python<'_>, code: u16, reason: String) {
    {
      let mut state = lock(&self.state);
      if state.ended.is_none() {
        state.ended = Some((code, reason));
      }
    }
    self.waiters.wake(py);
  }

  /// The client has left without a word (RFC 6455 7.1.5).
  pub fn disconnect(&self, py: Python<'_>) {
    self.closed(py, 1006, String::new());
  }

  /// The client's socket has taken `bytes`.
  pub fn credit(&self, py: Python<'_>, bytes: i64) {
    let resume = {
      let mut state = lock(&self.state);
      if state.phase == Phase::Denying {
        state.response.credit(bytes)
      } else {
        state.outstanding -= bytes;
        let eased = state.is_over && state.outstanding <= LOW_WATER;
        state.is_over &= !eased;
        eased
      }
    };
    if resume {
      self.waiters.wake(py);
    }
  }

  /// Notes why the app's task is cancelled, and returns it.
  pub fn start_cancel(&self, py: Python<'_>, reason: HandlerError) -> Option<Py<PyAny>> {
    let mut state = lock(&self.state);
    state.cancelled = Some(reason);
    state.task.as_ref().map(|task| task.clone_ref(py))
  }

  pub fn is_cut(&self) -> bool {
    matches!(lock(&self.state).cancelled, Some(HandlerError::Cancelled))
  }

  /// Gives up on an app that did not let itself be cancelled.
  pub fn abandon(&self, py: Python<'_>, reason: &HandlerError) {
    let Some((task, messages)) = self.end() else {
      return;
    };
    drop((task, messages));
    self.waiters.wake(py);
    self.owner.conclude(py, None, Some(reason), false);
  }

  /// The app has ended. `None` when that was known.
  fn end(&self) -> Option<(Option<Py<PyAny>>, VecDeque<Message>)> {
    let mut state = lock(&self.state);
    if state.finished {
      return None;
    }
    state.finished = true;
    // From here on JavaScript may free the Buffers of messages.
    let messages = std::mem::take(&mut state.messages);
    Some((state.task.take(), messages))
  }

  pub fn waiters(&self) -> &Waiters {
    &self.waiters
  }

  /// The next event, if there is one.
  pub fn poll_receive(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
    let (message, told) = {
      let mut state = lock(&self.state);
      if !state.connected && !state.finished {
        state.connected = true;
        drop(state);
        return message::bare(py, "websocket.connect").map(|event| Some(event.into_any().unbind()));
      }
      // What comes after the app's own close is for nobody.
      let message = match state.phase {
        Phase::Open => state.messages.pop_front(),
        Phase::Connecting | Phase::Denying | Phase::Closed => None,
      };
      let Some(message) = message else {
        let ended = state.ended.clone();
        let refused = state.phase != Phase::Open && state.response.is_complete();
        let ended = ended.or_else(|| (refused || state.finished).then(|| (1006, String::new())));
        drop(state);
        if ended.is_none() {
          pacing::rest(py);
        }
        return ended
          .map(|(code, reason)| {
            message::websocket_disconnect(py, code, &reason).map(|event| event.into_any().unbind())
          })
          .transpose();
      };
      let (bytes, parts) = &mut state.unacknowledged;
      *bytes += message.length;
      *parts += 1;
      let told = (*parts >= self.acknowledge_parts || *bytes >= ACKNOWLEDGE)
        .then(|| std::mem::take(&mut state.unacknowledged));
      (message, told)
    };
    let payload = message.into_payload(py, &self.owner);
    if let Some((bytes, parts)) = told {
      owner::acknowledge(py, &self.owner, bytes, parts);
    }
    let Some(payload) = payload else {
      return message::websocket_disconnect(py, 1006, "")
        .map(|event| Some(event.into_any().unbind()));
    };
    message::websocket_receive(py, payload).map(|event| Some(event.into_any().unbind()))
  }

  /// `None` while there is no room for more towards the client.
  pub fn poll_send(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
    let state = lock(&self.state);
    let gone = state.ended.is_some();
    let full = match state.phase {
      Phase::Denying => state.response.is_full(&self.owner.host),
      _ => {
        let held = state
          .held
          .is_some_and(|batch| self.owner.host.outbox.holds(batch));
        state.is_over || held
      }
    };
    drop(state);
    if gone {
      return Err(exceptions::client_disconnected(py));
    }
    Ok((!full).then(|| py.None()))
  }

  fn accept(&self, message: &Bound<'_, PyAny>) -> PyResult<()> {
    let accept = message::websocket_accept(message, &self.offer.subprotocols)?;
    let mut state = lock(&self.state);
    expect(state.phase, Phase::Connecting, "websocket.accept")?;
    state.phase = Phase::Open;
    let subprotocol = accept.subprotocol.unwrap_or_default();
    let lengths = [
      i32::try_from(subprotocol.len()).unwrap_or(i32::MAX),
      i32::try_from(accept.headers.len()).unwrap_or(i32::MAX),
    ];
    self.owner.host.outbox.push(|records| {
      records.text.extend_from_slice(subprotocol.as_bytes());
      records.text.extend_from_slice(&accept.headers);
      records.push(op::ACCEPT, self.owner.slot, [lengths[0], lengths[1], 0]);
    });
    Ok(())
  }

  /// True when the caller has to wait before it sends more.
  fn send_message(&self, message: &Bound<'_, PyAny>) -> PyResult<bool> {
    let payload = message::websocket_send(message)?;
    let bytes = payload.as_bytes()?;
    let is_text = matches!(payload, Payload::Text(_));
    let large = if bytes.len() > TEXT_BODY {
      payload.large_bodies(bytes)
    } else {
      Vec::new()
    };
    if large.len() > 1 {
      return Err(PyRuntimeError::new_err(
        "a WebSocket message can't be larger than 1 GiB; send it in pieces",
      ));
    }
    let mut state = lock(&self.state);
    expect(state.phase, Phase::Open, "websocket.send")?;
    let text = if large.is_empty() { bytes } else { &[] };
    let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
    let mut flags = if is_text { flag::TEXT } else { 0 };
    if !large.is_empty() {
      flags |= flag::BUFFER;
    }
    self.owner.host.outbox.push(|records| {
      records.text.extend_from_slice(text);
      records.bodies.extend(large);
      records.push(op::MESSAGE | flags, self.owner.slot, [length, 0, 0]);
    });
    state.outstanding += length_of(bytes) + MESSAGE_COST;
    state.is_over |= state.outstanding > HIGH_WATER;
    state.held = self.owner.host.hold(self.owner.slot);
    Ok(state.is_over || state.held.is_some())
  }

  /// Closes an open WebSocket, refuses one that is not.
  fn close(&self, message: &Bound<'_, PyAny>) -> PyResult<()> {
    let (code, reason) = message::websocket_close(message)?;
    let mut state = lock(&self.state);
    match state.phase {
      Phase::Connecting => {
        // The app's handshake is over; nothing is left for the client to say.
        state.ended = Some((1006, String::new()));
      }
      Phase::Open => {}
      phase @ (Phase::Denying | Phase::Closed) => expect(phase, Phase::Open, "websocket.close")?,
    }
    state.phase = Phase::Closed;
    let mark = self.write_close(code, &reason);
    state.last_record = Some(mark);
    Ok(())
  }

  fn write_close(&self, code: u16, reason: &str) -> RecordMark {
    let length = i32::try_from(reason.len()).unwrap_or(i32::MAX);
    self.owner.host.outbox.push(|records| {
      records.text.extend_from_slice(reason.as_bytes());
      records.push(op::CLOSE, self.owner.slot, [i32::from(code), length, 0]);
    })
  }

  fn deny(&self, message: &Bound<'_, PyAny>, kind: &str) -> PyResult<()> {
    let mut head = message::response_start(message, kind)?;
    head.trailers = false;
    if self.offer.is_http2 && (200..300).contains(&head.status) {
      return Err(PyValueError::new_err(format!(
        "over HTTP/2 a handshake that is answered with {} is accepted; refuse it with a status of 300 or above",
        head.status
      )));
    }
    let mut state = lock(&self.state);
    if state.phase != Phase::Denying {
      expect(state.phase, Phase::Connecting, kind)?;
    }
    state.response.start(head, kind)?;
    state.phase = Phase::Denying;
    Ok(())
  }

  /// True when the caller has to wait before it sends more.
  fn deny_body(&self, message: &Bound<'_, PyAny>, kind: &str) -> PyResult<bool> {
    let (body, more) = message::response_body(message, kind)?;
    let body = body.map(Payload::Bytes);
    let mut state = lock(&self.state);
    if state.phase == Phase::Closed || state.phase == Phase::Open {
      expect(state.phase, Phase::Denying, kind)?;
    }
    let full = state
      .response
      .body(&self.owner.target(), body.as_ref(), more, kind)?;
    state.last_record = state.response.last_record();
    Ok(full)
  }
}

impl Message {
  fn copy(py: Python<'_>, bytes: &[u8], is_text: bool) -> Self {
    let content = if is_text {
      Content::Text(text(py, bytes).unbind())
    } else {
      Content::Bytes(PyBytes::new(py, bytes).unbind())
    };
    Self {
      content,
      length: bytes.len(),
    }
  }

  /// `None` when the environment that owns the bytes is gone.
  fn into_payload<'py>(self, py: Python<'py>, owner: &Owner) -> Option<Payload<'py>> {
    match self.content {
      Content::Bytes(bytes) => Some(Payload::Bytes(bytes.into_bound(py))),
      Content::Text(text) => Some(Payload::Text(text.into_bound(py))),
      Content::Pinned { pinned, is_text } => {
        // Held for the copy only: meanwhile the environment can't be torn down.
        let _pins = owner.host.pin_guard()?;
        // SAFETY: JavaScript keeps the Buffer until it is told that this message was received, and the
        // guard above keeps its environment alive.
        let bytes = unsafe { pinned.as_slice() };
        Some(if is_text {
          Payload::Text(text(py, bytes))
        } else {
          Payload::Bytes(PyBytes::new(py, bytes))
        })
      }
    }
  }
}

/// A text message's UTF-8, which the framing has checked.
fn text<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
  PyString::new(py, &String::from_utf8_lossy(bytes))
}

/// An event that comes at the wrong time is an error that says what was sent before.
fn expect(phase: Phase, wanted: Phase, kind: &str) -> PyResult<()> {
  if phase == wanted {
    return Ok(());
  }
  let why = match phase {
    Phase::Connecting => "before 'websocket.accept'",
    Phase::Denying => "after the handshake was refused with 'websocket.http.response.start'",
    Phase::Open => "after 'websocket.accept'",
    Phase::Closed => "after 'websocket.close'",
  };
  Err(PyRuntimeError::new_err(format!("'{kind}' was sent {why}")))
}

#[pymethods]
impl WebSocketCycle {
  /// ASGI `receive`: an awaitable of the next event.
  fn receive(slf: Py<Self>) -> Waiting {
    Waiting::new(Wait::ReceiveMessage(slf))
  }

  /// ASGI `send`: takes one event, returns an awaitable.
  fn send(slf: Py<Self>, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let cycle = slf.get();
    let kind = message::event_type(message)?;
    let kind = kind.to_str()?;
    let (phase, gone, complete) = {
      let state = lock(&cycle.state);
      let complete = state.finished || state.response.is_complete();
      (state.phase, state.ended.is_some(), complete)
    };
    if complete {
      return Err(PyRuntimeError::new_err(format!(
        "'{kind}' was sent after the handshake's response was complete"
      )));
    }
    // The app's own close comes first: what it sends after that is its mistake, whatever the client does.
    if gone && phase != Phase::Closed {
      return Err(exceptions::client_disconnected(py));
    }
    let wait = match kind {
      "websocket.accept" => {
        cycle.accept(message)?;
        false
      }
      "websocket.send" => cycle.send_message(message)?,
      "websocket.close" => {
        cycle.close(message)?;
        cycle.waiters.wake(py);
        false
      }
      "websocket.http.response.start" => {
        cycle.deny(message, kind)?;
        false
      }
      "websocket.http.response.body" => {
        let full = cycle.deny_body(message, kind)?;
        cycle.waiters.wake(py);
        full
      }
      _ => {
        return Err(PyRuntimeError::new_err(format!(
          "'{kind}' is not an event that a WebSocket app may send here; expected 'websocket.accept', 'websocket.send', 'websocket.close' or 'websocket.http.response.start'"
        )));
      }
    };
    pacing::flush_soon(py, &cycle.owner.host);
    if wait {
      return Waiting::new(Wait::SendMessage(slf))
        .into_pyobject(py)
        .map(|waiting| waiting.into_any().unbind());
    }
    Ok(ready(py))
  }

  /// The app returned (`None`) or raised.
  fn finish(&self, py: Python<'_>, error: Option<&Bound<'_, PyAny>>) {
    let Some((task, messages)) = self.end() else {
      return;
    };
    drop((task, messages));
    // Tasks of the app that outlive it and still wait in `receive` learn that it is over.
    self.waiters.wake(py);
    let (phase, gone, cancelled, left, mut last_record) = {
      let mut state = lock(&self.state);
      let left = state.response.leave();
      let gone = state.ended.is_some();
      (
        state.phase,
        gone,
        state.cancelled.take(),
        left,
        state.last_record,
      )
    };
    let failure = match error {
      Some(_) if cancelled.is_some() => cancelled,
      Some(error) if gone && exceptions::is_disconnect(py, error) => Some(
        HandlerError::ClientDisconnected(exceptions::describe(py, error)),
      ),
      Some(error) => Some(HandlerError::Python(exceptions::describe(py, error))),
      None if gone => None,
      None => match (phase, left) {
        (Phase::Connecting, _) => Some(HandlerError::NoHandshake),
        (Phase::Denying, Left::Unsent) => Some(HandlerError::NoResponse),
        (Phase::Denying, Left::Incomplete) => Some(HandlerError::IncompleteResponse),
        (Phase::Open, _) => {
          // An app that has nothing more to say has ended well.
          last_record = Some(self.write_close(1000, ""));
          None
        }
        (Phase::Denying, Left::Complete) | (Phase::Closed, _) => None,
      },
    };
    self
      .owner
      .conclude(py, last_record, failure.as_ref(), false);
  }

  /// Done-callback of a cancelled task, for one that never took its first step.
  fn abandoned(&self, py: Python<'_>, _task: &Bound<'_, PyAny>) {
    let reason = lock(&self.state).cancelled.take();
    self.abandon(py, &reason.unwrap_or(HandlerError::Closed));
  }
}
