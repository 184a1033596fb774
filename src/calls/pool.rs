//! The threads that call `def` functions.
//!
//! They are threads of Python's (`threading.Thread`), so that what is kept by thread lives as long as they do. One is
//! added when there is work and none is idle, up to a limit; those that are blocked in a call of JavaScript do not count,
//! since what they wait for may need a thread itself. They wait without the GIL.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::{ending, support, waiters};
use crate::base::lock::lock;
use crate::python::exceptions::report;

/// What a thread is to do.
pub type Job = Box<dyn FnOnce(Python<'_>) + Send>;

/// How many threads there are beside those that are blocked, unless somebody asks for more.
pub const THREADS: usize = 10;
/// How many there are at most, blocked or not.
const MOST: usize = 4096;
/// A thread that has had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(20);

struct Pool {
  jobs: VecDeque<Job>,
  threads: usize,
  idle: usize,
  blocked: usize,
  limit: usize,
  closed: bool,
  started: u64,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
  jobs: VecDeque::new(),
  threads: 0,
  idle: 0,
  blocked: 0,
  limit: THREADS,
  closed: false,
  started: 0,
});
static WORK: Condvar = Condvar::new();

impl Pool {
  /// Counts a thread that is to be started, if there is need of one.
  fn wants_thread(&mut self) -> Option<u64> {
    let wanted = !self.closed
      && self.jobs.len() > self.idle
      && self.threads - self.blocked.min(self.threads) < self.limit
      && self.threads < MOST;
    wanted.then(|| {
      self.threads += 1;
      self.started += 1;
      self.started
    })
  }
}

/// Allows for at least so many threads.
pub fn allow(threads: usize) {
  let mut pool = lock(&POOL);
  pool.limit = pool.limit.max(threads);
}

/// Has a thread do something.
///
/// # Errors
///
/// When there is no thread to be had.
pub fn submit(py: Python<'_>, job: Job) -> PyResult<()> {
  let number = {
    let mut pool = lock(&POOL);
    if pool.closed {
      return Err(PyRuntimeError::new_err(
        "Python is about to end; nothing is called any more",
      ));
    }
    pool.jobs.push_back(job);
    pool.wants_thread()
  };
  WORK.notify_one();
  start(py, number)
}

/// A thread of the pool is about to be blocked until JavaScript has answered, or is so no more when what this gives is
/// dropped.
pub fn block(py: Python<'_>) -> Blocked {
  let number = {
    let mut pool = lock(&POOL);
    pool.blocked += 1;
    pool.wants_thread()
  };
  report(py, start(py, number));
  Blocked(())
}

/// See [`block`].
pub struct Blocked(());

impl Drop for Blocked {
  fn drop(&mut self) {
    lock(&POOL).blocked -= 1;
  }
}

fn start(py: Python<'_>, number: Option<u64>) -> PyResult<()> {
  let Some(number) = number else { return Ok(()) };
  let started = wrap_pyfunction!(work, py).and_then(|work| {
    support::get(py)?.call_method1("start_thread", (work, format!("amphis-call-{number}")))
  });
  match started {
    Ok(_) => Ok(()),
    Err(error) => {
      let jobs = {
        let mut pool = lock(&POOL);
        pool.threads -= 1;
        // Those who are left do the work; without any it would wait for ever.
        if pool.threads == 0 {
          std::mem::take(&mut pool.jobs)
        } else {
          return Ok(());
        }
      };
      drop(jobs);
      Err(error)
    }
  }
}

/// The whole life of a thread.
#[pyfunction]
fn work(py: Python<'_>) {
  IS_OURS.set(true);
  while let Some(job) = ending::without_gil(py, next) {
    if catch_unwind(AssertUnwindSafe(|| job(py))).is_err() {
      report(
        py,
        Err(PyRuntimeError::new_err("amphis panicked; please report it")),
      );
    }
  }
}

thread_local! {
  static IS_OURS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether this is a thread of the pool.
pub fn is_this_thread() -> bool {
  IS_OURS.get()
}

fn next() -> Option<Job> {
  let mut pool = lock(&POOL);
  pool.idle += 1;
  loop {
    if let Some(job) = pool.jobs.pop_front() {
      pool.idle -= 1;
      return Some(job);
    }
    if pool.closed {
      break;
    }
    let (again, waited) = WORK
      .wait_timeout(pool, IDLE)
      .unwrap_or_else(PoisonError::into_inner);
    pool = again;
    if waited.timed_out() && pool.jobs.is_empty() {
      break;
    }
  }
  pool.idle -= 1;
  pool.threads -= 1;
  None
}

/// Python is about to end: idle threads end, those that are blocked in a call of JavaScript are told, nothing is begun
/// any more.
pub fn close() {
  let jobs = {
    let mut pool = lock(&POOL);
    pool.closed = true;
    std::mem::take(&mut pool.jobs)
  };
  WORK.notify_all();
  waiters::end_pool();
  drop(jobs);
}
