//! What JavaScript calls Python with: the bytes of a tape, and the memory beside it.

use std::any::Any;
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use napi::bindgen_prelude::{JsValue, Unknown};
use napi::{Env, Error, Result, Status, check_status, sys};

use super::arguments::bytes_of;
use crate::bridge::bytes::{Given, Memory, Pinned};
use crate::js::memory::Store;

/// The first `length` bytes of an array.
pub fn head_of(env: Env, bytes: &Unknown<'_>, length: u32) -> Result<Pinned> {
  let Pinned { data, len } =
    bytes_of(&env, bytes)?.ok_or_else(|| Error::new(Status::InvalidArg, "bytes are missing"))?;
  Ok(Pinned {
    data,
    len: len.min(length as usize),
  })
}

/// Copies of what an array of byte arrays holds.
pub fn copies_of(env: Env, buffers: &Unknown<'_>) -> Result<Vec<Memory>> {
  let buffers = elements_of(env, buffers)?;
  buffers
    .iter()
    .map(|buffer| Ok(copy_of(bytes_of(&env, buffer)?)))
    .collect()
}

/// What an array of byte arrays holds: what lies in one of the ArrayBuffers `given` in place, the rest copied.
pub fn memory_of(env: Env, buffers: &Unknown<'_>, given: &Unknown<'_>) -> Result<Vec<Memory>> {
  let given = elements_of(env, given)?;
  if given.is_empty() {
    return copies_of(env, buffers);
  }
  let stores: Vec<Region> = given
    .iter()
    .filter_map(|buffer| Region::of(env, buffer).transpose())
    .collect::<Result<_>>()?;
  let buffers = elements_of(env, buffers)?;
  buffers
    .iter()
    .map(|buffer| {
      let bytes = bytes_of(&env, buffer)?;
      let held = bytes.and_then(|bytes| stores.iter().find_map(|region| region.part(bytes)));
      Ok(held.map_or_else(|| copy_of(bytes), Memory::Given))
    })
    .collect()
}

fn copy_of(bytes: Option<Pinned>) -> Memory {
  // SAFETY: bytes of an argument of the call that we are in; nothing of JavaScript runs before they are copied.
  Memory::Owned(bytes.map_or_else(Box::default, |bytes| unsafe { bytes.as_slice() }.into()))
}

/// An ArrayBuffer that JavaScript has given away.
struct Region {
  start: *mut u8,
  len: usize,
  store: Arc<dyn Any + Send + Sync>,
}

impl Region {
  /// `None` where nobody can hold its memory.
  fn of(env: Env, buffer: &Unknown<'_>) -> Result<Option<Self>> {
    let mut start: *mut c_void = ptr::null_mut();
    let mut len = 0;
    // SAFETY: `env` and the value belong to the call that we are in; anything but an ArrayBuffer is an error status.
    check_status!(unsafe {
      sys::napi_get_arraybuffer_info(env.raw(), buffer.raw(), &raw mut start, &raw mut len)
    })?;
    // SAFETY: an ArrayBuffer, as we have just been told.
    let store = unsafe { Store::of(buffer.raw().cast()) };
    Ok(store.map(|store| Self {
      start: start.cast(),
      len,
      store: Arc::new(store),
    }))
  }

  fn part(&self, bytes: Pinned) -> Option<Given> {
    let offset = (bytes.data as usize).checked_sub(self.start as usize)?;
    if offset.checked_add(bytes.len)? > self.len {
      return None;
    }
    let data = NonNull::new(self.start.wrapping_add(offset))?;
    // SAFETY: within the memory of the store. The ArrayBuffer was made for this call (`lib/calls/transfer.ts`), and no
    // JavaScript has it.
    Some(unsafe { Given::new(data, bytes.len, Arc::clone(&self.store)) })
  }
}

/// The elements of an array; none of what is no array.
fn elements_of<'env>(env: Env, array: &Unknown<'env>) -> Result<Vec<Unknown<'env>>> {
  let mut is_array = false;
  // SAFETY: `env` and the value belong to the call that we are in.
  check_status!(unsafe { sys::napi_is_array(env.raw(), array.raw(), &raw mut is_array) })?;
  if !is_array {
    return Ok(Vec::new());
  }
  let mut count = 0;
  // SAFETY: as above.
  check_status!(unsafe { sys::napi_get_array_length(env.raw(), array.raw(), &raw mut count) })?;
  (0..count)
    .map(|index| {
      let mut element = ptr::null_mut();
      // SAFETY: as above.
      check_status!(unsafe {
        sys::napi_get_element(env.raw(), array.raw(), index, &raw mut element)
      })?;
      // SAFETY: a value of this call's scope.
      Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), element) })
    })
    .collect()
}
