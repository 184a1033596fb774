//! One call into a runtime: in, watched, out, and what has come of it.

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRecursionError, PyRuntimeError};
use pyo3::prelude::*;

use super::abi::{Bytes, Isolate, Table, status};
use super::core::{Core, End};
use super::entry::Refusal;
use super::errors::{RuntimeTerminated, ended, foreign, timed_out};
use super::greenlets;
use super::handles::{Handles, unfit};
use super::main_thread;
use super::watchdog::watch;
use crate::values::{Reader, wire};

/// With less stack than this a call goes to a thread that has more: V8 needs some, and so does what is called back.
const LEAST_STACK: usize = 512 * 1024;
/// What such a thread has.
const HELPERS_STACK: usize = 8 * 1024 * 1024;

/// What the engine has given.
struct Outcome {
  status: c_int,
  out: Bytes,
  has_timed_out: bool,
  /// The call was the innermost that knows why it was terminated.
  raised: Option<PyErr>,
}

enum Failure {
  Refused(Refusal),
  Ended,
  /// A signal has come while it waited.
  Raised(PyErr),
  NoThread(std::io::Error),
}

/// Calls the engine without the GIL, inside of the runtime, and gives what that has come to.
///
/// # Errors
///
/// What JavaScript threw, as `JavaScriptError`; `JavaScriptTimeout`; `RuntimeTerminated` and `RuntimeError` for a runtime
/// that has ended; `ConversionError` for a result that Python cannot have; what signal handlers raise.
pub fn run<'py>(
  py: Python<'py>,
  core: &Arc<Core>,
  timeout: Option<Duration>,
  call: impl FnOnce(&Table, Isolate, &mut Bytes) -> c_int + Send,
) -> PyResult<Bound<'py, PyAny>> {
  check(core)?;
  let is_nested = core.entry.is_mine();
  let elsewhere = (core.table.stack_left)() < LEAST_STACK || greenlets::is_elsewhere(py)?;
  if is_nested && elsewhere {
    return Err(PyRecursionError::new_err(
      "A runtime cannot be called again from this deep, or from another greenlet, while it runs a callback of this thread",
    ));
  }
  let is_main = main_thread::is_this(py);
  let outcome = py.detach(|| {
    if elsewhere {
      on_another_thread(|| inside(core, timeout, false, call))
    } else {
      inside(core, timeout, is_main, call)
    }
  });
  let outcome = outcome.map_err(|failure| match failure {
    Failure::Refused(Refusal::TimedOut) => timed_out(py, timeout.unwrap_or_default().as_secs_f64()),
    Failure::Refused(Refusal::GivenUp) | Failure::Ended => ended(core),
    Failure::Raised(error) => error,
    Failure::NoThread(error) => {
      PyRuntimeError::new_err(format!("There is no thread to run JavaScript on ({error})"))
    }
  })?;
  let given = give(py, core, timeout, outcome);
  if !is_nested {
    drop(core.take_exceptions());
  }
  given
}

fn check(core: &Core) -> PyResult<()> {
  if core.is_foreign() {
    return Err(foreign());
  }
  if core.in_interrupt.load(Ordering::Acquire) && core.entry.is_mine() {
    return Err(PyRuntimeError::new_err(
      "A signal handler cannot call the runtime that it has interrupted",
    ));
  }
  if core.end() != End::Open {
    return Err(ended(core));
  }
  Ok(())
}

/// Runs it on a thread with a stack of its own; this one waits.
fn on_another_thread<T: Send>(
  run: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
  std::thread::scope(|scope| {
    let started = std::thread::Builder::new()
      .name("amphis-js".into())
      .stack_size(HELPERS_STACK)
      .spawn_scoped(scope, run);
    match started {
      Ok(thread) => thread
        .join()
        .unwrap_or_else(|_| Err(Failure::NoThread(std::io::Error::other("it has panicked")))),
      Err(error) => Err(Failure::NoThread(error)),
    }
  })
}

/// Without the GIL.
fn inside(
  core: &Arc<Core>,
  timeout: Option<Duration>,
  is_main: bool,
  call: impl FnOnce(&Table, Isolate, &mut Bytes) -> c_int,
) -> Result<Outcome, Failure> {
  let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
  let mut raised = None;
  let entered = core.entry.enter(deadline, || {
    if is_main {
      raised = Python::attach(|py| py.check_signals().err());
    }
    raised.is_some() || core.end() != End::Open
  });
  if let Some(error) = raised {
    return Err(Failure::Raised(error));
  }
  let entered = entered.map_err(Failure::Refused)?;
  // It may have ended while this thread waited.
  let isolate = core
    .isolate()
    .filter(|_| core.end() == End::Open)
    .ok_or(Failure::Ended)?;
  core.forget_released();
  let is_watched = deadline.is_some() || is_main || core.limits.heap > 0;
  let watched = is_watched.then(|| watch(core, deadline, is_main));
  let mut out = Bytes::new();
  let status = call(core.table, isolate, &mut out);
  let has_timed_out = watched.is_some_and(super::watchdog::Watch::end);
  if has_timed_out {
    core.end_timeout();
  }
  let mut raised = None;
  let own_end = core.own_end();
  if let Some(end) = own_end {
    core.mark_ended(end);
  }
  if own_end != Some(End::OutOfMemory) {
    raised = core.take_raised();
  }
  if own_end.is_none() && (has_timed_out || raised.is_some()) {
    core.resume();
  }
  drop(entered);
  Ok(Outcome {
    status,
    out,
    has_timed_out,
    raised,
  })
}

fn give<'py>(
  py: Python<'py>,
  core: &Arc<Core>,
  timeout: Option<Duration>,
  outcome: Outcome,
) -> PyResult<Bound<'py, PyAny>> {
  let bytes = outcome.out.as_slice();
  let mut handles = Handles::new(core);
  if let Some(error) = outcome.raised {
    return Err(error);
  }
  if core.end() == End::OutOfMemory {
    return Err(ended(core));
  }
  // Its deadline has passed, whatever JavaScript has made of that.
  if outcome.has_timed_out && matches!(core.end(), End::Open | End::Lost) {
    return Err(timed_out(py, timeout.unwrap_or_default().as_secs_f64()));
  }
  match outcome.status {
    status::TAPE => Reader::new(py, bytes, &mut [], &mut handles).value("result"),
    status::WIRE => wire::read(py, bytes, core.values_limits(), &mut handles),
    status::THROWN => {
      let error = Reader::new(py, bytes, &mut [], &mut handles).value("error")?;
      Err(PyErr::from_value(error))
    }
    status::NOTHING => Ok(py.None().into_bound(py)),
    status::UNFIT => Err(unfit(bytes)),
    status::PENDING => Err(PyRuntimeError::new_err(
      "The result is a promise that nothing in the runtime will settle: what it waits for is not there. Return a value, or a promise that settles by itself.",
    )),
    status::NO_STACK => Err(PyRecursionError::new_err(
      "Too little of this thread's stack is left to run JavaScript",
    )),
    status::NO_FUNCTION => Err(PyRuntimeError::new_err("The function was closed")),
    _ if core.end() != End::Open => Err(ended(core)),
    _ => Err(RuntimeTerminated::new_err(
      "The call was terminated with the one around it",
    )),
  }
}
