//! Looking for something that comes within microseconds: a thread that sleeps takes tens of them to wake.

use std::hint;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// On one processor nobody looks: whoever is to answer could not run meanwhile.
pub fn is_worth_it() -> bool {
  static HAS_PROCESSORS: OnceLock<bool> = OnceLock::new();
  *HAS_PROCESSORS.get_or_init(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1))
}

/// How often something has come soon of late: it is worth looking for the next one after [`Streak::ENOUGH`] in a row.
/// Each that comes late, or not at all, costs half of what has been gathered. Of several threads that count at one time one
/// may be lost, which does no harm.
#[derive(Default)]
pub struct Streak(AtomicI32);

impl Streak {
  pub const fn new() -> Self {
    Self(AtomicI32::new(0))
  }

  const ENOUGH: i32 = 4;
  const MOST: i32 = 16;
  /// So many have to come soon before looks are tried again that were in vain.
  const WARY: i32 = 32;

  pub fn is_on(&self) -> bool {
    self.0.load(Ordering::Relaxed) >= Self::ENOUGH && is_worth_it()
  }

  /// Something has come.
  pub fn came(&self, is_soon: bool) {
    let count = self.0.load(Ordering::Relaxed);
    let count = if is_soon {
      (count + 1).min(Self::MOST)
    } else if count > 0 {
      count / 2
    } else {
      count
    };
    self.0.store(count, Ordering::Relaxed);
  }

  /// A look was in vain, for what comes somewhat later, and soon by the count: those that follow it are not to be looked
  /// for again and again.
  pub fn was_in_vain(&self) {
    let count = self.0.load(Ordering::Relaxed) / 2;
    let count = if count < Self::ENOUGH {
      -Self::WARY
    } else {
      count
    };
    self.0.store(count, Ordering::Relaxed);
  }

  pub fn end(&self) {
    self.0.store(0, Ordering::Relaxed);
  }
}

/// Looks whether `is_there` until it is, `limit` at most.
pub fn spin(limit: Duration, is_there: impl Fn() -> bool) -> bool {
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

#[cfg(test)]
mod tests {
  use super::*;

  fn after(soon: impl IntoIterator<Item = bool>) -> Streak {
    let streak = Streak::new();
    for is_soon in soon {
      streak.came(is_soon);
    }
    streak
  }

  #[test]
  fn a_streak_is_on_after_four_that_came_soon() {
    assert!(!after([true; 3]).is_on());
    assert_eq!(after([true; 4]).is_on(), is_worth_it());
  }

  #[test]
  fn one_that_comes_late_ends_no_long_streak_and_many_do() {
    let mut soon = vec![true; 40];
    soon.push(false);
    assert_eq!(after(soon.clone()).is_on(), is_worth_it());
    soon.extend([false; 2]);
    assert!(!after(soon).is_on());
  }

  #[test]
  fn looks_that_were_in_vain_are_left_for_a_while() {
    let streak = after([true; 4]);
    streak.was_in_vain();
    for _ in 0..Streak::WARY + Streak::ENOUGH - 1 {
      streak.came(true);
      assert!(!streak.is_on());
    }
    streak.came(true);
    assert_eq!(streak.is_on(), is_worth_it());
  }
}
