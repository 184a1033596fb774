//! What JavaScript tells Python.

use pyo3::prelude::*;

use super::bytes::{BodyPart, LargeBody, Memory, Span};

/// Work that runs on the Python thread, for everything that is rare.
pub type Job = Box<dyn FnOnce(Python<'_>) + Send>;

/// What JavaScript tells Python. `host` and `slot` name the exchange.
pub enum Command {
  Request {
    handler: u32,
    host: u32,
    slot: u32,
    head: Span,
    body: BodyPart,
    more_body: bool,
    /// The client waits for `100 Continue` before it sends the body.
    awaits_continue: bool,
    /// Nothing else is under way.
    alone: bool,
  },
  Chunk {
    host: u32,
    slot: u32,
    part: BodyPart,
    more_body: bool,
  },
  Disconnect {
    host: u32,
    slot: u32,
  },
  /// A WebSocket's handshake: `max_queue` messages may be unread before JavaScript stops to read.
  Connect {
    handler: u32,
    host: u32,
    slot: u32,
    head: Span,
    max_queue: u32,
  },
  /// A message of a WebSocket's client.
  Message {
    host: u32,
    slot: u32,
    part: BodyPart,
    is_text: bool,
    /// Nothing else is under way.
    alone: bool,
  },
  /// A WebSocket is over, with what its client said last.
  Closed {
    host: u32,
    slot: u32,
    code: u16,
    /// UTF-8
    reason: Span,
  },
  /// Bytes of the response, or of messages, that the client's socket has taken.
  Credit {
    host: u32,
    slot: u32,
    bytes: i64,
  },
  /// Cancel the app's task (request timeout).
  Cancel {
    host: u32,
    slot: u32,
  },
  /// JavaScript calls Python; what is asked for is in `payload`, see `calls/incoming.rs`. It comes home to `owner`.
  Call {
    owner: u32,
    call: u32,
    payload: BodyPart,
    buffers: Vec<Memory>,
    /// Nothing else is under way.
    alone: bool,
  },
  /// JavaScript gives up a call of its own.
  CancelCall {
    owner: u32,
    call: u32,
  },
  /// The answer to a call of Python's that a task waits for.
  Answer {
    call: u32,
    payload: BodyPart,
    buffers: Vec<Memory>,
  },
  /// Objects of Python's that JavaScript no longer has: numbers and counts of 32 bits in turn.
  Free {
    owner: u32,
    numbers: Span,
  },
  /// JavaScript has taken the records of `host` that streams were held up by.
  Taken {
    host: u32,
  },
  /// A response body that JavaScript no longer needs.
  Release(LargeBody),
  Run(Job),
}

/// Commands and the bytes that they point into.
#[derive(Default)]
pub struct Batch {
  pub commands: Vec<Command>,
  pub arena: Vec<u8>,
  /// Bytes of what was appended without a wake.
  pub held: usize,
}

impl Batch {
  pub fn copy(&mut self, bytes: &[u8]) -> BodyPart {
    if bytes.is_empty() {
      return BodyPart::Empty;
    }
    BodyPart::Copied(self.append(bytes))
  }

  pub fn append(&mut self, bytes: &[u8]) -> Span {
    let start = self.arena.len();
    self.arena.extend_from_slice(bytes);
    Span {
      start,
      len: bytes.len(),
    }
  }

  pub fn clear(&mut self) {
    self.commands.clear();
    self.arena.clear();
    self.held = 0;
    // One huge batch must not hold its memory for ever.
    self.arena.shrink_to(1 << 20);
    self.commands.shrink_to(1 << 14);
  }
}
