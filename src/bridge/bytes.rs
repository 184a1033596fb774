//! Bytes on their way across the bridge, in either direction, and who owns them meanwhile.

use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;

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

/// A buffer beside a payload on its way to Python, and the memory of the object that is made of it there.
#[derive(Debug)]
pub enum Memory {
  /// Copied.
  Owned(Box<[u8]>),
  /// JavaScript has given it away.
  Given(Given),
}

impl Memory {
  pub fn len(&self) -> usize {
    match self {
      Self::Owned(bytes) => bytes.len(),
      Self::Given(given) => given.len,
    }
  }

  /// Where it lies, however `self` is moved. Whoever reads or writes there says for how long, and that nobody else does.
  pub fn start(&mut self) -> *mut u8 {
    match self {
      Self::Owned(bytes) => bytes.as_mut_ptr(),
      Self::Given(given) => given.data.as_ptr(),
    }
  }
}

impl From<Box<[u8]>> for Memory {
  fn from(bytes: Box<[u8]>) -> Self {
    Self::Owned(bytes)
  }
}

/// A part of memory that was JavaScript's.
#[derive(Debug)]
pub struct Given {
  data: NonNull<u8>,
  len: usize,
  /// Keeps the memory, also when the environment has ended that it came from.
  _store: Arc<dyn Any + Send + Sync>,
}

impl Given {
  /// # Safety
  ///
  /// The memory is there for as long as `store`, and no JavaScript sees it.
  pub unsafe fn new(data: NonNull<u8>, len: usize, store: Arc<dyn Any + Send + Sync>) -> Self {
    Self {
      data,
      len,
      _store: store,
    }
  }
}

// SAFETY: memory that no thread of JavaScript's sees any more; who may read or write it in Python is Python's affair.
unsafe impl Send for Given {}
// SAFETY: as above.
unsafe impl Sync for Given {}

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
