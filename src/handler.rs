//! The native half of `PythonHandler`: turns JavaScript's calls into commands, nothing else.
//!
//! Calls from JavaScript only append to the inbox; none takes the GIL. What they lead to comes back as
//! records (see `batch.rs`), matched by slot (requests) or by token (everything else).

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use napi::bindgen_prelude::{JsValue, Unknown};
use napi::{Env, Error, Result, Status, check_status, sys};
use napi_derive::napi;
use pyo3::prelude::*;
use tokio::sync::Notify;

use crate::asgi::lifespan::{LifespanCycle, LifespanMode};
use crate::asgi::scope::{self, ScopeConstants};
use crate::batch::{Batch, BodyPart, Command, Expectation, Pinned, Span, lock};
use crate::bridge;
use crate::event_loop::LoopKind;
use crate::host::{Host, HostHandle};
use crate::lifecycle;
use crate::masking;

/// Flags of [`HandlerHandle::request`] and what it and [`HandlerHandle::message`] return; `lib/bridge/bridge.ts` has the
/// other half of this table.
const MORE_BODY: u32 = 1;
const AWAITS_CONTINUE: u32 = 2;
const ALONE: u32 = 4;
const REFUSED: u32 = 0;
const SENT: u32 = 1;
const ANSWERED: u32 = 2;

/// Bodies up to this size are copied into the batch; larger ones are read where Node has them.
const COPY_BODY: usize = 4 * 1024;

/// What a handler needs to know, checked by JavaScript.
#[napi(object)]
#[derive(Clone)]
pub struct HandlerOptions {
  /// `module:attribute`
  pub app: String,
  /// Absolute folder that is put first on `sys.path`.
  pub app_dir: String,
  pub factory: bool,
  #[napi(ts_type = "'auto' | 'asgi' | 'wsgi'")]
  pub interface: String,
  pub wsgi_threads: u32,
  pub root_path: String,
  #[napi(ts_type = "'auto' | 'on' | 'off'")]
  pub lifespan: String,
  /// Level of Python's root logger, unless somebody configures it.
  #[napi(ts_type = "'critical' | 'error' | 'warning' | 'info' | 'debug' | 'trace'")]
  pub log_level: Option<String>,
  /// Absolute path of a file for `logging.config`.
  pub log_config: Option<String>,
  /// Whether what the start has made is kept from the collector.
  pub gc_freeze: bool,
}

/// How to start Python.
#[napi(object)]
pub struct PythonOptions {
  /// The environment's interpreter, which becomes `argv[0]`.
  pub executable: String,
  #[napi(ts_type = "'auto' | 'uvloop' | 'asyncio'", js_name = "loop")]
  pub event_loop: String,
}

/// The imported app and what its scopes share.
pub struct App {
  pub callable: Py<PyAny>,
  pub constants: ScopeConstants,
}

/// A handler as Rust's threads share it.
pub struct Handler {
  pub index: u32,
  /// The environment that it belongs to.
  pub host: u32,
  pub options: HandlerOptions,
  /// Set once, on the Python thread, when startup is complete.
  app: OnceLock<App>,
  /// New requests are refused.
  closing: AtomicBool,
  /// Requests whose app has not returned. Changed on the Python thread only.
  active: AtomicUsize,
  /// Notified each time `active` reaches zero while `closing`.
  idle: Notify,
  /// The lifespan of the app, from the start of its startup on; taken by whoever ends it.
  pub lifespan: Mutex<Option<Py<LifespanCycle>>>,
  /// What its start has made is frozen. Changed by `collector.rs` only.
  pub frozen: AtomicBool,
}

impl Handler {
  pub fn mode(&self) -> LifespanMode {
    LifespanMode::parse(&self.options.lifespan)
  }

  /// The app, while requests are taken.
  pub fn app(&self) -> Option<&App> {
    if self.is_closing() {
      None
    } else {
      self.app.get()
    }
  }

  pub fn is_started(&self) -> bool {
    self.app.get().is_some()
  }

  pub fn is_closing(&self) -> bool {
    self.closing.load(Ordering::Acquire)
  }

