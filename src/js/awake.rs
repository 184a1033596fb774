//! Staying awake while one asynchronous call at a time comes and goes.
//!
//! Such a call wakes two threads that sleep, the runtime's and the event loop's, and on many machines that is most of what
//! it takes. So, as with requests (src/bridge/linger.rs):
//!
//! * the runtime's thread, after jobs that came soon after one another, looks for the next one for [`LINGER`] before it
//!   sleeps, without the GIL and outside of V8;
//! * a loop's thread that has given a job to a thread which is awake, with nothing else before it, looks for what comes of
//!   it for [`AWAIT`]. Where that was in vain, it does without for the next [`WARY`].

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::base::spin::{Streak, is_worth_it, spin};

/// How long the runtime's thread stays awake for the next job.
const LINGER: Duration = Duration::from_micros(200);
/// How long a loop's thread waits for an outcome.
const AWAIT: Duration = Duration::from_micros(60);
/// A job that comes so soon after the one before, with both wakes, would have been worth lingering.
const SOON: Duration = Duration::from_micros(400);
const WARY: u32 = 32;

#[derive(Default)]
pub struct Awake {
  quick: Streak,
  /// Counts what the runtime's thread is given.
  jobs: AtomicU64,
  /// Counts what event loops are given to do.
  posts: AtomicU64,
  /// The last job did not have to wake the thread.
  was_awake: AtomicBool,
  wary: AtomicU32,
}

impl Awake {
  /// The runtime's thread has got something after it had nothing for so long.
  pub fn waited(&self, idle: Duration) {
    self.quick.came(idle <= SOON);
  }

  /// Whether the runtime's thread is to look for the next job.
  pub fn lingers(&self) -> bool {
    self.quick.is_on()
  }

  /// How many jobs there have been.
  pub fn jobs(&self) -> u64 {
    self.jobs.load(Ordering::Acquire)
  }

  /// Looks for another one than these, `most` at most.
  pub fn linger(&self, jobs: u64, most: Option<Duration>) {
    let limit = most.map_or(LINGER, |most| most.min(LINGER));
    if !spin(limit, || self.jobs() != jobs) && limit == LINGER {
      self.quick.came(false);
    }
  }

  /// There is a job.
  pub fn has_job(&self, was_awake: bool) {
    self.was_awake.store(was_awake, Ordering::Relaxed);
    self.jobs.fetch_add(1, Ordering::Release);
  }

  /// An event loop was given something to do.
  pub fn has_posted(&self) {
    self.posts.fetch_add(1, Ordering::Release);
  }

  /// How often loops were.
  pub fn posts(&self) -> u64 {
    self.posts.load(Ordering::Acquire)
  }

  /// Waits for an outcome, or for something that a loop has to do: more than these posts. Without the GIL.
  pub fn await_outcome(&self, posts: u64, has_come: impl Fn() -> bool) {
    if !spin(AWAIT, || has_come() || self.posts() != posts) {
      self.wary.store(WARY, Ordering::Relaxed);
    }
  }

  /// Whether that is worth it.
  pub fn is_worth_awaiting(&self) -> bool {
    if !self.was_awake.load(Ordering::Relaxed) || !is_worth_it() {
      return false;
    }
    let wary = self.wary.load(Ordering::Relaxed);
    self.wary.store(wary.saturating_sub(1), Ordering::Relaxed);
    wary == 0
  }
}
