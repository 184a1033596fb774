//! One thread for all runtimes that looks after what runs: deadlines, memory, Ctrl+C.
//!
//! A call that has a deadline is terminated again and again until it is out: what catches the termination, as `toString`
//! of something thrown, would go on otherwise.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::core::Core;
use super::deadline::Deadline;
use crate::base::lock::lock;

/// How long after the deadline it is terminated once more.
const AGAIN: Duration = Duration::from_millis(10);
/// How often signals and memory are looked at.
const TICK: Duration = Duration::from_millis(50);
/// So many ticks without any call, and the thread sleeps until there is one.
const IDLE_TICKS: u32 = 20;

struct Watched {
  number: u64,
  core: Arc<Core>,
  deadline: Option<Deadline>,
  has_fired: bool,
  is_interruptible: bool,
}

impl Watched {
  /// As it is now.
  fn deadline(&self) -> Option<Instant> {
    Some(self.deadline?.now(&self.core.held))
  }
}

struct Watchdog {
  calls: Vec<Watched>,
  /// Runtimes at their end that somebody is still inside of.
  ending: Vec<Arc<Core>>,
  /// When the thread looks next; `None` while it sleeps.
  looks_at: Option<Instant>,
  /// A call has come since it last looked.
  is_busy: bool,
}

static WATCHDOG: Mutex<Watchdog> = Mutex::new(Watchdog {
  calls: Vec::new(),
  ending: Vec::new(),
  looks_at: None,
  is_busy: false,
});
static CHANGED: Condvar = Condvar::new();

/// A call that is looked after, until [`Watch::end`].
pub struct Watch(u64);

/// Looks after a call. The caller is inside of the runtime, and stays there until it has ended the watch.
pub fn watch(core: &Arc<Core>, deadline: Option<Deadline>, is_interruptible: bool) -> Watch {
  static NEXT: AtomicU64 = AtomicU64::new(0);
  start();
  let number = NEXT.fetch_add(1, Ordering::Relaxed);
  let mut dog = lock(&WATCHDOG);
  dog.calls.push(Watched {
    number,
    core: Arc::clone(core),
    deadline,
    has_fired: false,
    is_interruptible,
  });
  dog.is_busy = true;
  dog.look_by(deadline.map(|deadline| deadline.now(&core.held)));
  Watch(number)
}

/// The deadline of a call has come. Nothing where the call has ended.
pub fn expire(number: u64) {
  let now = Instant::now();
  let mut dog = lock(&WATCHDOG);
  if let Some(call) = dog.calls.iter_mut().find(|call| call.number == number) {
    call.deadline = Some(Deadline::at(now));
    dog.look_by(Some(now));
  }
}

/// Terminates what runs in it until nobody is inside any more.
pub fn keep_terminating(core: Arc<Core>) {
  start();
  let mut dog = lock(&WATCHDOG);
  dog.ending.push(core);
  dog.look_by(Some(Instant::now() + AGAIN));
}

fn start() {
  static START: Once = Once::new();
  START.call_once(|| {
    // Without a thread there are no deadlines; that is as bad as it sounds, and no reason to end the process.
    let _ = thread::Builder::new()
      .name("amphis-js-watch".into())
      .spawn(look_forever);
  });
}

impl Watchdog {
  /// Has the thread look at this time at the latest, or at its next tick.
  fn look_by(&mut self, deadline: Option<Instant>) {
    let is_in_time = self
      .looks_at
      .is_some_and(|looks_at| deadline.is_none_or(|deadline| looks_at <= deadline));
    if !is_in_time {
      self.looks_at = Some(deadline.unwrap_or_else(|| Instant::now() + TICK));
      CHANGED.notify_one();
    }
  }
}

impl Watch {
  /// What [`expire`] knows it by.
  pub fn number(&self) -> u64 {
    self.0
  }

  /// Whether the call was terminated by its deadline. Nothing of this watch happens any more.
  pub fn end(self) -> bool {
    let mut dog = lock(&WATCHDOG);
    let found = dog.calls.iter().rposition(|call| call.number == self.0);
    let ended = found.map(|place| dog.calls.swap_remove(place));
    drop(dog);
    // Dropped without the lock: it may be the last that holds the runtime.
    ended.is_some_and(|call| call.has_fired)
  }
}

fn look_forever() {
  let mut idle = 0;
  let mut next_tick = Instant::now();
  let mut dog = lock(&WATCHDOG);
  loop {
    let now = Instant::now();
    let is_tick = now >= next_tick;
    if is_tick {
      next_tick = now + TICK;
      idle = if dog.is_busy || !dog.calls.is_empty() || !dog.ending.is_empty() {
        0
      } else {
        idle + 1
      };
      dog.is_busy = false;
    }
    for call in &mut dog.calls {
      look_at(call, now, is_tick);
    }
    let (still, out) = std::mem::take(&mut dog.ending)
      .into_iter()
      .partition::<Vec<_>, _>(|core| core.entry.is_taken());
    for core in &still {
      core.terminate_execution();
    }
    let again = (!still.is_empty()).then(|| now + AGAIN);
    dog.ending = still;
    if !out.is_empty() {
      // Without the lock: it may be the last that holds one.
      drop(dog);
      drop(out);
      dog = lock(&WATCHDOG);
    }
    let deadlines = dog.calls.iter().filter_map(Watched::deadline);
    let deadlines = deadlines.chain(again).min();
    let looks_at = deadlines.map_or(next_tick, |deadline| deadline.min(next_tick));
    if idle >= IDLE_TICKS {
      dog.looks_at = None;
      dog = CHANGED.wait(dog).unwrap_or_else(PoisonError::into_inner);
      idle = 0;
    } else {
      dog.looks_at = Some(looks_at);
      let wait = looks_at.saturating_duration_since(now);
      dog = CHANGED
        .wait_timeout(dog, wait)
        .unwrap_or_else(PoisonError::into_inner)
        .0;
    }
  }
}

fn look_at(call: &mut Watched, now: Instant, is_tick: bool) {
  if call.deadline().is_some_and(|deadline| deadline <= now) {
    if !call.has_fired {
      call.has_fired = true;
      call.core.begin_timeout();
    }
    call.deadline = Some(Deadline::at(now + AGAIN));
    call.core.terminate_execution();
  }
  if is_tick {
    call.core.check_heap();
    if call.is_interruptible {
      call.core.interrupt();
    }
  }
}
