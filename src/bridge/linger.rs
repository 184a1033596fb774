//! Staying awake for the other side while one request, or message, at a time comes and goes.
//!
//! A thread that sleeps takes tens of microseconds to wake, and a request wakes two: Python for the request,
//! JavaScript for the answer. Where many are under way nobody sleeps. Where a single client waits for each
//! answer the two wakes are most of the time. In that case, and no other:
//!
//! * Python, with nothing left to do, looks at the inbox for [`LINGER`] before it sleeps ([`Pace`]). It has
//!   let go of the GIL, and it goes through its loop once for each request, so that timers and sockets of
//!   apps wait no longer than that;
//! * JavaScript, having sent the only request there is to a Python that is awake, looks at its outbox for about as long
//!   as answers take before it goes on ([`Patience`]). Where that is longer than anybody else should wait for the thread,
//!   its event loop goes on, and does not sleep (`stayAwake` in `lib/bridge/bridge.ts`).
//!
//! The same holds for Python's calls of JavaScript, the other way round: Python, having sent one and with nothing left to
//! do, lingers for what JavaScript answers; JavaScript, having answered one that came alone and soon after the one before,
//! lets its event loop turn for as long (`#linger` in `lib/bridge/bridge.ts`); a thread that blocks looks for a while as
//! well (`calls/waiters.rs`).
//!
//! Neither goes on with it where it does not pay: Python lingers after requests that came within [`SOON`] of
//! the end of the one before, JavaScript awaits apps whose answers take no longer than [`WORTH_AWAITING`], and stays awake
//! for those that take no longer than [`WORTH_STAYING`]. On one processor nobody does: the other side could not run
//! meanwhile.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::base::spin::{Streak, is_worth_it, spin};

/// How long Python stays awake for the next request.
const LINGER: Duration = Duration::from_micros(200);
/// JavaScript awaits answers that usually take no longer. Above that, the time that it is awake for costs more than the
/// wake that it saves.
const WORTH_AWAITING: Duration = Duration::from_micros(150);
/// JavaScript does not sleep while it waits for answers that usually take no longer. Above that, a wake is little of it.
const WORTH_STAYING: Duration = Duration::from_micros(800);
/// How long JavaScript awaits an answer: at least, for the quickest apps vary too, and at most.
const AWAIT: Range<Duration> = Duration::from_micros(60)..Duration::from_micros(220);
/// A request that comes so soon after the end of the last one, with both wakes, would have been worth lingering.
const SOON: Duration = Duration::from_micros(300);

/// How long Python looks for JavaScript's answer to a call of its own. Other tasks of the loop may be ready meanwhile.
const LINGER_FOR_ANSWER: Duration = Duration::from_micros(60);
/// An answer that comes so soon, with one wake, would have been worth it.
const ANSWER_SOON: Duration = Duration::from_micros(150);

/// What Python waits for where it has nothing else to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coming {
  /// The next request, message or call of JavaScript's.
  Request,
  /// JavaScript's answer to a call of Python's.
  Answer,
}

/// Python's side: how soon what it waits for comes. On the Python thread only.
#[derive(Default)]
pub struct Pace {
  /// Since when there is nothing to do, but to wait for JavaScript, and for what.
  idle: Option<(Instant, Coming)>,
  requests: Streak,
  answers: Streak,
  /// A look at the inbox is scheduled.
  is_scheduled: bool,
}

impl Pace {
  /// Something has come; `alone`: nothing else is under way.
  pub fn begin(&mut self, coming: Coming, alone: bool) {
    let idle = self.idle.take();
    let (streak, soon) = match coming {
      Coming::Request => (&self.requests, SOON),
      Coming::Answer => (&self.answers, ANSWER_SOON),
    };
    if !alone {
      streak.end();
    } else if let Some((since, expected)) = idle
      && expected == coming
    {
      streak.came(since.elapsed() < soon);
    }
  }

  /// There is nothing left to do. True when the caller has to schedule a look at the inbox.
  pub fn rest(&mut self, coming: Coming) -> bool {
    if !is_worth_it() {
      return false;
    }
    self.idle = Some((Instant::now(), coming));
    let is_on = match coming {
      Coming::Request => self.requests.is_on(),
      Coming::Answer => self.answers.is_on(),
    };
    let schedule = is_on && !self.is_scheduled;
    self.is_scheduled |= schedule;
    schedule
  }

  /// The look that was scheduled begins: for how long. None when there is something to do by now.
  pub fn begin_look(&mut self) -> Option<Duration> {
    self.is_scheduled = false;
    self.idle.map(|(_, coming)| match coming {
      Coming::Request => LINGER,
      Coming::Answer => LINGER_FOR_ANSWER,
    })
  }

  /// Nothing came in time.
  pub fn waited_in_vain(&mut self) {
    match self.idle {
      Some((_, Coming::Answer)) => self.answers.was_in_vain(),
      _ => self.requests.came(false),
    }
  }
}

