//! One per Node environment (the main thread or a worker): its queue of records, the threadsafe function
//! that wakes it, and its end.
//!
//! The Python thread appends to `outbox` and calls `wake`; the JavaScript thread is the only one that
//! takes from it. `environment` is read-locked by the Python thread while it wakes JavaScript or copies
//! from pinned Buffers, and write-locked once, by the JavaScript thread, when its environment goes away:
//! after that nothing of this environment is touched any more.

use std::cell::RefCell;
use std::ffi::c_void;
use std::os::fd::IntoRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use napi::bindgen_prelude::{Function, Int32Array, JsValue, Object};
use napi::{Env, Error, Result, Status, check_status, sys};
use napi_derive::napi;

use crate::base::lock::lock;
use crate::bridge::bytes::LargeBody;
use crate::bridge::command::Command;
use crate::bridge::outbox::Outbox;
use crate::bridge::process as bridge;
use crate::bridge::record::{RECORD, Records, op, text_length};
use crate::lifecycle::app as lifecycle;

/// V8's strings end at half a gigabyte.
const ROUND_TEXT: usize = 64 << 20;

/// The threadsafe function, while its environment lives.
struct Waker(sys::napi_threadsafe_function);

// SAFETY: a threadsafe function may be called from any thread until it is released, and it is only
// reached through `Host::environment`, which drops it before the release.
unsafe impl Send for Waker {}
// SAFETY: as above.
unsafe impl Sync for Waker {}

/// See the module's text.
pub struct Host {
  pub index: u32,
  /// Whether this is the main thread's environment, whose end is the process' end.
  pub is_main: bool,
  pub outbox: Outbox,
  /// The streams that wait for a batch to be taken, see [`Host::hold`]: serial and slot.
  held: Mutex<Vec<(u64, u32)>>,
  /// `lifecycle::leave` has been here.
  pub left: AtomicBool,
  environment: RwLock<Option<Waker>>,
}

/// Proof that the environment stays while it is held.
pub struct PinGuard<'a> {
  _guard: RwLockReadGuard<'a, Option<Waker>>,
}

impl Host {
  /// `None` when the environment is gone.
  pub fn pin_guard(&self) -> Option<PinGuard<'_>> {
    let guard = self
      .environment
      .read()
      .unwrap_or_else(PoisonError::into_inner);
    guard.is_some().then_some(PinGuard { _guard: guard })
  }

  /// Makes JavaScript take its records soon. Any thread; takes no lock that is held for long.
  pub fn wake(&self) {
    if !self.outbox.needs_wake() {
      return;
    }
    let guard = self
      .environment
      .read()
      .unwrap_or_else(PoisonError::into_inner);
    if let Some(waker) = guard.as_ref() {
      // SAFETY: the guard keeps the threadsafe function from being released.
      unsafe {
        sys::napi_call_threadsafe_function(
          waker.0,
          ptr::null_mut(),
          sys::ThreadsafeFunctionCallMode::nonblocking,
        );
      }
    }
  }

  /// Has the stream of `slot` wait where JavaScript is behind: until [`Outbox::holds`] denies what this
  /// returns. Its cycle is woken then. `None`: there is room.
  pub fn hold(&self, slot: u32) -> Option<u64> {
    let serial = self.outbox.crowded()?;
    lock(&self.held).push((serial, slot));
    Some(serial)
  }

  /// The slots whose batch was taken, the first first. Those that wait for the next one are left: they would
  /// look once, find it still there, and never be woken again.
  pub fn take_held(&self) -> Vec<u32> {
    let serial = self.outbox.serial();
    let mut held = lock(&self.held);
    let taken = held.partition_point(|&(batch, _)| batch < serial);
    held.drain(..taken).map(|(_, slot)| slot).collect()
  }

  /// Tells Python that the records are taken that streams wait for.
  fn tell_taken(&self) {
    let host = self.index;
    bridge::get()
      .inbox()
      .push(|batch| batch.commands.push(Command::Taken { host }));
  }

  /// Whether JavaScript can still be reached.
  pub fn is_open(&self) -> bool {
    self.pin_guard().is_some()
  }

  /// JavaScript thread: from here on nobody touches this environment. Returns what is to be released.
  fn close(&self) -> Option<Waker> {
    self
      .environment
      .write()
      .unwrap_or_else(PoisonError::into_inner)
      .take()
  }
}