  /// Startup is complete.
  pub fn set_app(&self, app: App) {
    // A handler is started once; a second value could only be the same app again.
    let _ = self.app.set(app);
  }

  pub fn request_started(&self) {
    self.active.fetch_add(1, Ordering::AcqRel);
  }

  pub fn request_finished(&self) {
    if self.active.fetch_sub(1, Ordering::AcqRel) == 1 && self.is_closing() {
      self.idle.notify_waiters();
    }
  }

  pub fn start_closing(&self) {
    self.closing.store(true, Ordering::Release);
  }

  /// Waits until no request is running. Call after [`Self::start_closing`].
  pub async fn drained(&self) {
    loop {
      let idle = self.idle.notified();
      tokio::pin!(idle);
      // Registered before the look, so that no notification is missed.
      idle.as_mut().enable();
      if self.active.load(Ordering::Acquire) == 0 {
        return;
      }
      idle.await;
    }
  }
}

/// All handlers of the process by index; locked for a look-up only.
static HANDLERS: Mutex<Vec<Option<Arc<Handler>>>> = Mutex::new(Vec::new());

pub fn get(index: u32) -> Option<Arc<Handler>> {
  lock(&HANDLERS).get(index as usize).cloned().flatten()
}

/// The handlers of the process.
pub fn all() -> Vec<Arc<Handler>> {
  lock(&HANDLERS).iter().flatten().cloned().collect()
}

/// The handlers of an environment.
pub fn of_host(host: u32) -> Vec<Arc<Handler>> {
  lock(&HANDLERS)
    .iter()
    .flatten()
    .filter(|handler| handler.host == host)
    .cloned()
    .collect()
}

pub fn forget(index: u32) {
  let forgotten = lock(&HANDLERS)
    .get_mut(index as usize)
    .and_then(Option::take);
  drop(forgotten);
}

/// The native handler of one app.
#[napi(js_name = "PythonHandler")]
pub struct HandlerHandle {
  host: Arc<Host>,
  handler: Arc<Handler>,
}

#[napi]
impl HandlerHandle {
  #[napi(constructor, catch_unwind)]
  pub fn new(host: &HostHandle, options: HandlerOptions) -> Self {
    let host = Arc::clone(host.host());
    let mut handlers = lock(&HANDLERS);
    let handler = Arc::new(Handler {
      index: u32::try_from(handlers.len()).unwrap_or(u32::MAX),
      host: host.index,
      options,
      app: OnceLock::new(),
      closing: AtomicBool::new(false),
      active: AtomicUsize::new(0),
      idle: Notify::new(),
      lifespan: Mutex::new(None),
      frozen: AtomicBool::new(false),
    });
    handlers.push(Some(Arc::clone(&handler)));
    Self { host, handler }
  }

  /// What notices about this handler come with.
  #[napi(getter, catch_unwind)]
  pub fn index(&self) -> u32 {
    self.handler.index
  }

  /// Imports the app and runs its lifespan startup; `timeout` in milliseconds, 0 for none. Answered by
  /// a result record with `token`.
  #[napi(catch_unwind)]
  pub fn start(&self, token: u32, timeout: u32) {
    lifecycle::start(
      Arc::clone(&self.host),
      Arc::clone(&self.handler),
      token,
      timeout,
    );
  }

  /// Lets requests finish for `grace` milliseconds, cancels the rest, runs the lifespan shutdown.
  /// Answered by a result record with `token`.
  #[napi(catch_unwind)]
  pub fn close(&self, token: u32, grace: u32) {
    lifecycle::close(
      Arc::clone(&self.host),
      Arc::clone(&self.handler),
      token,
      grace,
    );
  }

  /// Answered by a result record with `token` as soon as Python's event loop comes to it.
  #[napi(catch_unwind)]
  pub fn ping(&self, token: u32) {
    lifecycle::ping(Arc::clone(&self.host), token);
  }

