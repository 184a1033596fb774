//! The two queues between the JavaScript threads and the Python thread.
//!
//! Both work the same way: the producer appends under a mutex that is held for the append only, the
//! consumer swaps the whole batch out and works on it without the lock. The other side is woken only
//! when it sleeps:
//!
//! * towards Python, [`Inbox`]: `armed` is true from the end of one drain to the first append after it;
//!   that append (and no other) writes to the wake descriptor that the event loop reads. Credit wakes nobody
//!   while no task waits for it, and what comes in bulk only once much has gathered;
//! * towards JavaScript, [`Outbox`]: `scheduled` is true from a wake until its records are worked on. What
//!   comes meanwhile is taken in the event loop's next turn: Node would otherwise call back again and again
//!   while Python goes on, and read from no socket. A batch of more than [`CROWDED`] records holds up those who
//!   stream, until JavaScript has taken it.
//!
//! Or when it does not linger (`linger.rs`), Python with `armed` false, JavaScript with `expected` true.
//!
//! In both the flag changes before the queue is looked at for the last time, so nothing can be appended unseen.

use std::mem;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use crate::linger::{Patience, linger};
use crate::wake::WakeDescriptor;

/// Locks, also after a panic elsewhere: every critical section here leaves its data whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
  mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

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

/// Bytes of a Node Buffer; read only under the host's pin lock (see `host.rs`).
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
  /// JavaScript has taken the records of `host` that streams were held up by.
  Taken {
    host: u32,
  },
  /// A response body that JavaScript no longer needs.
  Release(LargeBody),
  Run(Job),
}

/// Bytes that wait in the inbox for more to come before Python is woken.
const BULK: usize = 512 * 1024;

/// Commands and the bytes that they point into.
#[derive(Default)]
pub struct Batch {
  pub commands: Vec<Command>,
  pub arena: Vec<u8>,
  /// Bytes of what was appended without a wake.
  held: usize,
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

  fn clear(&mut self) {
    self.commands.clear();
    self.arena.clear();
    self.held = 0;
    // One huge batch must not hold its memory for ever.
    self.arena.shrink_to(1 << 20);
    self.commands.shrink_to(1 << 14);
  }
}

/// The queue towards Python; one per process.
pub struct Inbox {
  batch: Mutex<Batch>,
  armed: AtomicBool,
  /// Tasks that wait for credit.
  blocked: AtomicUsize,
  /// Counts the appends, for a consumer that lingers.
  pushes: AtomicUsize,
  /// The consumer lingers; see [`Self::linger`].
  lingering: AtomicBool,
  wake: WakeDescriptor,
}

impl Inbox {
  pub fn new(wake: WakeDescriptor) -> Self {
    Self {
      batch: Mutex::default(),
      armed: AtomicBool::new(true),
      blocked: AtomicUsize::new(0),
      pushes: AtomicUsize::new(0),
      lingering: AtomicBool::new(false),
      wake,
    }
  }

  /// The descriptor that becomes readable when there is something to drain.
  pub fn descriptor(&self) -> &WakeDescriptor {
    &self.wake
  }

  /// Appends, and wakes Python if it sleeps. `append` must be short.
  pub fn push<R>(&self, append: impl FnOnce(&mut Batch) -> R) -> R {
    let result = append(&mut lock(&self.batch));
    self.announce();
    result
  }

  /// Python is to look at what was appended: it is awake and looks for this, or is woken.
  fn announce(&self) {
    self.pushes.fetch_add(1, Ordering::Release);
    if self.armed.swap(false, Ordering::AcqRel) {
      self.wake.signal();
    }
  }

  /// Appends what matters only to tasks that wait for credit: Python is not woken where there are none.
  pub fn push_credit(&self, append: impl FnOnce(&mut Batch)) {
    append(&mut lock(&self.batch));
    // After the append: a task that goes to sleep counts itself first and looks here afterwards.
    if self.blocked.load(Ordering::SeqCst) > 0 && self.armed.swap(false, Ordering::AcqRel) {
      self.wake.signal();
    }
  }

