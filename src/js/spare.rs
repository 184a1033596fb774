//! A runtime that is made before somebody wants it: V8 takes milliseconds to make one, and a thread of its own does so while
//! the one before it is used. There is one at most, with the limits that were asked for last.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::abi::{Host, Limits, Table};
use super::core::{Core, End};
use super::default_snapshot;
use crate::base::lock::lock;

/// What the thread is to make.
#[derive(Clone, Copy)]
struct Order {
  table: &'static Table,
  limits: Limits,
  host: &'static Host,
}

struct State {
  spare: Option<Arc<Core>>,
  /// Not begun so far.
  order: Option<Order>,
  /// What the thread is making, or is about to.
  making: Option<Limits>,
  /// Somebody waits for that: the next one makes a runtime of its own.
  is_wanted: bool,
  /// What the last runtime was to be.
  last: Option<Limits>,
  has_thread: bool,
  is_over: bool,
}

static STATE: Mutex<State> = Mutex::new(State {
  spare: None,
  order: None,
  making: None,
  is_wanted: false,
  last: None,
  has_thread: false,
  is_over: false,
});

static MADE: Condvar = Condvar::new();
static ORDERED: Condvar = Condvar::new();

/// How long the thread waits for the next order: to start one for each takes as long as all else that a runtime takes.
const IDLE: Duration = Duration::from_secs(2);
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
  let has_thread = {
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
    state.order = Some(Order {
      table,
      limits,
      host,
    });
    std::mem::replace(&mut state.has_thread, true)
  };
  if has_thread {
    ORDERED.notify_one();
    return;
  }
  let started = thread::Builder::new()
    .name("amphis-js-spare".into())
    .spawn(run);
  if started.is_err() {
    let mut state = lock(&STATE);
    (state.order, state.making, state.has_thread) = (None, None, false);
    drop(state);
    MADE.notify_all();
  }
}

/// The whole life of the thread.
fn run() {
  while let Some(order) = next() {
    default_snapshot::choose(order.table);
    let made = Core::new(order.table, order.limits, order.host);
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
  }
}

/// None when the thread may go.
fn next() -> Option<Order> {
  let deadline = Instant::now() + IDLE;
  let mut state = lock(&STATE);
  loop {
    if let Some(order) = state.order.take() {
      return Some(order);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    if state.is_over || left.is_zero() {
      state.has_thread = false;
      return None;
    }
    state = ORDERED
      .wait_timeout(state, left)
      .unwrap_or_else(PoisonError::into_inner)
      .0;
  }
}

/// No further one is made: the process ends. The one that is there is freed with all others.
pub fn stop() {
  lock(&STATE).is_over = true;
  ORDERED.notify_all();
  let deadline = Instant::now() + LEAVE;
  while is_making() && Instant::now() < deadline {
    thread::sleep(Duration::from_millis(1));
  }
}

/// Whether there is an isolate that nobody knows of so far.
fn is_making() -> bool {
  lock(&STATE).making.is_some()
}