  /// A request. `flags`: 1 more of the body is to come, 2 the client waits for `100 Continue`, 4 nothing else
  /// is under way. `head` is latin-1 text of `length` characters: the `fields` of `asgi/scope.rs` joined by
  /// NUL. `body` is copied when it is the user's; JavaScript keeps one from the socket until the exchange is
  /// over. Returns 0 when the head is not sound, 2 when there are records already, to be had by `Host.take`,
  /// else 1.
  #[napi(catch_unwind)]
  #[allow(
    clippy::too_many_arguments,
    reason = "a call with an object costs ten times as much"
  )]
  pub fn request(
    &self,
    env: Env,
    slot: u32,
    #[napi(ts_arg_type = "string")] head: Unknown<'_>,
    length: u32,
    fields: u32,
    flags: u32,
    #[napi(ts_arg_type = "Uint8Array | undefined")] body: Unknown<'_>,
    is_users: bool,
  ) -> Result<u32> {
    let body = Piece::of(bytes_of(&env, &body)?, is_users);
    let alone = flags & ALONE != 0;
    self.ask(alone, |batch| {
      let Some(head) = append_head(env, &head, length, fields, &mut batch.arena)? else {
        return Ok(REFUSED);
      };
      let body = body.into_part(batch);
      batch.commands.push(Command::Request {
        handler: self.handler.index,
        host: self.host.index,
        slot,
        head,
        body,
        more_body: flags & MORE_BODY != 0,
        awaits_continue: flags & AWAITS_CONTINUE != 0,
        alone,
      });
      Ok(SENT)
    })
  }

  /// A WebSocket's handshake; `head` as in [`Self::request`]. JavaScript sends `max_queue` messages before it
  /// waits for their acknowledgement. False when the head is not sound.
  #[napi(catch_unwind)]
  pub fn connect(
    &self,
    env: Env,
    slot: u32,
    #[napi(ts_arg_type = "string")] head: Unknown<'_>,
    length: u32,
    fields: u32,
    max_queue: u32,
  ) -> Result<bool> {
    bridge::get().inbox().push(|batch| {
      let Some(head) = append_head(env, &head, length, fields, &mut batch.arena)? else {
        return Ok(false);
      };
      batch.commands.push(Command::Connect {
        handler: self.handler.index,
        host: self.host.index,
        slot,
        head,
        max_queue,
      });
      Ok(true)
    })
  }

  /// A message of a WebSocket's client, which came from its socket: JavaScript keeps it until it is acknowledged.
  /// `alone` and what is returned as in [`Self::request`].
  #[napi(catch_unwind)]
  pub fn message(
    &self,
    env: Env,
    slot: u32,
    #[napi(ts_arg_type = "Uint8Array")] bytes: Unknown<'_>,
    is_text: bool,
    alone: bool,
  ) -> Result<u32> {
    let bytes = Piece::of(bytes_of(&env, &bytes)?, false);
    self.ask(alone, |batch| {
      let part = bytes.into_part(batch);
      batch.commands.push(Command::Message {
        host: self.host.index,
        slot,
        part,
        is_text,
        alone,
      });
      Ok(SENT)
    })
  }

  /// A WebSocket is over; `reason` is UTF-8.
  #[napi(catch_unwind)]
  pub fn closed(
    &self,
    env: Env,
    slot: u32,
    code: u16,
    #[napi(ts_arg_type = "Uint8Array")] reason: Unknown<'_>,
  ) -> Result<()> {
    let reason = bytes_of(&env, &reason)?;
    bridge::get().inbox().push(|batch| {
      // SAFETY: the bytes belong to an argument of the JavaScript call that we are in.
      let reason = batch.append(reason.map_or(&[][..], |reason| unsafe { reason.as_slice() }));
      batch.commands.push(Command::Closed {
        host: self.host.index,
        slot,
        code,
        reason,
      });
    });
    Ok(())
  }

  /// A piece of a request's body. It is copied when it is the user's; JavaScript keeps one from the socket
  /// until it is acknowledged.
  #[napi(catch_unwind)]
  pub fn chunk(
    &self,
    env: Env,
    slot: u32,
    #[napi(ts_arg_type = "Uint8Array | undefined")] bytes: Unknown<'_>,
    more_body: bool,
    is_users: bool,
  ) -> Result<()> {
    let bytes = Piece::of(bytes_of(&env, &bytes)?, is_users);
    let command = self.chunk_command(slot, bytes, more_body);
    bridge::get().inbox().push(command);
    Ok(())
  }

  /// A piece of a request's body from the socket behind which more are expected at once: Python is woken when many
  /// have gathered, or by [`Self::release`], which has to be called soon.
  #[napi(catch_unwind)]
  pub fn hold(
    &self,
    env: Env,
    slot: u32,
    #[napi(ts_arg_type = "Uint8Array")] bytes: Unknown<'_>,
  ) -> Result<()> {
    let bytes = bytes_of(&env, &bytes)?;
    let length = bytes.map_or(0, |bytes| bytes.len);
    let command = self.chunk_command(slot, Piece::of(bytes, false), true);
    bridge::get().inbox().push_bulk(length, command);
    Ok(())
  }

  /// Nothing comes to join the pieces that were held.
  #[napi(catch_unwind)]
  #[allow(clippy::unused_self, reason = "the pieces are this handler's")]
  pub fn release(&self) {
    bridge::get().inbox().release();
  }

  /// The client has gone.
  #[napi(catch_unwind)]
  pub fn disconnect(&self, slot: u32) {
    self.command(Command::Disconnect {
      host: self.host.index,
      slot,
    });
  }

  /// The client's socket has taken `bytes` more of the response.
  #[napi(catch_unwind)]
  #[allow(clippy::cast_possible_truncation, reason = "a byte count, below 2^53")]
  pub fn credit(&self, slot: u32, bytes: f64) {
    bridge::get().inbox().push_credit(|batch| {
      batch.commands.push(Command::Credit {
        host: self.host.index,
        slot,
        bytes: bytes as i64,
      });
    });
  }

  /// Cancels the app's task: its request took too long.
  #[napi(catch_unwind)]
  pub fn cancel(&self, slot: u32) {
    self.command(Command::Cancel {
      host: self.host.index,
      slot,
    });
  }

  /// Sends what is answered, perhaps so soon that JavaScript does best to stay for it.
  fn ask(&self, alone: bool, append: impl FnOnce(&mut Batch) -> Result<u32>) -> Result<u32> {
    let inbox = bridge::get().inbox();
    let outbox = &self.host.outbox;
    // Before the append, so that whoever answers knows.
    let expectation = (alone && inbox.is_lingering())
      .then(|| outbox.expect())
      .flatten();
    let outcome = inbox.push(append);
    if !expectation.is_some_and(Expectation::wait) {
      return outcome;
    }
    if matches!(outcome, Ok(SENT)) {
      return Ok(ANSWERED);
    }
    // What has come is somebody else's, who was not woken for it.
    self.host.wake();
    outcome
  }

  fn chunk_command(&self, slot: u32, bytes: Piece, more_body: bool) -> impl FnOnce(&mut Batch) {
    let host = self.host.index;
    move |batch| {
      let part = bytes.into_part(batch);
      batch.commands.push(Command::Chunk {
        host,
        slot,
        part,
        more_body,
      });
    }
  }

  #[allow(
    clippy::unused_self,
    reason = "the exchange belongs to this handler's environment"
  )]
  fn command(&self, command: Command) {
    bridge::get()
      .inbox()
      .push(|batch| batch.commands.push(command));
  }
}

