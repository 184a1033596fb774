//! When JavaScript is woken for what Python has written, and when Python stays awake for what comes.
//!
//! When JavaScript is woken decides throughput: at once when [`FLUSH_AFTER`] or [`FLUSH_RECORDS`] have come
//! together since the last wake, and always at the end of a drain. For records that are written outside of
//! a drain, by a task that was resumed later, one flush is scheduled at the end of the loop's iteration.
//!
//! Python stays awake where one request at a time comes and goes; see `bridge/linger.rs`.
//!
//! Everything here happens on the Python thread; the locks are held for a look or a change only.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::event_loop;
use crate::base::lock::lock;
use crate::bridge::host::Host;
use crate::bridge::linger::{Coming, Pace};

/// Between two wakes of JavaScript while Python is busy. A wake costs both threads some microseconds; with
/// none before the end of a drain the two would take turns instead of working at the same time. Apps that
/// take 100 µs a request want the time (a few responses a wake), those that take 5 µs the count.
const FLUSH_AFTER: Duration = Duration::from_micros(500);
/// Records that are not held back for more to come.
const FLUSH_RECORDS: u32 = 8;
/// The same of calls between the languages. Where many are under way each takes either side a few microseconds, so that
/// a wake for every eight of them would be a fifth of Python's work.
const FLUSH_CALLS: u32 = 32;

/// The same where a single request or WebSocket is under way: nothing will come to join what it sends.
const FLUSH_ALONE: Duration = Duration::from_micros(30);

/// Bytes of a lone stream that are worth a wake, and how long fewer may wait for more, in seconds. An app that reads a
/// file in a thread has 64 KiB every 100 µs or two: a wake for each takes as much of a processor as the reading.
const BULK: usize = 192 * 1024;
const BULK_AFTER: f64 = 0.001;
/// Pieces that come sooner after the one before are made without a wait: JavaScript has more of them than it can send, and
/// does best to begin at once.
const UNHURRIED: Duration = Duration::from_micros(60);

struct Flushing {
  last: Instant,
  /// Written since then.
  records: u32,
  /// Inside a drain: its end flushes.
  draining: bool,
  /// A flush is scheduled at the end of this iteration of the loop.
  scheduled: bool,
  /// The same for what waits for more, see [`flush_bulk`].
  is_late_scheduled: bool,
  /// Bytes of that since the last wake.
  held: usize,
  /// When the last of them came.
  last_piece: Instant,
  /// Environments that have records and were not woken since.
  dirty: Vec<Arc<Host>>,
}

impl Flushing {
  fn flushed(&mut self) {
    self.last = Instant::now();
    self.records = 0;
    self.held = 0;
  }
}

struct Pacing {
  /// That of the loop.
  thread: ThreadId,
  flushing: Mutex<Flushing>,
  pace: Mutex<Pace>,
  /// Apps that run and wait.
  running: AtomicUsize,
  /// [`flush`] for the loop.
  flush: Py<PyAny>,
  /// [`flush_late`] for the loop.
  flush_late: Py<PyAny>,
  /// Looks at the inbox for a while before the loop sleeps.
  linger: Py<PyAny>,
}

static PACING: OnceLock<Pacing> = OnceLock::new();

/// To be called once there is a loop. `linger` is called by it after [`rest`] to look at the inbox for a while.
///
/// # Errors
///
/// When it was called before.
pub fn prepare(py: Python<'_>, linger: Py<PyAny>) -> PyResult<()> {
  let pacing = Pacing {
    thread: thread::current().id(),
    flushing: Mutex::new(Flushing {
      last: Instant::now(),
      records: 0,
      draining: false,
      scheduled: false,
      is_late_scheduled: false,
      held: 0,
      last_piece: Instant::now(),
      dirty: Vec::new(),
    }),
    pace: Mutex::default(),
    running: AtomicUsize::new(0),
    flush: wrap_pyfunction!(flush, py)?.into_any().unbind(),
    flush_late: wrap_pyfunction!(flush_late, py)?.into_any().unbind(),
    linger,
  };
  PACING
    .set(pacing)
    .map_err(|_| PyRuntimeError::new_err("the event loop was prepared twice"))
}

/// An app runs on after its first step: it waits.
pub fn run_begins() {
  if let Some(pacing) = PACING.get() {
    pacing.running.fetch_add(1, Ordering::Relaxed);
  }
}

/// Such an app has come to its end.
pub fn run_ends() {
  if let Some(pacing) = PACING.get() {
    pacing.running.fetch_sub(1, Ordering::Relaxed);
  }
}

/// A request or message has come; `alone`: nothing else is under way.
pub fn begin(alone: bool) {
  if let Some(pacing) = PACING.get() {
    lock(&pacing.pace).begin(Coming::Request, alone);
  }
}

/// The same of JavaScript's answer to a call of Python's.
pub fn answered(alone: bool) {
  if let Some(pacing) = PACING.get() {
    lock(&pacing.pace).begin(Coming::Answer, alone);
  }
}

/// There is nothing left to do, but to wait for what JavaScript sends.
pub fn rest(py: Python<'_>) {
  wait_for(py, Coming::Request);
}

