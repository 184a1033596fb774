//! Until when something may take, without the time for which a debugger holds its runtime.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::base::lock::lock;

/// For how long a runtime was held so far. Its lock is the innermost.
#[derive(Default)]
pub struct Held(Mutex<(Duration, Option<Instant>)>);

impl Held {
  pub fn begin(&self) {
    lock(&self.0).1.get_or_insert_with(Instant::now);
  }

  pub fn end(&self) {
    let mut held = lock(&self.0);
    if let Some(since) = held.1.take() {
      held.0 += since.elapsed();
    }
  }

  /// With the time that passes just now.
  pub fn so_far(&self) -> Duration {
    let (before, since) = *lock(&self.0);
    before + since.map_or(Duration::ZERO, |since| since.elapsed())
  }
}

/// A time on a clock that stands while a runtime is held.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
  at: Instant,
  /// How long the runtime had been held when it was set; without it the clock goes on.
  held: Option<Duration>,
}

impl Deadline {
  /// None where it is beyond all time.
  pub fn after(timeout: Duration, held: &Held) -> Option<Self> {
    Some(Self {
      at: Instant::now().checked_add(timeout)?,
      held: Some(held.so_far()),
    })
  }

  /// Whatever a debugger does.
  pub fn at(at: Instant) -> Self {
    Self { at, held: None }
  }

  /// As it is now: later the next time, while the runtime is held.
  pub fn now(&self, held: &Held) -> Instant {
    self.held.map_or(self.at, |before| {
      self.at + held.so_far().saturating_sub(before)
    })
  }
}

#[cfg(test)]
mod tests {
  use std::thread;

  use super::*;

  #[test]
  fn a_deadline_does_not_come_nearer_while_its_runtime_is_held() {
    let held = Held::default();
    let limit = Duration::from_millis(5);
    let (own, other) = (
      Deadline::after(limit, &held),
      Deadline::at(Instant::now() + limit),
    );
    held.begin();
    thread::sleep(3 * limit);
    let now = Instant::now();
    assert!(own.is_some_and(|own| own.now(&held) > now) && other.now(&held) <= now);
    held.end();
    thread::sleep(2 * limit);
    assert!(own.is_some_and(|own| own.now(&held) <= Instant::now()));
  }
}