/// Starts Python, once a process; later calls are answered with what the first one led to. Answered by a
/// result record with `token`.
#[napi(catch_unwind)]
pub fn start_python(host: &HostHandle, token: u32, options: PythonOptions) -> Result<()> {
  let kind = LoopKind::parse(&options.event_loop)
    .ok_or_else(|| Error::new(Status::InvalidArg, "loop must be auto, uvloop or asyncio"))?;
  lifecycle::start_python(Arc::clone(host.host()), token, options.executable, kind);
  Ok(())
}

/// Takes a WebSocket client's mask off the bytes of a frame, in place; `mask` is its four bytes read as little-endian. The
/// bytes are the caller's alone.
#[napi(catch_unwind)]
pub fn unmask(
  env: Env,
  #[napi(ts_arg_type = "Uint8Array")] bytes: Unknown<'_>,
  mask: u32,
) -> Result<()> {
  if let Some(Pinned { data, len }) = bytes_of(&env, &bytes)?
    && len > 0
  {
    // SAFETY: the bytes belong to an argument of the JavaScript call that we are in, and nobody else looks at them
    // meanwhile: Python is given bytes of frames only after this.
    let bytes = unsafe { std::slice::from_raw_parts_mut(data.cast_mut(), len) };
    masking::unmask(bytes, mask.to_le_bytes());
  }
  Ok(())
}

