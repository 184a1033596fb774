//! Timers of one runtime, the next one first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::owner::Owner;

struct Set {
  turn: u64,
  owner: Option<Arc<Owner>>,
}

#[derive(Default)]
pub struct Timers {
  /// By time, then in the order in which they were set; those that were cleared or set anew are still in it.
  due: BinaryHeap<Reverse<(Instant, u64, u32)>>,
  set: HashMap<u32, Set>,
  turns: u64,
}

impl Timers {
  /// Sets one, or sets it anew.
  pub fn set(&mut self, number: u32, after: Duration, owner: Option<Arc<Owner>>) {
    self.turns += 1;
    let turn = self.turns;
    self
      .due
      .push(Reverse((Instant::now() + after, turn, number)));
    self.set.insert(number, Set { turn, owner });
  }

  pub fn clear(&mut self, number: u32) {
    self.set.remove(&number);
    if self.set.is_empty() {
      self.due.clear();
    }
  }

  pub fn is_empty(&self) -> bool {
    self.set.is_empty()
  }

  /// When the next one is due.
  pub fn next(&mut self) -> Option<Instant> {
    while let Some(Reverse((when, turn, number))) = self.due.peek() {
      if self.set.get(number).is_some_and(|set| set.turn == *turn) {
        return Some(*when);
      }
      self.due.pop();
    }
    None
  }

  /// One that is due, and for whom it runs.
  pub fn take_due(&mut self, now: Instant) -> Option<(u32, Option<Arc<Owner>>)> {
    if self.next()? > now {
      return None;
    }
    let Reverse((_, _, number)) = self.due.pop()?;
    let set = self.set.remove(&number)?;
    Some((number, set.owner))
  }
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn timers_come_in_the_order_of_their_times_and_those_of_one_time_as_they_were_set() {
    let mut timers = Timers::default();
    timers.set(1, Duration::from_millis(20), None);
    timers.set(2, Duration::ZERO, None);
    timers.set(3, Duration::ZERO, None);
    let later = Instant::now() + Duration::from_secs(1);
    let order: Vec<u32> =
      std::iter::from_fn(|| timers.take_due(later).map(|(number, _)| number)).collect();
    assert_eq!(order, [2, 3, 1]);
    assert!(timers.is_empty());
  }

  #[test]
  fn what_was_cleared_or_set_anew_does_not_come_at_its_old_time() {
    let mut timers = Timers::default();
    timers.set(1, Duration::ZERO, None);
    timers.set(2, Duration::ZERO, None);
    timers.set(2, Duration::from_secs(60), None);
    timers.clear(1);
    let soon = Instant::now() + Duration::from_secs(1);
    assert!(timers.take_due(soon).is_none());
    assert!(timers.next().is_some_and(|when| when > soon));
    timers.clear(2);
    assert!(timers.next().is_none());
  }
}
