//! Bytes and text of a call's arguments on their way into a batch.

use std::ffi::c_void;
use std::ptr;

use napi::bindgen_prelude::{JsValue, Unknown};
use napi::{Env, Result, check_status, sys};

use crate::asgi::scope;
use crate::bridge::bytes::{BodyPart, Pinned, Span};
use crate::bridge::command::Batch;

/// Bodies up to this size are copied into the batch; larger ones are read where Node has them.
const COPY_BODY: usize = 4 * 1024;

/// Bytes of a call's argument, before they go into a batch.
pub enum Piece {
  Small(Pinned),
  Ready(BodyPart),
}

impl Piece {
  /// Large bytes of the user's are copied here, before the queue is locked.
  pub fn of(bytes: Option<Pinned>, is_users: bool) -> Self {
    match bytes {
      Some(bytes) if bytes.len == 0 => Self::Ready(BodyPart::Empty),
      Some(bytes) if bytes.len <= COPY_BODY => Self::Small(bytes),
      // SAFETY: the bytes belong to an argument of the JavaScript call that we are in.
      Some(bytes) if is_users => Self::Ready(BodyPart::Owned(unsafe { bytes.as_slice() }.into())),
      Some(bytes) => Self::Ready(BodyPart::Pinned(bytes)),
      None => Self::Ready(BodyPart::Empty),
    }
  }

  pub fn into_part(self, batch: &mut Batch) -> BodyPart {
    match self {
      // SAFETY: as above, and the call is not over yet.
      Self::Small(bytes) => batch.copy(unsafe { bytes.as_slice() }),
      Self::Ready(part) => part,
    }
  }
}

/// Where the bytes of a `Uint8Array` are; `None` for `undefined`.
pub fn bytes_of(env: &Env, value: &Unknown<'_>) -> Result<Option<Pinned>> {
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
pub fn append_head(
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
