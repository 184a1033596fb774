//! Bytes on their way across the bridge, in either direction, and who owns them meanwhile.

use pyo3::prelude::*;

/// A range of a batch's byte arena.
#[derive(Debug, Clone, Copy)]
pub struct Span {
  pub start: usize,
  pub len: usize,
}

impl Span {
  pub fn of(self, arena: &[u8]) -> &[u8] {
    arena
      .get(self.start..self.start + self.len)
      .unwrap_or_default()
  }
}

/// A piece of a request body on its way to Python.
#[derive(Debug)]
pub enum BodyPart {
  /// No bytes.
  Empty,
  /// Copied into the batch's arena.
  Copied(Span),
  /// Copied on its own.
  Owned(Box<[u8]>),
  /// Still in a Node Buffer that came from a socket, which JavaScript keeps until the part is acknowledged or the exchange is over.
  Pinned(Pinned),
}

impl BodyPart {
  /// The bytes of a part that is here already.
  pub fn copied<'a>(&'a self, arena: &'a [u8]) -> &'a [u8] {
    match self {
      Self::Empty | Self::Pinned(_) => &[],
      Self::Copied(span) => span.of(arena),
      Self::Owned(bytes) => bytes,
    }
  }
}

/// Bytes of a Node Buffer; read only under the host's pin lock (see `bridge/host.rs`).
#[derive(Debug, Clone, Copy)]
pub struct Pinned {
  pub data: *const u8,
  pub len: usize,
}

impl Pinned {
  /// # Safety
  ///
  /// The Buffer must be alive and unchanged for as long as the slice is used.
  pub unsafe fn as_slice<'a>(self) -> &'a [u8] {
    if self.len == 0 {
      // Node-API's pointer may be null then.
      return &[];
    }
    // SAFETY: the caller's promise; pointer and length are of one Buffer.
    unsafe { std::slice::from_raw_parts(self.data, self.len) }
  }
}

// SAFETY: only Buffers that Node itself has filled from a socket are pinned, which nobody writes to or
// detaches; JavaScript keeps them alive until Python acknowledges them, and the host's pin lock keeps the
// environment from going away meanwhile. What a user of amphis owns is copied.
unsafe impl Send for Pinned {}

/// A response body, message or array that travels as it lies in Python's memory.
pub struct LargeBody {
  /// `bytes`, a `str` whose UTF-8 it is, or what holds a buffer. Keeps the memory; dropped on the Python thread.
  pub owner: Py<PyAny>,
  pub data: *const u8,
  pub len: usize,
}

// SAFETY: the memory is valid for as long as `owner` is: that of an immutable `bytes` or `str`, or a buffer that `owner`
// holds and Rust never looks into.
unsafe impl Send for LargeBody {}
