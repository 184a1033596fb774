//! A runtime that is made before somebody wants it: V8 takes milliseconds to make one, and a thread of its own does so while
//! the one before it is used. There is one at most, with the limits that were asked for last.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::abi::{Host, Limits, Table};
use super::core::{Core, End};
use super::default_snapshot;
use crate::base::lock::lock;

struct State {
  spare: Option<Arc<Core>>,
  /// What a thread is making.
  making: Option<Limits>,
  /// Somebody waits for that: the next one makes a runtime of its own.
  is_wanted: bool,
  /// What the last runtime was to be.
  last: Option<Limits>,
  is_over: bool,
}

static STATE: Mutex<State> = Mutex::new(State {
  spare: None,
  making: None,
  is_wanted: false,
  last: None,
  is_over: false,
});

static MADE: Condvar = Condvar::new();

/// How long the end of the process waits for the thread.
const LEAVE: Duration = Duration::from_millis(500);

/// The one that is there, if it has these limits, or one that will be in less time than it takes to make another. Without
/// the GIL.
pub fn take(limits: &Limits) -> Option<Arc<Core>> {
  let mut state = lock(&STATE);
  if state.making == Some(*limits) && !state.is_wanted {
    state.is_wanted = true;
    while state.making == Some(*limits) {
      state = MADE.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    state.is_wanted = false;
  }
  let fits =
    |spare: &Arc<Core>| spare.limits == *limits && spare.end() == End::Open && !spare.is_foreign();
  state.spare.take_if(|spare| fits(spare))
}

/// A runtime with these limits was made, or taken: another one like it is made if there may well be a next one. `usual` are
/// those that a program has which says nothing of limits.
pub fn make_next(table: &'static Table, host: &'static Host, limits: Limits, usual: bool) {
  {
    let mut state = lock(&STATE);
    let is_again = state.last.replace(limits) == Some(limits);
    let is_there = state
      .spare
      .as_ref()
      .is_some_and(|spare| spare.limits == limits);
    if state.is_over || is_there || state.making.is_some() || !(usual || is_again) {
      return;
    }
    state.making = Some(limits);
  }
  let started = thread::Builder::new()
    .name("amphis-js-spare".into())
    .spawn(move || {
      default_snapshot::choose(table);
      let made = Core::new(table, limits, host);
      let before = {
        let mut state = lock(&STATE);
        state.making = None;
        match made {
          Some(made) if state.is_over => Some(made),
          Some(made) => state.spare.replace(made),
          None => None,
        }
      };
      MADE.notify_all();
      if let Some(before) = before {
        let _ = before.destroy(|| true);
      }
    });
  if started.is_err() {
    lock(&STATE).making = None;
    MADE.notify_all();
  }
}

/// No further one is made: the process ends. The one that is there is freed with all others.
pub fn stop() {
  lock(&STATE).is_over = true;
  let deadline = Instant::now() + LEAVE;
  while is_making() && Instant::now() < deadline {
    thread::sleep(Duration::from_millis(1));
  }
}

/// Whether there is an isolate that nobody knows of so far.
pub fn is_making() -> bool {
  lock(&STATE).making.is_some()
}