/// What the JavaScript thread keeps for the callback of its threadsafe function.
struct Delivery {
  host: Arc<Host>,
  /// Where JavaScript reads records from: the memory of a typed array that a reference keeps alive for as
  /// long as the environment lives.
  data: *mut i32,
  capacity: usize,
  spare: RefCell<Records>,
  /// JavaScript's `deliver(count, text, buffers)`.
  deliver: sys::napi_ref,
  /// JavaScript's `again()`, which calls [`HostHandle::take`] in the next turn of its event loop.
  again: sys::napi_ref,
}

/// One environment's end of the bridge.
#[napi(js_name = "Host")]
pub struct HostHandle {
  host: Arc<Host>,
  function: sys::napi_threadsafe_function,
  /// Never freed, see `create_waker`.
  delivery: *const Delivery,
}

#[napi]
impl HostHandle {
  /// `records` is where integers are written before each call of
  /// `deliver(count, text, buffers)`; `again()` has `take()` called in the next turn of the event loop;
  /// `isMain` tells the main thread from a worker.
  #[napi(constructor, catch_unwind)]
  pub fn new(
    env: Env,
    records: Int32Array,
    #[napi(ts_arg_type = "(count: number, text: string, buffers: Buffer[] | undefined) => void")]
    deliver: Function<'_, (), ()>,
    again: Function<'_, (), ()>,
    is_main: bool,
  ) -> Result<Self> {
    bridge::open().map_err(|error| Error::new(Status::GenericFailure, error.to_string()))?;
    let host = bridge::get().add_host(|index| Host {
      index,
      is_main,
      outbox: Outbox::default(),
      held: Mutex::default(),
      left: AtomicBool::new(false),
      environment: RwLock::new(None),
    });
    let capacity = records.len() / RECORD;
    let data = records.as_ref().as_ptr().cast_mut();
    let array = Object::from_raw(env.raw(), records_value(&env, records)?);
    let mut reference = ptr::null_mut();
    // SAFETY: `array` is a value of this call's scope; the reference lives until the environment ends.
    check_status!(unsafe {
      sys::napi_create_reference(env.raw(), array.raw(), 1, &raw mut reference)
    })?;
    let mut functions = [ptr::null_mut(); 2];
    for (function, reference) in [deliver.raw(), again.raw()].into_iter().zip(&mut functions) {
      // SAFETY: as above.
      check_status!(unsafe { sys::napi_create_reference(env.raw(), function, 1, reference) })?;
    }
    let delivery = Box::new(Delivery {
      host: Arc::clone(&host),
      data,
      capacity,
      spare: RefCell::default(),
      deliver: functions[0],
      again: functions[1],
    });
    // Never freed, because a wake that is already queued may still be delivered while the environment ends.
    let delivery = Box::into_raw(delivery).cast_const();
    let function = create_waker(&env, &deliver, delivery)?;
    *host
      .environment
      .write()
      .unwrap_or_else(PoisonError::into_inner) = Some(Waker(function));
    // Hooks run last in, first out: this one before the threadsafe function's own.
    let hook = Box::into_raw(Box::new((Arc::clone(&host), function)));
    // SAFETY: the hook takes the box back exactly once, when the environment ends.
    check_status!(unsafe {
      sys::napi_add_env_cleanup_hook(env.raw(), Some(environment_ends), hook.cast())
    })?;
    Ok(Self {
      host,
      function,
      delivery,
    })
  }

