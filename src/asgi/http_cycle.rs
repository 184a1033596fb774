//! One HTTP request and its response: the state machine behind `receive` and `send`.
//!
//! Runs on the Python thread. `state` is locked for a look or a change, never across a call into Python
//! (anything there, even dropping an object, may run code of the app that comes back here).

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::awaitable::{Wait, Waiting, ready};
use super::file::{self, Opening};
use super::message;
use super::owner::{self, Owner};
use super::response::{Left, Response, Target};
use super::waiters::Waiters;
use crate::base::error::HandlerError;
use crate::base::lock::lock;
use crate::bridge::body::{Payload, RequestBody, TEXT_BODY};
use crate::bridge::bytes::BodyPart;
use crate::bridge::record::op;
use crate::python::{event_loop, exceptions, pacing};

/// What the connection can do beyond the core of ASGI, as its scope says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Abilities {
  pub pathsend: bool,
  pub trailers: bool,
  pub early_hint: bool,
}

impl Abilities {
  /// From the letters of the head, see `extensions.rs`.
  pub fn parse(letters: &[u8]) -> Self {
    Self {
      pathsend: letters.contains(&b'p'),
      trailers: letters.contains(&b't'),
      early_hint: letters.contains(&b'e'),
    }
  }
}

/// What JavaScript says about a request besides its head and body.
#[derive(Debug, Clone, Copy)]
pub struct RequestTraits {
  pub head_only: bool,
  pub more_body: bool,
  /// The client waits for `100 Continue`.
  pub awaits_continue: bool,
  pub abilities: Abilities,
}

/// How long an app that was told of a disconnect in `receive` has to stop what still sends.
const NOTICE: Duration = Duration::from_secs(1);
/// Events that it may send meanwhile between two turns of the loop.
const UNHEARD: u32 = 64;

struct State {
  response: Response,
  /// The client has gone.
  disconnected: bool,
  /// Since when the app knows it from a `receive` that was waiting.
  told: Option<Instant>,
  /// Events that were sent since.
  unheard: u32,
  /// The task that was told so.
  listener: Option<Py<PyAny>>,
  /// The app is to end the events that it sends: `receive` says that the client has gone, `send` works on.
  ending: bool,
  /// The app has returned or raised.
  finished: bool,
  /// Why amphis cancelled the app's task, if it did.
  cancelled: Option<HandlerError>,
  body: RequestBody,
  /// The client waits for `100 Continue`, which it gets when the app first waits for the body.
  awaits_continue: bool,
  /// The file that is being opened for `http.response.pathsend`.
  opening: Option<Arc<Opening>>,
  /// Keeps the task alive: asyncio itself holds tasks weakly.
  task: Option<Py<PyAny>>,
}

/// See the module's text.
#[pyclass(frozen, module = "_amphis")]
pub struct HttpCycle {
  owner: Owner,
  abilities: Abilities,
  state: Mutex<State>,
  /// Tasks that sleep in `receive`.
  receivers: Waiters,
  /// Tasks that sleep in `send`.
  senders: Waiters,
}