  /// Appends one of many pieces, of so many bytes: Python, if it sleeps, is woken when [`BULK`] bytes have gathered,
  /// by the next [`Self::push`], or by [`Self::release`].
  pub fn push_bulk(&self, bytes: usize, append: impl FnOnce(&mut Batch)) {
    let is_much = {
      let mut batch = lock(&self.batch);
      append(&mut batch);
      batch.held = batch.held.saturating_add(bytes);
      batch.held >= BULK
    };
    if is_much {
      self.announce();
    }
  }

  /// Wakes Python if it sleeps while pieces wait for more.
  pub fn release(&self) {
    let holds = lock(&self.batch).held > 0;
    if holds {
      self.announce();
    }
  }

  /// A task is about to wait for credit; see [`Self::push_credit`].
  pub fn block(&self) {
    self.blocked.fetch_add(1, Ordering::SeqCst);
    if !lock(&self.batch).commands.is_empty() && self.armed.swap(false, Ordering::AcqRel) {
      self.wake.signal();
    }
  }

  /// It waits no more.
  pub fn unblock(&self) {
    self.blocked.fetch_sub(1, Ordering::SeqCst);
  }

  /// Stays awake for an append (see `linger.rs`), which then wakes nobody. The caller drains afterwards,
  /// which arms again. False when nothing came.
  pub fn linger(&self) -> bool {
    // Before the flag: what is appended in between is a change.
    let pushes = self.pushes.load(Ordering::Acquire);
    if !self.armed.swap(false, Ordering::AcqRel) {
      // Somebody was quicker, and has signalled.
      return true;
    }
    self.lingering.store(true, Ordering::Release);
    let came = linger(|| self.pushes.load(Ordering::Acquire) != pushes);
    self.lingering.store(false, Ordering::Release);
    came
  }

  /// Whether the consumer is awake and waits for the next append.
  pub fn is_lingering(&self) -> bool {
    self.lingering.load(Ordering::Acquire)
  }

  /// Swaps the whole queue for `empty`, which is cleared first. False when there was nothing.
  pub fn swap(&self, empty: &mut Batch) -> bool {
    empty.clear();
    mem::swap(&mut *lock(&self.batch), empty);
    !empty.commands.is_empty()
  }

  /// Ends a drain: from now on the next append wakes. True when something came in meanwhile.
  pub fn arm(&self) -> bool {
    self.armed.store(true, Ordering::SeqCst);
    let waiting = !lock(&self.batch).commands.is_empty();
    waiting && self.armed.swap(false, Ordering::AcqRel)
  }
}

/// Records in a batch for JavaScript above which streams wait until it is taken. Python writes records many
/// times faster than sockets take them: without a limit for all streams together those that began early fill
/// the queue, and newcomers, and events that are to be timely, wait behind thousands of others'.
pub const CROWDED: usize = 512;

/// Integers of one record towards JavaScript: operation and flags, slot, and three operands.
pub const RECORD: usize = 5;

/// Operations of [`Outbox`] records; `lib/bridge/bridge.ts` has the other half of this table.
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

/// A response body or message that travels as it lies in Python's memory.
pub struct LargeBody {
  /// `bytes`, or a `str` whose UTF-8 it is. Keeps the memory; dropped on the Python thread.
  pub owner: Py<PyAny>,
  pub data: *const u8,
  pub len: usize,
}

// SAFETY: the memory is that of an immutable `bytes` or `str`, valid for as long as `owner` is.
unsafe impl Send for LargeBody {}

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
    op::CHUNK | op::FAIL | op::NOTICE | op::MESSAGE | op::TRAILERS | op::EARLY_HINTS => *a,
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

  fn clear(&mut self) {
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
  serial: u64,
  index: usize,
}

#[derive(Default)]
struct Pending {
  records: Records,
  /// Counts the swaps, so that a mark from an earlier batch is known to be stale.
  serial: u64,
  /// The environment is gone: what comes is dropped.
  closed: bool,
  /// Somebody waits for this batch to be taken.
  awaited: bool,
}

