//! The bounded flow of body bytes, in both directions, as the Python thread keeps it.
//!
//! A request's body waits here until the app receives it; JavaScript stops reading the socket while more
//! than its high-water mark is unacknowledged. A response's body is counted here until the client's socket
//! has taken it; the app's `send` waits while more than [`HIGH_WATER`] is outstanding.

use std::collections::VecDeque;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::bridge::bytes::{LargeBody, Pinned};
use crate::bridge::host::Host;

/// Bytes of a response that may be on their way before `send` waits.
pub const HIGH_WATER: i64 = 256 * 1024;
/// Bytes that may still be on their way when a waiting `send` goes on.
pub const LOW_WATER: i64 = 128 * 1024;

/// What a piece of a response counts besides its bytes, about what a small one costs Node while it waits for
/// its client; `PIECE_COST` of `lib/bridge/bridge.ts`.
pub const PIECE_COST: i64 = 256;

/// Up to this size bytes travel in the batch's text, larger ones as buffers over Python's memory. About
/// where four small copies cost as much as making and finalising an external buffer.
pub const TEXT_BODY: usize = 16 * 1024;

/// What fits into one Buffer in every supported version of Node.
const MAX_BUFFER: usize = 1 << 30;

/// Bytes that one `http.request` joins at most, of pieces that have gathered. Enough that an app which is behind has few
/// of them, not so many that they leave the processor's cache before the app looks at them.
const JOINED: usize = 256 * 1024;

/// Received bytes and pieces that JavaScript is told of at once; fewer are told of together. Half of what it reads
/// before it waits, so that it never waits for less.
const ACKNOWLEDGE: (usize, usize) = (128 * 1024, 64);

/// How much `bytes` count among those on their way.
pub fn length_of(bytes: &[u8]) -> i64 {
  // A slice is never longer than `isize::MAX`.
  i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

/// The content of a message: of a WebSocket's, or a piece of a body.
pub enum Payload<'py> {
  Bytes(Bound<'py, PyBytes>),
  /// Travels as UTF-8.
  Text(Bound<'py, PyString>),
}

impl Payload<'_> {
  /// # Errors
  ///
  /// `UnicodeEncodeError` for a text with lone surrogates.
  pub fn as_bytes(&self) -> PyResult<&[u8]> {
    match self {
      Self::Bytes(bytes) => Ok(bytes.as_bytes()),
      Self::Text(text) => text.to_str().map(str::as_bytes),
    }
  }

  /// `bytes`, which are this payload's, as they travel without a copy: in one piece, unless they are huge.
  pub fn large_bodies(&self, bytes: &[u8]) -> Vec<LargeBody> {
    let owner = match self {
      Self::Bytes(bytes) => bytes.as_any(),
      Self::Text(text) => text.as_any(),
    };
    bytes
      .chunks(MAX_BUFFER)
      .map(|piece| LargeBody {
        data: piece.as_ptr(),
        len: piece.len(),
        owner: owner.clone().unbind(),
      })
      .collect()
  }
}

enum Part {
  /// With their length.
  Bytes(Py<PyBytes>, usize),
  Owned(Box<[u8]>),
  Pinned(Pinned),
}

impl Part {
  fn len(&self) -> usize {
    match self {
      Self::Bytes(_, length) => *length,
      Self::Owned(bytes) => bytes.len(),
      Self::Pinned(pinned) => pinned.len,
    }
  }

  /// # Safety
  ///
  /// As [`Pinned::as_slice`].
  unsafe fn as_slice<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
    match self {
      Self::Bytes(bytes, _) => bytes.as_bytes(py),
      Self::Owned(bytes) => bytes,
      // SAFETY: the caller's promise.
      Self::Pinned(pinned) => unsafe { pinned.as_slice() },
    }
  }
}

/// A request's body, as far as it has come in and not been received.
pub struct RequestBody {
  parts: VecDeque<Part>,
  /// More is to come.
  more: bool,
  /// Whether the app has been given an event of the body.
  begun: bool,
  /// Whether the app has been given the event that ends the body.
  ended: bool,
  /// JavaScript counts what is read: the body did not come whole with the head.
  counted: bool,
  /// Bytes and pieces that the app was given and JavaScript was not told of.
  unacknowledged: (usize, usize),
}

/// What one `receive` gives the app.
pub struct Received {
  parts: Vec<Part>,
  bytes: usize,
  pub more_body: bool,
  /// Bytes and pieces that JavaScript is to be told of.
  pub acknowledge: Option<(usize, usize)>,
}

