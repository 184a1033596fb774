//! The bounded flow of body bytes, in both directions, as the Python thread keeps it.
//!
//! A request's body waits here until the app receives it; JavaScript stops reading the socket while more
//! than its high-water mark is unacknowledged. A response's body is counted here until the client's socket
//! has taken it; the app's `send` waits while more than [`HIGH_WATER`] is outstanding.

use std::collections::VecDeque;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::batch::{LargeBody, Pinned};
use crate::host::Host;

/// Bytes of a response that may be on their way before `send` waits.
pub const HIGH_WATER: i64 = 256 * 1024;
/// Bytes that may still be on their way when a waiting `send` goes on.
pub const LOW_WATER: i64 = 128 * 1024;

/// What a piece of a response counts besides its bytes, about what a small one costs Node while it waits for
/// its client; `PIECE_COST` of `lib/bridge.ts`.
pub const PIECE_COST: i64 = 256;

/// Up to this size bytes travel in the batch's text, larger ones as buffers over Python's memory. About
/// where four small copies cost as much as making and finalising an external buffer.
pub const TEXT_BODY: usize = 16 * 1024;

/// What fits into one Buffer in every supported version of Node.
const MAX_BUFFER: usize = 1 << 30;

/// The content of a message: of a WebSocket's, or a piece of a body.
pub enum Payload<'py> {
/// How much `bytes` count among those on their way.
pub fn length_of(bytes: &[u8]) -> i64 {
  // A slice is never longer than `isize::MAX`.
  i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

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
  Bytes(Py<PyBytes>),
  Owned(Box<[u8]>),
  Pinned(Pinned),
}

/// A request's body, as far as it has come in and not been received.
pub struct RequestBody {
  parts: VecDeque<Part>,
  bytes: usize,
  /// More is to come.
  more: bool,
  /// Whether the app has been given an event of the body.
  begun: bool,
  /// Whether the app has been given the event that ends the body.
  ended: bool,
  /// JavaScript counts what is read: the body did not come whole with the head.
  counted: bool,
}

/// What one `receive` gives the app.
pub struct Received {
  parts: VecDeque<Part>,
  /// Bytes that JavaScript may count as read.
  pub bytes: usize,
  pub more_body: bool,
  /// Whether JavaScript wants to know.
  pub counted: bool,
}

impl RequestBody {
  pub fn new(more: bool) -> Self {
    Self {
      parts: VecDeque::new(),
      bytes: 0,
      more,
      begun: false,
      ended: false,
      counted: more,
    }
  }

  pub fn push_bytes(&mut self, bytes: Bound<'_, PyBytes>) {
    self.bytes += bytes.as_bytes().len();
    self.parts.push_back(Part::Bytes(bytes.unbind()));
  }

  pub fn push_owned(&mut self, bytes: Box<[u8]>) {
    self.bytes += bytes.len();
    self.parts.push_back(Part::Owned(bytes));
  }

  pub fn push_pinned(&mut self, pinned: Pinned) {
    self.bytes += pinned.len;
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

  /// Takes all that is here. Call only when [`Self::is_ready`].
  pub fn take(&mut self) -> Received {
    self.begun = true;
    self.ended = !self.more;
    Received {
      parts: std::mem::take(&mut self.parts),
      bytes: std::mem::take(&mut self.bytes),
      more_body: self.more,
      counted: self.counted,
    }
  }

  /// Forgets everything: JavaScript may free its Buffers from now on.
  pub fn clear(&mut self) {
    self.parts.clear();
    self.bytes = 0;
  }
}

impl Received {
  /// How many pieces JavaScript may let go of.
  pub fn parts(&self) -> usize {
    self.parts.len()
  }

  /// The bytes in one piece; `None` when the environment that owns them is gone.
  pub fn join<'py>(&self, py: Python<'py>, host: &Host) -> PyResult<Option<Bound<'py, PyBytes>>> {
    if let (1, Some(Part::Bytes(only))) = (self.parts.len(), self.parts.front()) {
      return Ok(Some(only.bind(py).clone()));
    }
    // Held for the copy only: meanwhile the environment can't be torn down.
    let Some(_pins) = host.pin_guard() else {
      return Ok(None);
    };
    let body = PyBytes::new_with(py, self.bytes, |target| {
      let mut rest = target;
      for part in &self.parts {
        let source = match part {
          Part::Bytes(bytes) => bytes.as_bytes(py),
          Part::Owned(bytes) => bytes,
          // SAFETY: JavaScript keeps the Buffer until it is told that this part was taken, and the
          // guard above keeps its environment alive.
          Part::Pinned(pinned) => unsafe { pinned.as_slice() },
        };
        let (here, after) = rest.split_at_mut(source.len());
        here.copy_from_slice(source);
        rest = after;
      }
      Ok(())
    })?;
    Ok(Some(body))
  }
}
