//! What kinds of objects there are, and what the code of a function says of it.

use pyo3::intern;
use pyo3::prelude::*;

/// Kinds of objects; `lib/calls/protocol.ts` has the same.
pub mod kind {
  pub const OBJECT: u8 = 0;
  pub const FUNCTION: u8 = 1;
  pub const ASYNC_FUNCTION: u8 = 2;
  pub const ITERABLE: u8 = 3;
  pub const CLASS: u8 = 4;
  pub const AWAITABLE: u8 = 6;
}

pub const CO_GENERATOR: u32 = 0x20;
pub const CO_COROUTINE: u32 = 0x80;
pub const CO_ASYNC_GENERATOR: u32 = 0x200;

/// The flags of the code of a plain function or method.
pub fn code_flags(function: &Bound<'_, PyAny>) -> Option<u32> {
  let py = function.py();
  let code = function.getattr_opt(intern!(py, "__code__")).ok()??;
  code
    .getattr_opt(intern!(py, "co_flags"))
    .ok()??
    .extract()
    .ok()
}