/// The queue towards one JavaScript environment.
#[derive(Default)]
pub struct Outbox {
  pending: Mutex<Pending>,
  scheduled: AtomicBool,
  /// JavaScript looks for records itself: there is an [`Expectation`].
  expected: AtomicBool,
  /// There is something to see.
  flushed: AtomicBool,
  patience: Patience,
}

impl Outbox {
  /// Appends; `append` must be short and must not call Python.
  pub fn push(&self, append: impl FnOnce(&mut Records)) -> RecordMark {
    let mut pending = lock(&self.pending);
    let mark = RecordMark {
      serial: pending.serial,
      index: pending.records.integers.len(),
    };
    if !pending.closed {
      append(&mut pending.records);
    }
    mark
  }

  /// Sets `flags` on a record that has not been taken yet. False when it has.
  pub fn amend(&self, mark: RecordMark, flags: i32) -> bool {
    let mut pending = lock(&self.pending);
    if pending.serial != mark.serial {
      return false;
    }
    pending
      .records
      .integers
      .get_mut(mark.index)
      .is_some_and(|operation| {
        *operation |= flags;
        true
      })
  }

  /// True when the caller has to wake JavaScript: there are records and no wake is under way.
  pub fn needs_wake(&self) -> bool {
    if self.expected.load(Ordering::SeqCst) {
      self.flushed.store(true, Ordering::Release);
      return false;
    }
    !self.scheduled.swap(true, Ordering::AcqRel)
  }

  /// The serial of the batch that is being filled, if it has become so large that a stream should wait until
  /// it is taken. Whoever takes it is then told that somebody waits.
  pub fn crowded(&self) -> Option<u64> {
    let mut pending = lock(&self.pending);
    if pending.records.integers.len() <= CROWDED * RECORD {
      return None;
    }
    pending.awaited = true;
    Some(pending.serial)
  }

  /// Whether the batch of this serial is still to be taken.
  pub fn holds(&self, serial: u64) -> bool {
    let pending = lock(&self.pending);
    pending.serial == serial && !pending.closed
  }

  /// That of the batch that is being filled.
  pub fn serial(&self) -> u64 {
    lock(&self.pending).serial
  }

  /// JavaScript is about to look for records itself, so that nobody has to wake it. `None` when answers did not
  /// come soon enough lately.
  pub fn expect(&self) -> Option<Expectation<'_>> {
    self.patience.has().then(|| {
      self.flushed.store(false, Ordering::Relaxed);
      self.expected.store(true, Ordering::SeqCst);
      Expectation(self)
    })
  }

  /// The environment is gone. Returns what it did not take.
  pub fn close(&self) -> Records {
    let mut pending = lock(&self.pending);
    pending.closed = true;
    mem::take(&mut pending.records)
  }

  /// JavaScript side: swaps the whole queue for `empty`, which is cleared first. True when streams wait for
  /// that and have to be told.
  pub fn swap(&self, empty: &mut Records) -> bool {
    empty.clear();
    let mut pending = lock(&self.pending);
    pending.serial += 1;
    mem::swap(&mut pending.records, empty);
    mem::take(&mut pending.awaited)
  }

  /// JavaScript side: what was taken is worked on; the next record wakes. True when some have come meanwhile,
  /// and the caller has to take them soon.
  pub fn delivered(&self) -> bool {
    self.scheduled.store(false, Ordering::SeqCst);
    let waiting = !lock(&self.pending).records.integers.is_empty();
    waiting && self.needs_wake()
  }
}

/// While it is there JavaScript looks for records itself.
pub struct Expectation<'a>(&'a Outbox);

impl Expectation<'_> {
  /// Waits for records a little (see `linger.rs`). True when there are some.
  pub fn wait(self) -> bool {
    let outbox = self.0;
    outbox
      .patience
      .wait(|| outbox.flushed.load(Ordering::Acquire));
    drop(self);
    // After the flag was taken back: whoever still saw it had appended before.
    !lock(&outbox.pending).records.integers.is_empty()
  }
}

impl Drop for Expectation<'_> {
  fn drop(&mut self) {
    self.0.expected.store(false, Ordering::SeqCst);
  }
}