/// JavaScript was called, and is to answer.
pub fn await_answer(py: Python<'_>) {
  wait_for(py, Coming::Answer);
}

fn wait_for(py: Python<'_>, coming: Coming) {
  let Some(pacing) = PACING.get() else { return };
  if pacing.running.load(Ordering::Relaxed) <= 1 && lock(&pacing.pace).rest(coming) {
    // A loop that is closing takes no more callbacks, and needs none.
    let _ = event_loop::call_soon(py, pacing.linger.bind(py));
  }
}

/// The look at the inbox that [`rest`] has scheduled begins: for how long. None when there is something to do by now.
pub fn look_begins() -> Option<Duration> {
  let limit = lock(&PACING.get()?.pace).begin_look()?;
  // What was written since is not to wait for the end of the look.
  flush();
  Some(limit)
}

/// It was in vain.
pub fn waited_in_vain() {
  if let Some(pacing) = PACING.get() {
    lock(&pacing.pace).waited_in_vain();
  }
}

/// What is written from here on is flushed by [`drain_ends`] at the latest.
pub fn drain_begins() {
  if let Some(pacing) = PACING.get() {
    lock(&pacing.flushing).draining = true;
  }
}

/// Wakes every environment that has records.
pub fn drain_ends() {
  let Some(pacing) = PACING.get() else { return };
  let dirty = {
    let mut flushing = lock(&pacing.flushing);
    flushing.draining = false;
    flushing.flushed();
    std::mem::take(&mut flushing.dirty)
  };
  for host in dirty {
    host.wake();
  }
}

/// JavaScript gets the records of `host` soon; see the module's text for when.
pub fn flush_soon(py: Python<'_>, host: &Arc<Host>) {
  flush_after(py, host, FLUSH_RECORDS);
}

fn flush_after(py: Python<'_>, host: &Arc<Host>, most: u32) {
  let Some(pacing) = PACING.get() else { return };
  let schedule = {
    let mut flushing = lock(&pacing.flushing);
    let since = flushing.last.elapsed();
    flushing.records += 1;
    let is_alone = !flushing.draining && pacing.running.load(Ordering::Relaxed) == 1;
    if flushing.records >= most || since > FLUSH_AFTER || (is_alone && since > FLUSH_ALONE) {
      flushing.flushed();
      flushing.dirty.retain(|dirty| !Arc::ptr_eq(dirty, host));
      drop(flushing);
      host.wake();
      return;
    }
    if !flushing.dirty.iter().any(|dirty| Arc::ptr_eq(dirty, host)) {
      flushing.dirty.push(Arc::clone(host));
    }
    let schedule = !flushing.draining && !flushing.scheduled;
    flushing.scheduled |= schedule;
    schedule
  };
  // A loop that is closing takes no more callbacks.
  if schedule && event_loop::call_soon(py, pacing.flush.bind(py)).is_err() {
    flush();
  }
}

/// The same for calls between the languages, from any thread that holds the GIL.
pub fn flush_from_anywhere(py: Python<'_>, host: &Arc<Host>) {
  match PACING.get() {
    Some(pacing) if pacing.thread == thread::current().id() => {
      flush_after(py, host, FLUSH_CALLS);
    }
    _ => host.wake(),
  }
}

/// The same for a large piece of a body behind which more is to come: it waits a little for the next one, where nothing
/// else is under way. Half the wakes are as good, and each costs both threads more than such a piece.
pub fn flush_bulk(py: Python<'_>, host: &Arc<Host>, bytes: usize) {
  let Some(pacing) = PACING.get() else { return };
  let schedule = {
    let mut flushing = lock(&pacing.flushing);
    flushing.held += bytes;
    let is_unhurried = flushing.last_piece.elapsed() > UNHURRIED;
    flushing.last_piece = Instant::now();
    let holds = is_unhurried
      && flushing.held < BULK
      && !flushing.draining
      && pacing.running.load(Ordering::Relaxed) == 1;
    if holds && !flushing.dirty.iter().any(|dirty| Arc::ptr_eq(dirty, host)) {
      flushing.dirty.push(Arc::clone(host));
    }
    let schedule = holds && !flushing.is_late_scheduled;
    flushing.is_late_scheduled |= schedule;
    holds.then_some(schedule)
  };
  match schedule {
    None => flush_soon(py, host),
    Some(false) => {}
    // A loop that is closing takes no more callbacks.
    Some(true) => {
      if event_loop::call_later(py, BULK_AFTER, pacing.flush_late.bind(py)).is_err() {
        flush_late();
      }
    }
  }
}

/// Wakes every environment that has records which have waited for more.
#[pyfunction]
fn flush_late() {
  if let Some(pacing) = PACING.get() {
    lock(&pacing.flushing).is_late_scheduled = false;
    flush();
  }
}

/// Wakes every environment that has records.
#[pyfunction]
fn flush() {
  if let Some(pacing) = PACING.get() {
    let dirty = {
      let mut flushing = lock(&pacing.flushing);
      flushing.scheduled = false;
      flushing.flushed();
      std::mem::take(&mut flushing.dirty)
    };
    for host in dirty {
      host.wake();
    }
  }
}