impl RequestBody {
  pub fn new(more: bool) -> Self {
    Self {
      parts: VecDeque::new(),
      more,
      begun: false,
      ended: false,
      counted: more,
      unacknowledged: (0, 0),
    }
  }

  pub fn push_bytes(&mut self, bytes: Bound<'_, PyBytes>) {
    let length = bytes.as_bytes().len();
    self.parts.push_back(Part::Bytes(bytes.unbind(), length));
  }

  pub fn push_owned(&mut self, bytes: Box<[u8]>) {
    self.parts.push_back(Part::Owned(bytes));
  }

  pub fn push_pinned(&mut self, pinned: Pinned) {
    self.parts.push_back(Part::Pinned(pinned));
  }

  pub fn set_more(&mut self, more: bool) {
    self.more = more;
  }

  /// Whether `receive` has something of the body to give.
  pub fn is_ready(&self) -> bool {
    !self.ended && (!self.parts.is_empty() || !self.more)
  }

  /// Whether all of it is here, and nothing of it was received.
  pub fn is_whole(&self) -> bool {
    !self.more && !self.begun
  }

  /// Takes what is here, up to [`JOINED`] bytes or one piece. Call only when [`Self::is_ready`].
  pub fn take(&mut self) -> Received {
    self.begun = true;
    let mut parts = Vec::with_capacity(self.parts.len().min(8));
    let mut bytes = 0;
    while let Some(length) = self.parts.front().map(Part::len)
      && (parts.is_empty() || bytes + length <= JOINED)
    {
      bytes += length;
      parts.extend(self.parts.pop_front());
    }
    let more_body = self.more || !self.parts.is_empty();
    self.ended = !more_body;
    let acknowledge = self.count(bytes, parts.len());
    Received {
      parts,
      bytes,
      more_body,
      acknowledge,
    }
  }

  /// Counts what the app was given.
  fn count(&mut self, bytes: usize, parts: usize) -> Option<(usize, usize)> {
    if !self.counted {
      return None;
    }
    self.unacknowledged.0 += bytes;
    self.unacknowledged.1 += parts;
    let is_much = self.unacknowledged.0 >= ACKNOWLEDGE.0 || self.unacknowledged.1 >= ACKNOWLEDGE.1;
    is_much.then(|| std::mem::take(&mut self.unacknowledged))
  }

  /// Forgets everything: JavaScript may free its Buffers from now on.
  pub fn clear(&mut self) {
    self.parts.clear();
  }
}

impl Received {
  /// The bytes in one piece; `None` when the environment that owns them is gone.
  pub fn join<'py>(&self, py: Python<'py>, host: &Host) -> PyResult<Option<Bound<'py, PyBytes>>> {
    if let [Part::Bytes(only, _)] = self.parts.as_slice() {
      return Ok(Some(only.bind(py).clone()));
    }
    // Held for the copy only: meanwhile the environment can't be torn down.
    let Some(_pins) = host.pin_guard() else {
      return Ok(None);
    };
    // SAFETY: JavaScript keeps Buffers until it is told that their parts were taken, and the guard above keeps its
    // environment alive.
    let slices = self.parts.iter().map(|part| unsafe { part.as_slice(py) });
    joined(py, self.bytes, slices).map(Some)
  }
}

/// Bytes made of `slices`, which have `length` bytes together. Written once, where `PyBytes::new_with` would fill them with
/// zeros first.
fn joined<'py, 'a>(
  py: Python<'py>,
  length: usize,
  slices: impl Iterator<Item = &'a [u8]>,
) -> PyResult<Bound<'py, PyBytes>> {
  let size = isize::try_from(length)?;
  // SAFETY: without a source this makes bytes that are to be filled by whoever holds the only reference to them.
  let made = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), size) };
  // SAFETY: a new reference, or null with an exception set.
  let bytes = unsafe { Bound::from_owned_ptr_or_err(py, made) }?;
  // SAFETY: they are bytes; nobody else has seen them yet. Of none the interpreter has one object, and none is written.
  let mut target = unsafe { ffi::PyBytes_AsString(bytes.as_ptr()) }.cast::<u8>();
  let mut left = length;
  for slice in slices {
    let count = slice.len().min(left);
    // SAFETY: `left` bytes follow `target`, of memory that is Python's and no slice's.
    unsafe {
      std::ptr::copy_nonoverlapping(slice.as_ptr(), target, count);
      target = target.add(count);
    }
    left -= count;
  }
  if left > 0 {
    return Err(PyRuntimeError::new_err("a body has lost some of its bytes"));
  }
  Ok(bytes.cast_into()?)
}