  /// Keeps Node alive: something is pending.
  #[napi(js_name = "ref", catch_unwind)]
  pub fn hold(&self, env: Env) -> Result<()> {
    // SAFETY: called on the environment's thread while it lives.
    check_status!(unsafe { sys::napi_ref_threadsafe_function(env.raw(), self.function) })
  }

  /// Lets Node end.
  #[napi(js_name = "unref", catch_unwind)]
  pub fn release(&self, env: Env) -> Result<()> {
    // SAFETY: called on the environment's thread while it lives.
    check_status!(unsafe { sys::napi_unref_threadsafe_function(env.raw(), self.function) })
  }

  /// Delivers what has come since the last delivery.
  #[napi(catch_unwind)]
  pub fn take(&self, env: Env) -> Result<()> {
    // SAFETY: the delivery is never freed; this is its environment's thread.
    unsafe { (*self.delivery).run(env.raw()) }
  }

  /// Shuts this environment's apps down and, on the main thread, leaves Python, within two seconds.
  /// For the process' `exit` event; blocks.
  #[napi(catch_unwind)]
  pub fn leave(&self) {
    lifecycle::leave(&self.host);
  }

  pub(crate) fn host(&self) -> &Arc<Host> {
    &self.host
  }
}

fn records_value(env: &Env, records: Int32Array) -> Result<sys::napi_value> {
  // SAFETY: converts an owned typed array back into the value it was made from.
  unsafe { napi::bindgen_prelude::ToNapiValue::to_napi_value(env.raw(), records) }
}

fn create_waker(
  env: &Env,
  deliver: &Function<'_, (), ()>,
  delivery: *const Delivery,
) -> Result<sys::napi_threadsafe_function> {
  let name = env.create_string("amphis")?;
  let mut function = ptr::null_mut();
  // SAFETY: all values belong to this call; the context is never freed.
  check_status!(unsafe {
    sys::napi_create_threadsafe_function(
      env.raw(),
      deliver.raw(),
      ptr::null_mut(),
      name.raw(),
      0,
      1,
      ptr::null_mut(),
      None,
      delivery.cast_mut().cast(),
      Some(deliver_records),
      &raw mut function,
    )
  })?;
  // SAFETY: just made; weak from the start, so that an idle handler never keeps Node alive.
  check_status!(unsafe { sys::napi_unref_threadsafe_function(env.raw(), function) })?;
  Ok(function)
}

/// Runs on the JavaScript thread, once a wake.
#[expect(clippy::print_stderr, reason = "there is no JavaScript to tell it to")]
unsafe extern "C" fn deliver_records(
  env: sys::napi_env,
  callback: sys::napi_value,
  context: *mut c_void,
  _data: *mut c_void,
) {
  if env.is_null() || callback.is_null() {
    return;
  }
  // Unwinding must not reach Node.
  let delivered = catch_unwind(AssertUnwindSafe(|| {
    // SAFETY: `context` is the delivery that `create_waker` was given, which is never freed.
    let delivery = unsafe { &*context.cast::<Delivery>() };
    // SAFETY: `env` is alive in this callback.
    unsafe { delivery.run(env) }
  }));
  match delivered {
    Ok(Ok(())) => {}
    // A worker that is being terminated runs no more JavaScript.
    Ok(Err(error)) if matches!(error.status, Status::PendingException | Status::Closing) => {}
    Ok(Err(error)) => eprintln!("amphis: records could not be delivered: {error}"),
    Err(_) => eprintln!("amphis: a panic while records were delivered"),
  }
}

impl Delivery {
  /// # Safety
  /// On the JavaScript thread, in a callback of `env`.
  unsafe fn run(&self, env: sys::napi_env) -> Result<()> {
    // SAFETY: the caller's promise.
    let ran = unsafe { self.take(env) };
    if self.host.outbox.delivered() {
      // SAFETY: as above.
      unsafe { self.go_on(env)? };
    }
    ran
  }

