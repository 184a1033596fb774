//! The end of Python, for threads that call JavaScript.
//!
//! A thread that asks for the GIL of an interpreter which is being finalised is ended by CPython (before 3.14), by
//! unwinding its stack, through frames of Rust that must not be unwound: the process aborts. So before that [`end`] waits
//! until no thread has such frames, but for those that wait without the GIL; and those never come back.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

use crate::base::lock::lock;

struct State {
  is_over: bool,
  /// Threads inside that hold the GIL or will ask for it.
  inside: usize,
}

static STATE: Mutex<State> = Mutex::new(State {
  is_over: false,
  inside: 0,
});
static LEFT: Condvar = Condvar::new();

thread_local! {
  /// How often this thread is inside.
  static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// How long threads that are inside may take to leave.
const LIMIT: Duration = Duration::from_secs(2);

/// This thread is inside until it is dropped.
pub struct Inside(());

/// Enters. Never returns once Python is over.
pub fn enter(py: Python<'_>) -> Inside {
  if DEPTH.get() == 0 && !come() {
    py.detach(rest);
  }
  DEPTH.set(DEPTH.get() + 1);
  Inside(())
}

impl Drop for Inside {
  fn drop(&mut self) {
    DEPTH.set(DEPTH.get() - 1);
    if DEPTH.get() == 0 {
      go();
    }
  }
}

/// Waits for something without the GIL. Never returns once Python is over.
pub fn without_gil<R: Send>(py: Python<'_>, wait: impl FnOnce() -> R + Send) -> R {
  let is_inside = DEPTH.get() > 0;
  let result = py.detach(|| {
    if is_inside {
      go();
    }
    let result = wait();
    if !come() {
      rest();
    }
    result
  });
  if !is_inside {
    go();
  }
  result
}

fn come() -> bool {
  let mut state = lock(&STATE);
  if !state.is_over {
    state.inside += 1;
  }
  !state.is_over
}

fn go() {
  let is_over = {
    let mut state = lock(&STATE);
    state.inside -= 1;
    state.is_over
  };
  // Before that nobody waits, and to tell nobody costs a call of the kernel.
  if is_over {
    LEFT.notify_all();
  }
}

fn rest() {
  loop {
    thread::park();
  }
}

/// Whether nobody comes back any more.
pub fn is_over() -> bool {
  lock(&STATE).is_over
}

/// Python is about to be finalised, on this thread; `stop` has those leave who are inside for good.
pub fn end(py: Python<'_>, stop: impl FnOnce()) {
  lock(&STATE).is_over = true;
  // After that: whoever is about to begin looks there.
  stop();
  py.detach(|| {
    let waited = LEFT.wait_timeout_while(lock(&STATE), LIMIT, |state| state.inside > 0);
    drop(waited.unwrap_or_else(PoisonError::into_inner));
  });
}