/// Bytes of a call's argument, before they go into a batch.
enum Piece {
  Small(Pinned),
  Ready(BodyPart),
}

impl Piece {
  /// Large bytes of the user's are copied here, before the queue is locked.
  fn of(bytes: Option<Pinned>, is_users: bool) -> Self {
    match bytes {
      Some(bytes) if bytes.len == 0 => Self::Ready(BodyPart::Empty),
      Some(bytes) if bytes.len <= COPY_BODY => Self::Small(bytes),
      // SAFETY: the bytes belong to an argument of the JavaScript call that we are in.
      Some(bytes) if is_users => Self::Ready(BodyPart::Owned(unsafe { bytes.as_slice() }.into())),
      Some(bytes) => Self::Ready(BodyPart::Pinned(bytes)),
      None => Self::Ready(BodyPart::Empty),
    }
  }

  fn into_part(self, batch: &mut Batch) -> BodyPart {
    match self {
      // SAFETY: as above, and the call is not over yet.
      Self::Small(bytes) => batch.copy(unsafe { bytes.as_slice() }),
      Self::Ready(part) => part,
    }
  }
}

/// Where the bytes of a `Uint8Array` are; `None` for `undefined`.
fn bytes_of(env: &Env, value: &Unknown<'_>) -> Result<Option<Pinned>> {
  let mut kind = 0;
  // SAFETY: `env` and the value belong to the call that we are in.
  check_status!(unsafe { sys::napi_typeof(env.raw(), value.raw(), &raw mut kind) })?;
  if kind != sys::ValueType::napi_object {
    return Ok(None);
  }
  let mut data: *mut c_void = ptr::null_mut();
  let mut len = 0;
  // SAFETY: as above; anything but a Buffer or typed array is an error status.
  let status =
    unsafe { sys::napi_get_buffer_info(env.raw(), value.raw(), &raw mut data, &raw mut len) };
  check_status!(status, "a body must be a Uint8Array")?;
  Ok(Some(Pinned {
    data: data.cast_const().cast(),
    len,
  }))
}

/// Appends a head; `None` when it is not sound.
fn append_head(
  env: Env,
  head: &Unknown<'_>,
  length: u32,
  fields: u32,
  arena: &mut Vec<u8>,
) -> Result<Option<Span>> {
  let head = append_latin1(&env, head, length as usize, arena)?;
  if !scope::check_head(head.of(arena), fields as usize) {
    arena.truncate(head.start);
    return Ok(None);
  }
  Ok(Some(head))
}

/// Appends a string of `length` characters as latin-1.
fn append_latin1(
  env: &Env,
  value: &Unknown<'_>,
  length: usize,
  arena: &mut Vec<u8>,
) -> Result<Span> {
  let start = arena.len();
  // One more: Node-API ends what it writes with a NUL.
  arena.reserve(length + 1);
  let mut written = 0;
  // SAFETY: the spare capacity holds `length + 1` bytes, and no more are written.
  check_status!(unsafe {
    sys::napi_get_value_string_latin1(
      env.raw(),
      value.raw(),
      arena.as_mut_ptr().add(start).cast(),
      length + 1,
      &raw mut written,
    )
  })?;
  // SAFETY: Node-API has written that many bytes there.
  unsafe { arena.set_len(start + written.min(length)) };
  Ok(Span {
    start,
    len: written.min(length),
  })
}