  /// # Safety
  /// As of `run`.
  unsafe fn go_on(&self, env: sys::napi_env) -> Result<()> {
    // SAFETY: the references live as long as the environment; `env` is alive.
    unsafe {
      let (mut again, mut undefined) = (ptr::null_mut(), ptr::null_mut());
      check_status!(sys::napi_get_reference_value(
        env,
        self.again,
        &raw mut again
      ))?;
      check_status!(sys::napi_get_undefined(env, &raw mut undefined))?;
      check_status!(sys::napi_call_function(
        env,
        undefined,
        again,
        0,
        ptr::null(),
        ptr::null_mut()
      ))
    }
  }

  /// # Safety
  /// As of `run`.
  unsafe fn take(&self, env: sys::napi_env) -> Result<()> {
    // A callback that runs the event loop comes back here while the first batch is still being read.
    let mut fresh = Records::default();
    let mut spare = self.spare.try_borrow_mut();
    let records = spare.as_deref_mut().unwrap_or(&mut fresh);
    if self.host.outbox.swap(records) {
      // At once: Python writes the next batch while JavaScript works on this one.
      self.host.tell_taken();
    }
    if records.integers.is_empty() {
      return Ok(());
    }
    let (mut undefined, mut callback) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: `env` is alive.
    check_status!(unsafe { sys::napi_get_undefined(env, &raw mut undefined) })?;
    // SAFETY: the reference lives as long as the environment.
    check_status!(unsafe { sys::napi_get_reference_value(env, self.deliver, &raw mut callback) })?;
    let mut buffers = if records.bodies.is_empty() {
      undefined
    } else {
      // SAFETY: `env` is alive.
      unsafe { external_buffers(env, records.bodies.drain(..))? }
    };
    hand_over_files(records);
    let mut text = records.text.as_slice();
    let mut integers = records.integers.as_slice();
    while !integers.is_empty() {
      let (count, length) = self.round(integers);
      let (round, rest) = integers.split_at(count * RECORD);
      let (round_text, rest_text) = text.split_at(length.min(text.len()));
      (integers, text) = (rest, rest_text);
      // SAFETY: the array has room for `capacity` records, JavaScript reads it on this thread only,
      // and its reference keeps it alive.
      unsafe { ptr::copy_nonoverlapping(round.as_ptr(), self.data, round.len()) };
      let mut arguments = [ptr::null_mut(), ptr::null_mut(), buffers];
      let count = u32::try_from(count).unwrap_or(0);
      // SAFETY: `env` is alive, the arguments are values of this callback's scope.
      check_status!(unsafe { sys::napi_create_uint32(env, count, &raw mut arguments[0]) })?;
      // SAFETY: `env` is alive.
      arguments[1] = unsafe { latin1(env, round_text)? };
      // SAFETY: as above.
      check_status!(unsafe {
        sys::napi_call_function(
          env,
          undefined,
          callback,
          arguments.len(),
          arguments.as_ptr(),
          ptr::null_mut(),
        )
      })?;
      // JavaScript reads on where it was in the buffers of the first round.
      buffers = undefined;
    }
    Ok(())
  }

  /// How many records go into one call, and how much text they are cut from: no more than the array holds,
  /// and no more than fits into a string with ease.
  fn round(&self, integers: &[i32]) -> (usize, usize) {
    let mut length = 0;
    let mut count = 0;
    for record in integers.chunks(RECORD).take(self.capacity) {
      let more = text_length(record);
      if count > 0 && length + more > ROUND_TEXT {
        break;
      }
      length += more;
      count += 1;
    }
    (count, length)
  }
}

/// Writes descriptors into the records that were made for them: JavaScript owns the files from here on.
fn hand_over_files(records: &mut Records) {
  let mut files = records.files.drain(..);
  if files.len() == 0 {
    return;
  }
  for record in records.integers.chunks_mut(RECORD) {
    if let [operation, _, descriptor, ..] = record
      && *operation & 0xff == op::FILE
      && let Some(file) = files.next()
    {
      *descriptor = file.into_raw_fd();
    }
  }
}

