//! The queue from the Python thread to one JavaScript environment.
//!
//! As in the inbox, whoever appends holds the lock for the append only, whoever takes swaps the whole batch out.
//! `scheduled` is true from a wake until its records are worked on. What comes meanwhile is taken in the event loop's
//! next turn: Node would otherwise call back again and again while Python goes on, and read from no socket. A batch of
//! more than [`CROWDED`] records holds up those who stream, until JavaScript has taken it. Nobody is woken who lingers
//! (`linger.rs`), with `expected` true.
//!
//! The flags change before the queue is looked at for the last time, so nothing can be appended unseen.

use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::linger::{Advice, Patience, await_answer};
use super::record::{RECORD, RecordMark, Records};
use crate::base::lock::lock;

/// Records in a batch for JavaScript above which streams wait until it is taken. Python writes records many
/// times faster than sockets take them: without a limit for all streams together those that began early fill
/// the queue, and newcomers, and events that are to be timely, wait behind thousands of others'.
pub const CROWDED: usize = 512;

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
    self.patience.answered();
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

  /// JavaScript is about to look for records itself, so that nobody has to wake it. `None` where answers do not come
  /// soon enough.
  pub fn expect(&self) -> Expected<'_> {
    match self.patience.ask() {
      Advice::Await(limit) => {
        self.flushed.store(false, Ordering::Relaxed);
        self.expected.store(true, Ordering::SeqCst);
        Expected::Awaited(Expectation {
          outbox: self,
          limit,
        })
      }
      Advice::Stay => Expected::Soon,
      Advice::Sleep => Expected::Late,
    }
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

/// When an answer is expected.
pub enum Expected<'a> {
  /// So soon that JavaScript looks for it.
  Awaited(Expectation<'a>),
  /// JavaScript does best not to sleep.
  Soon,
  Late,
}

/// While it is there JavaScript looks for records itself.
pub struct Expectation<'a> {
  outbox: &'a Outbox,
  /// How long it does.
  limit: Duration,
}

impl Expectation<'_> {
  /// Waits for records a little (see `linger.rs`). True when there are some.
  pub fn wait(self) -> bool {
    let outbox = self.outbox;
    await_answer(self.limit, || outbox.flushed.load(Ordering::Acquire));
    drop(self);
    // After the flag was taken back: whoever still saw it had appended before.
    !lock(&outbox.pending).records.integers.is_empty()
  }
}

impl Drop for Expectation<'_> {
  fn drop(&mut self) {
    self.outbox.expected.store(false, Ordering::SeqCst);
  }
}
