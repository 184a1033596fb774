//! Who is in a runtime. One thread at a time, which may come back from within a callback.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::deadline::{Deadline, Held};
use crate::base::lock::lock;

/// How often one that waits looks whether it still should.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Inside {
  /// The thread, and how often it has come in.
  thread: usize,
  depth: usize,
}

#[derive(Default)]
pub struct EntryLock {
  inside: Mutex<Inside>,
  left: Condvar,
}

/// Why nobody came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
  TimedOut,
  /// What was asked while it waited said so.
  GivenUp,
}

/// Inside for as long as it is there.
pub struct Entered<'a> {
  lock: &'a EntryLock,
  /// Nobody was inside before, this thread neither.
  pub is_outermost: bool,
}

impl EntryLock {
  /// Waits until nobody else is inside, without the GIL. `gives_up` is asked now and then.
  ///
  /// # Errors
  ///
  /// Why it has waited in vain.
  pub fn enter(
    &self,
    deadline: Option<Deadline>,
    held: &Held,
    mut gives_up: impl FnMut() -> bool,
  ) -> Result<Entered<'_>, Refusal> {
    let thread = this_thread();
    let mut inside = lock(&self.inside);
    while inside.depth > 0 && inside.thread != thread {
      let wait = match deadline {
        Some(deadline) => deadline
          .now(held)
          .checked_duration_since(Instant::now())
          .filter(|left| !left.is_zero())
          .ok_or(Refusal::TimedOut)?
          .min(LOOK),
        None => LOOK,
      };
      let (guard, timed_out) = self
        .left
        .wait_timeout(inside, wait)
        .unwrap_or_else(PoisonError::into_inner);
      inside = guard;
      if timed_out.timed_out() {
        drop(inside);
        if gives_up() {
          return Err(Refusal::GivenUp);
        }
        inside = lock(&self.inside);
      }
    }
    inside.thread = thread;
    inside.depth += 1;
    Ok(Entered {
      lock: self,
      is_outermost: inside.depth == 1,
    })
  }

  /// Whether anybody is inside.
  pub fn is_taken(&self) -> bool {
    lock(&self.inside).depth > 0
  }

  /// Whether the calling thread is inside.
  pub fn is_mine(&self) -> bool {
    let inside = lock(&self.inside);
    inside.depth > 0 && inside.thread == this_thread()
  }
}

impl Drop for Entered<'_> {
  fn drop(&mut self) {
    let mut inside = lock(&self.lock.inside);
    inside.depth -= 1;
    if inside.depth == 0 {
      drop(inside);
      self.lock.left.notify_one();
    }
  }
}

/// Tells the threads that are alive from each other.
pub fn this_thread() -> usize {
  thread_local! {
    static HERE: u8 = const { 0 };
  }
  HERE.with(|here| std::ptr::from_ref(here).addr())
}

#[cfg(test)]
mod tests {
  use std::sync::mpsc;
  use std::thread;

  use super::*;

  #[test]
  fn a_thread_comes_back_in_and_others_wait_until_it_has_left() {
    let entry = EntryLock::default();
    let held = Held::default();
    let outer = entry
      .enter(None, &held, || false)
      .expect("nobody is inside");
    let inner = entry.enter(None, &held, || false).expect("the same thread");
    assert!(outer.is_outermost && !inner.is_outermost && entry.is_mine());
    thread::scope(|scope| {
      let (sender, receiver) = mpsc::channel();
      let (entry, held, looks) = (&entry, &held, sender.clone());
      scope.spawn(move || {
        let entered = entry.enter(None, held, || {
          let _ = looks.send(false);
          false
        });
        let _ = sender.send(entered.is_ok_and(|entered| entered.is_outermost));
      });
      assert_eq!(receiver.recv(), Ok(false), "it waits");
      drop(inner);
      drop(outer);
      assert!(receiver.iter().any(|entered| entered), "it comes in");
    });
    assert!(!entry.is_mine());
  }

  #[test]
  fn waiting_ends_by_its_limit_or_by_whom_it_asks() {
    let entry = EntryLock::default();
    let held = Held::default();
    let _outer = entry
      .enter(None, &held, || false)
      .expect("nobody is inside");
    let limit = Deadline::after(Duration::from_millis(20), &held);
    thread::scope(|scope| {
      let waits = scope.spawn(|| entry.enter(limit, &held, || false).err());
      assert_eq!(waits.join().ok().flatten(), Some(Refusal::TimedOut));
      let asks = scope.spawn(|| entry.enter(None, &held, || true).err());
      assert_eq!(asks.join().ok().flatten(), Some(Refusal::GivenUp));
    });
  }
}