/// Waits until `has_come`, for as long as Python lingers.
pub fn linger(limit: Duration, has_come: impl Fn() -> bool) -> bool {
  spin(limit, has_come)
}

/// What JavaScript does while a request is under way.
#[derive(Debug, PartialEq, Eq)]
pub enum Advice {
  /// Looks for the answer, for as long.
  Await(Duration),
  /// Goes on, and does not sleep.
  Stay,
  Sleep,
}

/// JavaScript's side: how long answers take, and so how long to await the next. Asked on the environment's thread; told
/// by whichever thread sees an answer first.
#[derive(Default)]
pub struct Patience {
  /// When the request was sent that is being timed, in nanoseconds of [`clock`]; 0 for none.
  asked: AtomicU64,
  /// What answers take, in nanoseconds: a mean of the last ones, each a quarter of those before.
  usual: AtomicU64,
}

impl Patience {
  /// A request is sent, whose answer is timed. What to do meanwhile.
  pub fn ask(&self) -> Advice {
    if !is_worth_it() {
      return Advice::Sleep;
    }
    self.asked.store(clock(), Ordering::Relaxed);
    let usual = Duration::from_nanos(self.usual.load(Ordering::Relaxed));
    if usual <= WORTH_AWAITING {
      Advice::Await((usual + usual / 2).clamp(AWAIT.start, AWAIT.end))
    } else if usual <= WORTH_STAYING {
      Advice::Stay
    } else {
      Advice::Sleep
    }
  }

  /// An answer is there.
  pub fn answered(&self) {
    // The clock costs more than the look.
    if self.asked.load(Ordering::Relaxed) == 0 {
      return;
    }
    let asked = self.asked.swap(0, Ordering::Relaxed);
    if asked != 0 {
      self.note(Duration::from_nanos(clock().saturating_sub(asked)));
    }
  }

  fn note(&self, took: Duration) {
    // One that takes long says little of the others.
    let took = took.min(2 * WORTH_STAYING);
    let usual = Duration::from_nanos(self.usual.load(Ordering::Relaxed));
    let usual = if usual.is_zero() {
      took
    } else {
      usual * 3 / 4 + took / 4
    };
    let usual = u64::try_from(usual.as_nanos()).unwrap_or(u64::MAX);
    self.usual.store(usual, Ordering::Relaxed);
  }
}

/// Waits until `has_come`, `limit` at most.
pub fn await_answer(limit: Duration, has_come: impl Fn() -> bool) {
  spin(limit, has_come);
}

/// Nanoseconds since the first call, never 0.
fn clock() -> u64 {
  static START: OnceLock<Instant> = OnceLock::new();
  let elapsed = START.get_or_init(Instant::now).elapsed().as_nanos();
  u64::try_from(elapsed).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
  use super::*;

  fn after(answers: impl IntoIterator<Item = u64>) -> Advice {
    let patience = Patience::default();
    for micros in answers {
      patience.note(Duration::from_micros(micros));
    }
    patience.ask()
  }

  #[test]
  fn answers_that_come_soon_are_no_reason_to_look_for_requests() {
    let mut pace = Pace::default();
    for _ in 0..8 {
      pace.rest(Coming::Answer);
      pace.begin_look();
      pace.begin(Coming::Answer, true);
    }
    assert!(!pace.rest(Coming::Request));
    pace.begin(Coming::Request, true);
    assert_eq!(pace.rest(Coming::Answer), is_worth_it());
  }

  #[test]
  fn answers_that_come_together_are_not_looked_for() {
    let mut pace = Pace::default();
    for _ in 0..8 {
      pace.rest(Coming::Answer);
      pace.begin_look();
      pace.begin(Coming::Answer, true);
    }
    pace.rest(Coming::Answer);
    pace.begin_look();
    pace.begin(Coming::Answer, false);
    assert!(!pace.rest(Coming::Answer));
  }

  #[test]
  fn an_answer_is_awaited_for_as_long_as_answers_take_and_half_of_that() {
    assert_eq!(after([]), Advice::Await(AWAIT.start));
    assert_eq!(after([5; 20]), Advice::Await(AWAIT.start));
    assert_eq!(after([100; 20]), Advice::Await(Duration::from_micros(150)));
    assert_eq!(after([500; 20]), Advice::Stay);
  }

  #[test]
  fn answers_that_take_too_long_are_not_awaited_and_quick_ones_are_again() {
    assert_eq!(after([10_000; 20]), Advice::Sleep);
    let again = after([[10_000; 20], [50; 20]].concat());
    assert!(
      matches!(again, Advice::Await(limit) if limit < Duration::from_micros(90)),
      "{again:?}"
    );
  }

  #[test]
  fn one_slow_answer_changes_little() {
    let after_all = after([[70; 20].as_slice(), &[50_000], &[70; 8]].concat());
    assert!(matches!(after_all, Advice::Await(_)), "{after_all:?}");
  }
}
