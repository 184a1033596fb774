//! An outcome that is not there yet: of a promise, or of a call that has not begun. Threads and event loops wait for it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::call::Outcome;
use super::deadline::Deadline;
use super::owner::Owner;
use super::work::Wake;
use crate::base::lock::lock;

/// How it has come to its end.
pub enum Settled {
  Outcome(Outcome),
  TimedOut,
  Cancelled,
  /// The runtime's end came first.
  Ended,
  /// The context that it belongs to has been replaced.
  Reset,
}

enum State {
  Open(Vec<Wake>),
  Settled(Settled),
  /// Somebody makes Python's value of it.
  Taken,
  Given(PyResult<Py<PyAny>>),
}

pub struct Pending {
  state: Mutex<State>,
  changed: Condvar,
  /// That of the promise; 0 while there is none.
  number: AtomicU32,
  /// For those who look, and do not wait. Changes with the state, under its lock.
  is_settled: AtomicBool,
  /// What event loops had been given when it began.
  pub posts: u64,
  pub timeout: Option<Duration>,
  pub deadline: Option<Deadline>,
  /// Whose call it is, if it is one.
  pub owner: Option<Arc<Owner>>,
}

impl Pending {
  pub fn new(
    timeout: Option<Duration>,
    deadline: Option<Deadline>,
    owner: Option<Arc<Owner>>,
    posts: u64,
  ) -> Self {
    Self {
      state: Mutex::new(State::Open(Vec::new())),
      changed: Condvar::new(),
      number: AtomicU32::new(0),
      is_settled: AtomicBool::new(false),
      posts,
      timeout,
      deadline,
      owner,
    }
  }

  pub fn set_number(&self, number: u32) {
    self.number.store(number, Ordering::Release);
  }

  pub fn number(&self) -> Option<u32> {
    Some(self.number.load(Ordering::Acquire)).filter(|number| *number > 0)
  }

  pub fn is_open(&self) -> bool {
    !self.is_settled.load(Ordering::Acquire)
  }

  /// The first outcome counts. Those who are to be woken; `None` where there was one already.
  pub fn settle(&self, settled: Settled) -> Option<Vec<Wake>> {
    let mut state = lock(&self.state);
    let State::Open(waiters) = &mut *state else {
      return None;
    };
    let waiters = std::mem::take(waiters);
    *state = State::Settled(settled);
    self.is_settled.store(true, Ordering::Release);
    drop(state);
    self.changed.notify_all();
    Some(waiters)
  }

  /// Whether it will be woken; there is an outcome otherwise.
  pub fn add(&self, wake: Wake) -> bool {
    match &mut *lock(&self.state) {
      State::Open(waiters) => {
        waiters.push(wake);
        true
      }
      _ => false,
    }
  }

  /// Nobody waits by this future any more.
  pub fn remove(&self, future: &Bound<'_, PyAny>) {
    let mut removed = None;
    if let State::Open(waiters) = &mut *lock(&self.state) {
      removed = waiters
        .iter()
        .position(|wake| wake.future.is(future))
        .map(|place| waiters.swap_remove(place));
    }
    drop(removed);
  }

  /// Waits without the GIL. Whether there is an outcome.
  pub fn wait(&self, deadline: Option<Instant>) -> bool {
    let mut state = lock(&self.state);
    while matches!(*state, State::Open(_)) {
      state = match deadline {
        None => self
          .changed
          .wait(state)
          .unwrap_or_else(PoisonError::into_inner),
        Some(deadline) => {
          let Some(left) = deadline
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
          else {
            return false;
          };
          self
            .changed
            .wait_timeout(state, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0
        }
      };
    }
    true
  }

  /// The outcome, as `convert` makes it of what there is: once, for all who ask.
  ///
  /// # Errors
  ///
  /// Likewise.
  pub fn value(
    &self,
    py: Python<'_>,
    convert: impl FnOnce(Settled) -> PyResult<Py<PyAny>>,
  ) -> PyResult<Py<PyAny>> {
    let settled = {
      let mut state = lock(&self.state);
      loop {
        match &*state {
          State::Given(Ok(value)) => return Ok(value.clone_ref(py)),
          State::Given(Err(error)) => return Err(error.clone_ref(py)),
          State::Taken => {}
          State::Open(_) | State::Settled(_) => break,
        }
        // Another thread makes it, and wants the GIL for that.
        drop(state);
        py.detach(|| std::thread::sleep(Duration::from_millis(1)));
        state = lock(&self.state);
      }
      match std::mem::replace(&mut *state, State::Taken) {
        State::Settled(settled) => settled,
        other => {
          *state = other;
          return Err(pyo3::exceptions::asyncio::InvalidStateError::new_err(
            "The promise has not settled",
          ));
        }
      }
    };
    let made = convert(settled);
    let given = match &made {
      Ok(value) => Ok(value.clone_ref(py)),
      Err(error) => Err(error.clone_ref(py)),
    };
    *lock(&self.state) = State::Given(given);
    self.changed.notify_all();
    made
  }
}