unsafe fn latin1(env: sys::napi_env, text: &[u8]) -> Result<sys::napi_value> {
  let mut value = ptr::null_mut();
  let length = isize::try_from(text.len())
    .map_err(|_| Error::new(Status::GenericFailure, "a batch of text is too long"))?;
  // SAFETY: pointer and length are of one slice.
  check_status!(unsafe {
    sys::napi_create_string_latin1(env, text.as_ptr().cast(), length, &raw mut value)
  })?;
  Ok(value)
}

/// Buffers over the memory of Python `bytes`, which are released on the Python thread once V8 has
/// collected the Buffer. Where external memory is not allowed (Electron) the bytes are copied.
unsafe fn external_buffers(
  env: sys::napi_env,
  bodies: impl ExactSizeIterator<Item = LargeBody>,
) -> Result<sys::napi_value> {
  let mut array = ptr::null_mut();
  // SAFETY: `env` is alive.
  check_status!(unsafe { sys::napi_create_array_with_length(env, bodies.len(), &raw mut array) })?;
  for (index, body) in (0..).zip(bodies) {
    let LargeBody { data, len, .. } = body;
    let owner = Box::into_raw(Box::new(body));
    let mut buffer = ptr::null_mut();
    // SAFETY: the bytes live as long as `owner`, which the finalizer takes back.
    let status = unsafe {
      sys::napi_create_external_buffer(
        env,
        len,
        data.cast_mut().cast(),
        Some(release_body),
        owner.cast(),
        &raw mut buffer,
      )
    };
    if status != sys::Status::napi_ok {
      let mut copy = ptr::null_mut();
      // SAFETY: copies `len` bytes that `owner` keeps; on failure the finalizer was not registered,
      // so the box is taken back here.
      let copied = unsafe {
        let status =
          sys::napi_create_buffer_copy(env, len, data.cast(), &raw mut copy, &raw mut buffer);
        release_body(env, ptr::null_mut(), owner.cast());
        status
      };
      check_status!(copied)?;
    }
    // SAFETY: all three are values of this scope.
    check_status!(unsafe { sys::napi_set_element(env, array, index, buffer) })?;
  }
  Ok(array)
}

/// Sends the reference home: it may only be dropped by a thread that holds the GIL.
unsafe extern "C" fn release_body(_env: sys::napi_env, _data: *mut c_void, owner: *mut c_void) {
  // SAFETY: made by `Box::into_raw` in `external_buffers`, taken back once.
  let body = unsafe { Box::from_raw(owner.cast::<LargeBody>()) };
  // Nobody waits for it, and a collection of garbage brings many.
  bridge::get().inbox().push_bulk(body.len, |batch| {
    batch.commands.push(Command::Release(*body));
  });
}

/// The environment goes away: Python leaves in good order, within a limit, then nobody comes back.
unsafe extern "C" fn environment_ends(hook: *mut c_void) {
  // SAFETY: the box made in `HostHandle::new`; the hook runs once.
  let (host, function) =
    *unsafe { Box::from_raw(hook.cast::<(Arc<Host>, sys::napi_threadsafe_function)>()) };
  let _ = catch_unwind(AssertUnwindSafe(|| lifecycle::leave(&host)));
  if host.close().is_some() {
    // SAFETY: nobody else can reach the function any more; Node frees it.
    unsafe {
      sys::napi_release_threadsafe_function(function, sys::ThreadsafeFunctionReleaseMode::abort);
    }
  }
  // Bodies that were not taken go home; what apps still send is dropped from here on.
  for body in host.outbox.close().bodies {
    bridge::get()
      .inbox()
      .push(|batch| batch.commands.push(Command::Release(body)));
  }
  bridge::get().remove_host(host.index);
}
