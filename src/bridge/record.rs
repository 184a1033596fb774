//! What Python tells JavaScript: records of integers, and the text that they cut pieces from.

use std::os::fd::OwnedFd;

use super::bytes::LargeBody;

/// Integers of one record towards JavaScript: operation and flags, slot, and three operands.
pub const RECORD: usize = 5;

/// Operations of [`Outbox`] records; `lib/bridge.ts` has the other half of this table.
pub mod op {
  /// `status, head length, body length`: a response starts; with `END` it is whole.
  pub const RESPONSE: i32 = 1;
  /// `length`: a piece of the response's body.
  pub const CHUNK: i32 = 2;
  /// The app has returned: the slot is free.
  pub const DONE: i32 = 3;
  /// `length` of an error description: the app failed; JavaScript knows how far its response was.
  pub const FAIL: i32 = 4;
  /// `bytes, parts, bytes / 2^30` of the request's body that Python has read.
  pub const ACK: i32 = 5;
  /// `ok, length` of a JSON text: the answer to a command with this token.
  pub const RESULT: i32 = 6;
  /// `length` of an error description: something that nobody waits for went wrong; the slot is the handler's index.
  pub const NOTICE: i32 = 7;
  /// `subprotocol length, headers length`: a WebSocket is accepted.
  pub const ACCEPT: i32 = 8;
  /// `length`: a message to a WebSocket's client.
  pub const MESSAGE: i32 = 9;
  /// `code, reason length`: a WebSocket is closed by its app, or refused.
  pub const CLOSE: i32 = 10;
  /// `length`: trailers end the response.
  pub const TRAILERS: i32 = 11;
  /// `length`: links for a `103 Early Hints`.
  pub const EARLY_HINTS: i32 = 12;
  /// `descriptor, length` of `size NUL path`: the rest of the response is this open file, which JavaScript closes.
  pub const FILE: i32 = 13;
  /// The app waits for the request's body.
  pub const CONTINUE: i32 = 14;
  /// `length, buffers`: the answer to a call of JavaScript's, the slot is the call. With `BUFFER` the length is 0, and
  /// the payload the next of the batch's buffers; those that belong to it follow.
  pub const REPLY: i32 = 15;
  /// `length, buffers, owner`: the same of a call of Python's.
  pub const INVOKE: i32 = 16;
  /// A call of Python's is given up; the slot is the call.
  pub const ABORT: i32 = 17;
  /// `count`: Python has dropped an object of JavaScript's, whose number is the slot, that it was given so many times.
  pub const FREE: i32 = 18;
}

/// Flags of [`Outbox`] records, above the operation's byte.
pub mod flag {
  /// The response is complete.
  pub const END: i32 = 1 << 8;
  /// The body is the next of the batch's buffers instead of text.
  pub const BUFFER: i32 = 1 << 9;
  /// The app has returned as well (`op::DONE` folded into its last record).
  pub const DONE: i32 = 1 << 10;
  /// The connection has to be destroyed.
  pub const DESTROY: i32 = 1 << 11;
  /// The message is text: its bytes are UTF-8.
  pub const TEXT: i32 = 1 << 12;
}

/// Records for JavaScript, the latin-1 text that they cut pieces from, large bodies, and open files.
#[derive(Default)]
pub struct Records {
  pub integers: Vec<i32>,
  pub text: Vec<u8>,
  pub bodies: Vec<LargeBody>,
  /// One for each `op::FILE`, whose first operand becomes its descriptor when JavaScript takes it.
  pub files: Vec<OwnedFd>,
}

/// How much of a batch's text one record is cut from.
pub fn text_length(record: &[i32]) -> usize {
  let [operation, _, a, b, c] = record else {
    return 0;
  };
  let length = match operation & 0xff {
    op::RESPONSE => b + c,
    op::CHUNK
    | op::FAIL
    | op::NOTICE
    | op::MESSAGE
    | op::TRAILERS
    | op::EARLY_HINTS
    | op::REPLY
    | op::INVOKE => *a,
    op::RESULT | op::CLOSE | op::FILE => *b,
    op::ACCEPT => a + b,
    _ => 0,
  };
  usize::try_from(length).unwrap_or(0)
}

impl Records {
  pub fn push(&mut self, operation: i32, slot: u32, operands: [i32; 3]) {
    self
      .integers
      .extend_from_slice(&[operation, slot.cast_signed()]);
    self.integers.extend_from_slice(&operands);
  }

  pub fn clear(&mut self) {
    self.integers.clear();
    self.text.clear();
    self.bodies.clear();
    self.files.clear();
    self.text.shrink_to(1 << 20);
    self.integers.shrink_to(1 << 16);
  }
}

/// Where a record was written, so that `DONE` can be added to it while it is still here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMark {
  pub serial: u64,
  pub index: usize,
}
