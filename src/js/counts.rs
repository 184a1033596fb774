//! What a runtime has been asked to do, and how long that took.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::base::lock::lock;

/// What Python asks of JavaScript, by the names that statistics have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
  Eval,
  EvalAsync,
  Module,
  ModuleAsync,
  Call,
  CallAsync,
}

impl Kind {
  pub const ALL: [Self; 6] = [
    Self::Eval,
    Self::EvalAsync,
    Self::Module,
    Self::ModuleAsync,
    Self::Call,
    Self::CallAsync,
  ];

  pub fn name(self) -> &'static str {
    match self {
      Self::Eval => "eval_sync",
      Self::EvalAsync => "eval_async",
      Self::Module => "eval_module_sync",
      Self::ModuleAsync => "eval_module_async",
      Self::Call => "call_function_sync",
      Self::CallAsync => "call_function_async",
    }
  }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
  counts: [u64; Kind::ALL.len()],
  pub total: Duration,
  pub last: Duration,
  pub last_kind: Option<Kind>,
  /// How many are within each other: what the outermost takes is the whole.
  depth: usize,
}

impl Counted {
  pub fn count(&self, kind: Kind) -> u64 {
    self.counts[kind as usize]
  }
}

#[derive(Default)]
pub struct Counts(Mutex<Counted>);

/// Counts for as long as it is there.
pub struct Counting<'a> {
  counts: &'a Counts,
  kind: Kind,
  began: Instant,
}

impl Counts {
  pub fn count(&self, kind: Kind) -> Counting<'_> {
    let mut counted = lock(&self.0);
    counted.depth += 1;
    counted.counts[kind as usize] += 1;
    drop(counted);
    Counting {
      counts: self,
      kind,
      began: Instant::now(),
    }
  }

  pub fn so_far(&self) -> Counted {
    *lock(&self.0)
  }
}

impl Drop for Counting<'_> {
  fn drop(&mut self) {
    let took = self.began.elapsed();
    let mut counted = lock(&self.counts.0);
    counted.depth -= 1;
    if counted.depth == 0 {
      counted.total += took;
    }
    counted.last = took;
    counted.last_kind = Some(self.kind);
  }
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn time_within_another_call_counts_once() {
    let counts = Counts::default();
    {
      let _outer = counts.count(Kind::Eval);
      let _inner = counts.count(Kind::Call);
    }
    let counted = counts.so_far();
    assert_eq!(Kind::ALL.map(|kind| counted.count(kind)), [1, 0, 0, 0, 1, 0]);
    assert_eq!(counted.last_kind, Some(Kind::Eval));
    assert_eq!(counted.total, counted.last);
  }
}