impl HttpCycle {
  pub fn new(owner: Owner, traits: RequestTraits) -> Self {
    Self {
      owner,
      abilities: traits.abilities,
      state: Mutex::new(State {
        response: Response::new(traits.head_only),
        disconnected: false,
        told: None,
        unheard: 0,
        listener: None,
        ending: false,
        finished: false,
        cancelled: None,
        body: RequestBody::new(traits.more_body),
        awaits_continue: traits.awaits_continue && traits.more_body,
        opening: None,
        task: None,
      }),
      receivers: Waiters::default(),
      senders: Waiters::default(),
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
    self.receivers.wake(py);
  }

  /// The client has gone: both directions learn it, the task goes on.
  pub fn disconnect(&self, py: Python<'_>) {
    {
      let mut state = lock(&self.state);
      if state.disconnected {
        return;
      }
      state.disconnected = true;
      if !self.receivers.is_empty() {
        state.told = Some(Instant::now());
      }
    }
    self.wake_all(py);
  }

  /// The server is to stop. Who sends events waits in `receive` for the end of a client that will not end by
  /// itself, so it is told so. Nobody else: a download waits there as well.
  pub fn stop_events(&self, py: Python<'_>) {
    {
      let mut state = lock(&self.state);
      if state.ending || state.finished || !state.response.is_event_stream() {
        return;
      }
      state.ending = true;
    }
    self.receivers.wake(py);
  }

  /// Whether it has begun a response that may never end.
  pub fn is_stream(&self) -> bool {
    lock(&self.state).response.is_stream()
  }

  /// Whether `send` says nothing of the client's end. An app that has a task waiting in `receive` is told
  /// there, and that task is on the way to cancel those that still send: meanwhile they are let run, as the
  /// spec's version 2.3 has it. Any other learns it from `send`.
  fn is_being_told(&self, py: Python<'_>) -> bool {
    let listener = {
      let state = lock(&self.state);
      if state.told.is_none_or(|told| told.elapsed() >= NOTICE) {
        return false;
      }
      state.listener.as_ref().map(|task| task.clone_ref(py))
    };
    let sender = event_loop::current_task(py);
    listener.is_none_or(|listener| !sender.is_some_and(|sender| sender.is(&listener)))
  }

  /// The task that calls is told of the disconnect.
  fn note_listener(&self, py: Python<'_>) {
    let listener = event_loop::current_task(py);
    let earlier = mem::replace(&mut lock(&self.state).listener, listener);
    drop(earlier);
  }

  /// The client's socket has taken `bytes` of the response.
  pub fn credit(&self, py: Python<'_>, bytes: i64) {
    let resume = lock(&self.state).response.credit(bytes);
    if resume {
      self.senders.wake(py);
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
    self.wake_all(py);
    self.conclude(py, Some(reason), false);
  }

  pub fn receivers(&self) -> &Waiters {
    &self.receivers
  }

  pub fn senders(&self) -> &Waiters {
    &self.senders
  }

  fn wake_all(&self, py: Python<'_>) {
    self.receivers.wake(py);
    self.senders.wake(py);
  }

  /// The next event, if there is one. `http.disconnect` comes before what is left of a body, but after a
  /// request that came whole: some apps can't do without the first event.
  pub fn poll_receive(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
    let host = &self.owner.host;
    let received = {
      let mut state = lock(&self.state);
      let over = state.finished
        || state.response.is_complete()
        || ((state.disconnected || state.ending) && !state.body.is_whole());
      if over {
        let is_told = state.told.is_some() && !state.finished;
        drop(state);
        if is_told {
          self.note_listener(py);
        }
        return message::bare(py, "http.disconnect").map(|event| Some(event.into_any().unbind()));
      }
      if !state.body.is_ready() {
        if mem::take(&mut state.awaits_continue) {
          drop(state);
          let slot = self.owner.slot;
          host
            .outbox
            .push(|records| records.push(op::CONTINUE, slot, [0; 3]));
          pacing::flush_soon(py, host);
        }
        return Ok(None);
      }
      state.body.take()
    };
    let Some(body) = received.join(py, host)? else {
      return message::bare(py, "http.disconnect").map(|event| Some(event.into_any().unbind()));
    };
    if let Some((bytes, parts)) = received.acknowledge {
      owner::acknowledge(py, &self.owner, bytes, parts);
    }
    let event = message::http_request(py, &body, received.more_body)?;
    Ok(Some(event.into_any().unbind()))
  }

  /// `None` while there is no room for more of the response.
  pub fn poll_send(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
    let state = lock(&self.state);
    let (disconnected, full) = (state.disconnected, state.response.is_full(&self.owner.host));
    drop(state);
    if disconnected {
      if self.is_being_told(py) {
        return Ok(Some(py.None()));
      }
      return Err(exceptions::client_disconnected(py));
    }
    Ok((!full).then(|| py.None()))
  }

  /// `None` while the file of a `http.response.pathsend` is being opened.
  pub fn poll_file(&self, py: Python<'_>, opening: &Opening) -> PyResult<Option<Py<PyAny>>> {
    let opened = opening.take();
    let (sent, earlier) = {
      let mut state = lock(&self.state);
      if state.disconnected {
        drop(state);
        drop(opened);
        return Err(exceptions::client_disconnected(py));
      }
      let Some(opened) = opened else {
        return Ok(None);
      };
      let sent = match opened {
        Ok(file) => {
          let sent = state.response.file(&self.target(), file);
          if state.response.is_complete() {
            state.body.clear();
          }
          sent
        }
        Err(error) => {
          state.response.abandon_file();
          Err(error)
        }
      };
      (sent, state.opening.take())
    };
    drop(earlier);
    sent?;
    self.wake_all(py);
    pacing::flush_soon(py, &self.owner.host);
    Ok(Some(py.None()))
  }

  /// The app no longer waits for the file that is being opened.
  pub fn give_up_file(&self, opening: &Arc<Opening>) {
    let given_up = {
      let mut state = lock(&self.state);
      let is_current = state
        .opening
        .as_ref()
        .is_some_and(|current| Arc::ptr_eq(current, opening));
      if is_current {
        state.response.abandon_file();
        state.opening.take()
      } else {
        None
      }
    };
    drop(given_up);
  }

  fn target(&self) -> Target<'_> {
    self.owner.target()
  }

  /// True when the caller has to wait before it sends more.
  fn body(&self, py: Python<'_>, message: &Bound<'_, PyAny>, kind: &str) -> PyResult<bool> {
    let (body, more) = message::response_body(message, kind)?;
    let length = body.as_ref().map_or(0, |body| body.as_bytes().len());
    let body = body.map(Payload::Bytes);
    let (full, complete, may_wait) = {
      let mut state = lock(&self.state);
      // The first piece has the head with it, and an app that is to wait has it sent.
      let may_wait = more && length > TEXT_BODY && state.response.is_streaming();
      let full = state
        .response
        .body(&self.target(), body.as_ref(), more, kind)?;
      let complete = state.response.is_complete();
      if complete {
        // Once JavaScript sees the end it may free the Buffers of the request's body.
        state.body.clear();
      }
      (full, complete, may_wait && !full)
    };
    if may_wait {
      pacing::flush_bulk(py, &self.owner.host, length);
    } else {
      self.after_event(py, complete);
    }
    Ok(full)
  }

  fn trailers(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<()> {
    let (fields, more) = message::trailers(message)?;
    let complete = {
      let mut state = lock(&self.state);
      state.response.trailers(&self.target(), &fields, more)?;
      let complete = state.response.is_complete();
      if complete {
        state.body.clear();
      }
      complete
    };
    self.after_event(py, complete);
    Ok(())
  }

  fn after_event(&self, py: Python<'_>, complete: bool) {
    if complete {
      // Whoever waits in `receive` learns that the request is over.
      self.wake_all(py);
    }
    pacing::flush_soon(py, &self.owner.host);
  }

  /// Tells JavaScript how the app ended.
  fn conclude(&self, py: Python<'_>, failure: Option<&HandlerError>, destroy: bool) {
    let last_record = lock(&self.state).response.last_record();
    self.owner.conclude(py, last_record, failure, destroy);
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
      let complete = state.finished || state.response.is_complete();
      drop(state);
      if disconnected {
        if cycle.is_being_told(py) {
          let unheard = {
            let mut state = lock(&cycle.state);
            state.unheard += 1;
            state.unheard
          };
          // Cancelling should meet the app where it waits itself. But the loop gets its turn now and then: an
          // app that waits for nothing could not be cancelled otherwise.
          return if unheard.is_multiple_of(UNHEARD) {
            event_loop::pause(py)
          } else {
            Ok(ready(py))
          };
        }
        return Err(exceptions::client_disconnected(py));
      }
      if complete {
        return Err(PyRuntimeError::new_err(format!(
          "'{kind}' was sent after the response was complete"
        )));
      }
    }
    let can = cycle.abilities;
    let wait = match kind {
      "http.response.start" => {
        let head = message::response_start(message, kind)?;
        if head.trailers && !can.trailers {
          return Err(unavailable("http.response.trailers"));
        }
        let is_event_stream = head.is_event_stream;
        lock(&cycle.state).response.start(head, kind)?;
        if is_event_stream && cycle.owner.app.ends_events() {
          cycle.stop_events(py);
        }
        None
      }
      "http.response.body" => cycle.body(py, message, kind)?.then(|| Wait::Send(slf)),
      "http.response.trailers" if can.trailers => {
        cycle.trailers(py, message)?;
        None
      }
      "http.response.early_hint" if can.early_hint => {
        let links = message::early_hint(message)?;
        lock(&cycle.state)
          .response
          .early_hint(&cycle.target(), &links)?;
        pacing::flush_soon(py, &cycle.owner.host);
        None
      }
      "http.response.pathsend" if can.pathsend => {
        let path = match message::pathsend(message) {
          Ok(path) => path,
          Err(error) => {
            lock(&cycle.state).response.refuse_file();
            return Err(error);
          }
        };
        lock(&cycle.state).response.begin_file()?;
        let waiting = slf.clone_ref(py);
        let opening = file::open(path, move |py| waiting.get().senders().wake(py));
        lock(&cycle.state).opening = Some(Arc::clone(&opening));
        Some(Wait::File(slf, opening))
      }
      "http.response.trailers" | "http.response.early_hint" | "http.response.pathsend" => {
        return Err(unavailable(kind));
      }
      _ => {
        return Err(PyRuntimeError::new_err(format!(
          "'{kind}' is not an event that an HTTP app may send here; expected 'http.response.start' or 'http.response.body'"
        )));
      }
    };
    match wait {
      Some(wait) => Waiting::new(wait)
        .into_pyobject(py)
        .map(|waiting| waiting.into_any().unbind()),
      None => Ok(ready(py)),
    }
  }

  /// The app returned (`None`) or raised.
  fn finish(&self, py: Python<'_>, error: Option<&Bound<'_, PyAny>>) {
    let (left, disconnected, ended, short, cancelled, task, opening) = {
      let mut state = lock(&self.state);
      if state.finished {
        return;
      }
      state.finished = true;
      // From here on JavaScript may free the Buffers of the request's body.
      state.body.clear();
      // An app that was told to end its events, and does so, has nothing more to say.
      let ended = state.ending
        && state.cancelled.is_none()
        && error.is_none()
        && !state.response.is_complete()
        && state.response.end(&self.target());
      (
        state.response.leave(),
        state.disconnected,
        ended,
        state.response.is_short(),
        state.cancelled.take(),
        state.task.take(),
        (state.opening.take(), state.listener.take()),
      )
    };
    drop((task, opening));
    if ended {
      pacing::flush_soon(py, &self.owner.host);
    }
    // Tasks of the app that outlive it and still wait in `receive` learn that the request is over.
    self.wake_all(py);
    let failure = match error {
      Some(_) if cancelled.is_some() => cancelled,
      Some(error) if disconnected && exceptions::is_disconnect(py, error) => Some(
        HandlerError::ClientDisconnected(exceptions::describe(py, error)),
      ),
      Some(error) if short => Some(HandlerError::ShortBody(exceptions::describe(py, error))),
      Some(error) => Some(HandlerError::Python(exceptions::describe(py, error))),
      None if disconnected => None,
      None => match left {
        Left::Unsent => Some(HandlerError::NoResponse),
        Left::Incomplete => Some(HandlerError::IncompleteResponse),
        Left::Complete => None,
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

fn unavailable(extension: &str) -> PyErr {
  PyRuntimeError::new_err(format!(
    "this connection has no '{extension}'; look into scope['extensions'] before using an extension"
  ))
}
