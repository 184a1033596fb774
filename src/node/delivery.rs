//! Hands Python's records to JavaScript, on the environment's own thread.

use std::cell::RefCell;
use std::ffi::c_void;
use std::os::fd::IntoRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use napi::{Error, Result, Status, check_status, sys};

use super::buffers::external_buffers;
use crate::bridge;
use crate::bridge::command::Command;
use crate::bridge::host::Host;
use crate::bridge::record::{RECORD, Records, op, text_length};

/// V8's strings end at half a gigabyte.
const ROUND_TEXT: usize = 64 << 20;

/// What the JavaScript thread keeps for the callback of its threadsafe function.
pub struct Delivery {
  pub host: Arc<Host>,
  /// Where JavaScript reads records from: the memory of a typed array that a reference keeps alive for as
  /// long as the environment lives.
  pub data: *mut i32,
  pub capacity: usize,
  pub spare: RefCell<Records>,
  /// JavaScript's `deliver(count, text, buffers)`.
  pub deliver: sys::napi_ref,
  /// JavaScript's `again()`, which calls [`HostHandle::take`] in the next turn of its event loop.
  pub again: sys::napi_ref,
}

/// Runs on the JavaScript thread, once a wake.
#[expect(clippy::print_stderr, reason = "there is no JavaScript to tell it to")]
pub unsafe extern "C" fn deliver_records(
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
  pub unsafe fn run(&self, env: sys::napi_env) -> Result<()> {
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
      let host = self.host.index;
      bridge::get()
        .inbox()
        .push(|batch| batch.commands.push(Command::Taken { host }));
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
