//! Staying awake for the other side while one request, or message, at a time comes and goes.
//!
//! A thread that sleeps takes tens of microseconds to wake, and a request wakes two: Python for the request,
//! JavaScript for the answer. Where many are under way nobody sleeps. Where a single client waits for each
//! answer the two wakes are most of the time. In that case, and no other:
//!
//! * Python, with nothing left to do, looks at the inbox for [`LINGER`] before it sleeps ([`Pace`]). It has
//!   let go of the GIL, and it goes through its loop once for each request, so that timers and sockets of
//!   apps wait no longer than that;
//! * JavaScript, having sent the only request there is to a Python that is awake, looks at its outbox for
//!   [`AWAIT`] before it goes on ([`Patience`]).
//!
//! Neither goes on with it where it does not pay: Python lingers after requests that came within [`SOON`] of
//! the end of the one before, JavaScript awaits apps that answer in time. On one processor nobody does: the
//! other side could not run meanwhile.

use std::hint;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long Python stays awake for the next request.
const LINGER: Duration = Duration::from_micros(200);
/// How long JavaScript stays awake for an answer.
const AWAIT: Duration = Duration::from_micros(60);
/// A request that comes so soon after the end of the last one, with both wakes, would have been worth lingering.
const SOON: Duration = Duration::from_micros(300);
/// Python lingers after so many in a row. Each that comes late costs half of what has been gathered.
const QUICK: u32 = 4;
const MOST_QUICK: u32 = 16;
/// After n answers in a row that came late JavaScript awaits the next after 2^n requests.
const MOST_LATE: u32 = 8;

fn is_worth_it() -> bool {
  static HAS_PROCESSORS: OnceLock<bool> = OnceLock::new();
  *HAS_PROCESSORS.get_or_init(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1))
}

/// Looks whether `is_there` until it is, `limit` at most.
fn spin(limit: Duration, is_there: impl Fn() -> bool) -> bool {
  let start = Instant::now();
  loop {
    // The clock costs more than a look.
    for _ in 0..32 {
      if is_there() {
        return true;
      }
      hint::spin_loop();
    }
    if start.elapsed() > limit {
      return false;
    }
    // On a busy machine whoever is to answer may wait for this very processor.
    thread::yield_now();
  }
}

/// Python's side: how soon one request follows the end of another. On the Python thread only.
#[derive(Default)]
pub struct Pace {
  /// Since when there is nothing to do, but to wait for JavaScript.
  idle_since: Option<Instant>,
  quick: u32,
  /// A look at the inbox is scheduled.
  is_scheduled: bool,
}

impl Pace {
  /// Something has come; `alone`: nothing else is under way.
  pub fn begin(&mut self, alone: bool) {
    let idle_since = self.idle_since.take();
    if !alone {
      self.quick = 0;
    } else if let Some(since) = idle_since {
      self.quick = if since.elapsed() < SOON {
        (self.quick + 1).min(MOST_QUICK)
      } else {
        self.quick / 2
      };
    }
  }

  /// There is nothing left to do. True when the caller has to schedule a look at the inbox.
  pub fn rest(&mut self) -> bool {
    if !is_worth_it() {
      return false;
    }
    self.idle_since = Some(Instant::now());
    let schedule = self.quick >= QUICK && !self.is_scheduled;
    self.is_scheduled |= schedule;
    schedule
  }

  /// The look that was scheduled begins. False when there is something to do by now.
  pub fn begin_look(&mut self) -> bool {
    self.is_scheduled = false;
    self.idle_since.is_some()
  }

  /// Nothing came in time.
  pub fn waited_in_vain(&mut self) {
    self.quick /= 2;
  }
}

/// Waits until `has_come`, for as long as Python lingers.
pub fn linger(has_come: impl Fn() -> bool) -> bool {
  spin(LINGER, has_come)
}

/// JavaScript's side: whether answers come soon enough. On the environment's thread only; atomic because it is
/// part of what threads share.
#[derive(Default)]
pub struct Patience {
  /// Answers that came late, in a row.
  late: AtomicU32,
  /// Requests that are not awaited.
  left: AtomicU32,
}

impl Patience {
  /// Whether to await the answer of this request.
  pub fn has(&self) -> bool {
    let left = self.left.load(Ordering::Relaxed);
    self.left.store(left.saturating_sub(1), Ordering::Relaxed);
    left == 0
  }

  /// Waits until `has_come`, for as long as JavaScript awaits.
  pub fn wait(&self, has_come: impl Fn() -> bool) {
    let late = if spin(AWAIT, has_come) {
      0
    } else {
      (self.late.load(Ordering::Relaxed) + 1).min(MOST_LATE)
    };
    self.late.store(late, Ordering::Relaxed);
    self.left.store((1 << late) - 1, Ordering::Relaxed);
  }
}
