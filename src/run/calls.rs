//! JavaScript for plain Python: made when a program first asks for it.
//!
//! Until then nothing of ours runs beside it. Then there are an environment's end of the bridge on Node's main thread, and
//! a thread of Python's with an event loop that takes what JavaScript sends, and runs what it calls.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::base::lock::lock;
use crate::base::options::LoopKind;
use crate::bridge;
use crate::calls::owner;
use crate::calls::{ending, opening, pool};
use crate::dispatch;
use crate::python::exceptions::report;
use crate::python::{collector, event_loop, sources};

/// How long JavaScript may take to open it. Its thread is idle, unless the program has filled it with work itself.
const LIMIT: Duration = Duration::from_secs(10);

/// How long tasks on its loop may take to end with the program.
const LEFT_LIMIT: Duration = Duration::from_millis(500);

/// Asks JavaScript's main thread to open the bridge and make an owner.
pub type AskJavaScript = Box<dyn Fn() + Send + Sync>;

/// Has `amphis.node` open what it needs when it is first used.
pub fn prepare(ask: AskJavaScript) {
  opening::remember_process();
  let opening = Mutex::new(false);
  opening::ended_by(end_with_python);
  opening::opened_by(Box::new(move |py| {
    let is_first = !std::mem::replace(&mut *lock(&opening), true);
    if is_first {
      bridge::open()?;
      start_loop(py)?;
      ask();
    }
    ending::without_gil(py, || owner::wait_for_one(LIMIT))
      .map(Some)
      .ok_or_else(|| {
        PyRuntimeError::new_err("Node.js is busy: its main thread has not answered for 10 seconds")
      })
  }));
}

/// Starts the thread of the loop; returns when it runs.
fn start_loop(py: Python<'_>) -> PyResult<()> {
  let helpers = sources::helpers(py)?;
  let run = wrap_pyfunction!(run_loop, py)?;
  helpers.call_method1("start_loop_thread", (run,)).map(drop)
}

/// Has Python tell us of its end; before anything can be called.
fn end_with_python(py: Python<'_>) -> PyResult<()> {
  let close_pool = wrap_pyfunction!(close_pool, py)?;
  let end = wrap_pyfunction!(end, py)?;
  sources::helpers(py)?
    .call_method1("at_end", (close_pool, end))
    .map(drop)
}

/// The whole life of that thread. `ready` is called with `None`, or with why there is no loop.
#[pyfunction]
fn run_loop(py: Python<'_>, ready: &Bound<'_, PyAny>) {
  // As long as it lives: only the end of Python ends it.
  let _inside = ending::enter(py);
  let prepared = event_loop::prepare(py, LoopKind::Auto)
    .and_then(|()| collector::prepare(py))
    .and_then(|()| dispatch::prepare(py));
  let is_prepared = prepared.is_ok();
  let error = prepared.err().map(|error| error.into_value(py));
  report(py, ready.call1((error,)).map(drop));
  if is_prepared && !ending::is_over() {
    event_loop::run_forever(py);
  }
}

/// Python waits for its threads next: those of ours are to end.
#[pyfunction]
fn close_pool() {
  // A child that was forked has no thread of ours.
  if opening::check_process().is_ok() {
    pool::close();
  }
}

/// Python is about to be finalised.
#[pyfunction]
fn end(py: Python<'_>) {
  if opening::check_process().is_err() {
    return;
  }
  ending::end(py, || {
    // Where there is none, or it is closed already, nothing has to be stopped.
    let _ = event_loop::stop_from_anywhere(py, Instant::now() + LEFT_LIMIT);
  });
}
