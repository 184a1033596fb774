//! The queue from the JavaScript threads to the Python thread.
//!
//! The producer appends under a mutex that is held for the append only, the consumer swaps the whole batch out and
//! works on it without the lock. The other side is woken only when it sleeps: `armed` is true from the end of one
//! drain to the first append after it; that append (and no other) writes to the wake descriptor that the event loop
//! reads. Credit wakes nobody while no task waits for it, and what comes in bulk only once much has gathered. Nor is
//! anybody woken who lingers (`linger.rs`), with `armed` false.
//!
//! The flag changes before the queue is looked at for the last time, so nothing can be appended unseen.

use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::command::Batch;
use super::linger::linger;
use super::wake::WakeDescriptor;
use crate::base::lock::lock;

/// Bytes that wait in the inbox for more to come before Python is woken.
const BULK: usize = 512 * 1024;

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
  pub fn linger(&self, limit: Duration) -> bool {
    // Before the flag: what is appended in between is a change.
    let pushes = self.pushes.load(Ordering::Acquire);
    if !self.armed.swap(false, Ordering::AcqRel) {
      // Somebody was quicker, and has signalled.
      return true;
    }
    self.lingering.store(true, Ordering::Release);
    let came = linger(limit, || self.pushes.load(Ordering::Acquire) != pushes);
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
