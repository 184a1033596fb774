//! Large bodies as Buffers over Python's own memory.

use std::ffi::c_void;
use std::ptr;

use napi::{Result, check_status, sys};

use crate::bridge;
use crate::bridge::bytes::LargeBody;
use crate::bridge::command::Command;

/// Buffers over the memory of Python `bytes`, which are released on the Python thread once V8 has
/// collected the Buffer. Where external memory is not allowed (Electron) the bytes are copied.
///
/// # Safety
///
/// On the JavaScript thread, in a callback of `env`.
pub unsafe fn external_buffers(
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
