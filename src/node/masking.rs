//! `unmask` for JavaScript.

use napi::bindgen_prelude::Unknown;
use napi::{Env, Result};
use napi_derive::napi;

use super::arguments::bytes_of;
use crate::base::masking;
use crate::bridge::bytes::Pinned;

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
