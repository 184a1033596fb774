//! One Node environment (the main thread or a worker) as the other threads see it: its queue of records, how it is
//! woken, and its end.
//!
//! The Python thread appends to `outbox` and calls `wake`; the JavaScript thread is the only one that
//! takes from it. `environment` is read-locked by the Python thread while it wakes JavaScript or copies
//! from pinned Buffers, and write-locked once, by the JavaScript thread, when its environment goes away:
//! after that nothing of this environment is touched any more.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use super::outbox::Outbox;
use crate::base::lock::lock;

/// Makes an environment's JavaScript thread take its records soon. Called from any thread; it may block on nothing.
pub trait Waker: Send + Sync {
  fn wake(&self);
}

/// See the module's text.
pub struct Host {
  pub index: u32,
  /// Whether this is the main thread's environment, whose end is the process' end.
  pub is_main: bool,
  pub outbox: Outbox,
  /// The streams that wait for a batch to be taken, see [`Host::hold`]: serial and slot.
  held: Mutex<Vec<(u64, u32)>>,
  /// `lifecycle::leave` has been here.
  pub left: AtomicBool,
  environment: RwLock<Option<Box<dyn Waker>>>,
}

/// Proof that the environment stays while it is held.
pub struct PinGuard<'a> {
  _guard: RwLockReadGuard<'a, Option<Box<dyn Waker>>>,
}

impl Host {
  /// An environment that nobody can wake yet.
  pub fn new(index: u32, is_main: bool) -> Self {
    Self {
      index,
      is_main,
      outbox: Outbox::default(),
      held: Mutex::default(),
      left: AtomicBool::new(false),
      environment: RwLock::new(None),
    }
  }

  /// JavaScript thread: from here on the environment is woken by `waker`.
  pub fn open(&self, waker: Box<dyn Waker>) {
    *self
      .environment
      .write()
      .unwrap_or_else(PoisonError::into_inner) = Some(waker);
  }

  /// `None` when the environment is gone.
  pub fn pin_guard(&self) -> Option<PinGuard<'_>> {
    let guard = self
      .environment
      .read()
      .unwrap_or_else(PoisonError::into_inner);
    guard.is_some().then_some(PinGuard { _guard: guard })
  }

  /// Makes JavaScript take its records soon. Any thread; takes no lock that is held for long.
  pub fn wake(&self) {
    if !self.outbox.needs_wake() {
      return;
    }
    let guard = self
      .environment
      .read()
      .unwrap_or_else(PoisonError::into_inner);
    if let Some(waker) = guard.as_ref() {
      waker.wake();
    }
  }

  /// Has the stream of `slot` wait where JavaScript is behind: until [`Outbox::holds`] denies what this
  /// returns. Its cycle is woken then. `None`: there is room.
  pub fn hold(&self, slot: u32) -> Option<u64> {
    let serial = self.outbox.crowded()?;
    lock(&self.held).push((serial, slot));
    Some(serial)
  }

  /// The slots whose batch was taken, the first first. Those that wait for the next one are left: they would
  /// look once, find it still there, and never be woken again.
  pub fn take_held(&self) -> Vec<u32> {
    let serial = self.outbox.serial();
    let mut held = lock(&self.held);
    let taken = held.partition_point(|&(batch, _)| batch < serial);
    held.drain(..taken).map(|(_, slot)| slot).collect()
  }

  /// Whether JavaScript can still be reached.
  pub fn is_open(&self) -> bool {
    self.pin_guard().is_some()
  }

  /// JavaScript thread: from here on nobody touches this environment. Returns what is to be released.
  pub fn close(&self) -> Option<Box<dyn Waker>> {
    self
      .environment
      .write()
      .unwrap_or_else(PoisonError::into_inner)
      .take()
  }
}
