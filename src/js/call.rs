//! One call into a runtime: in, watched, out, and what has come of it.

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pyo3::exceptions::{PyRecursionError, PyRuntimeError};
use pyo3::prelude::*;

use super::abi::{Bytes, Isolate, Table, status};
use super::core::{Core, End};
use super::deadline::Deadline;
use super::entry::Refusal;
use super::errors::{RuntimeTerminated, ended, foreign, timed_out};
use super::greenlets;
use super::handles::{Handles, unfit};
use super::main_thread;
use super::owner::Owner;
use super::pending::Pending;
use super::process;
use super::promise;
use super::synchronous;
use super::watchdog::watch;
use super::work;
use crate::values::{Reader, wire};

/// With less stack than this a call goes to a thread that has more: V8 needs some, and so does what is called back.
const LEAST_STACK: usize = 512 * 1024;
/// What such a thread has.
const HELPERS_STACK: usize = 8 * 1024 * 1024;

/// What the engine has given.
pub struct Outcome {
  pub status: c_int,
  pub out: Bytes,
  has_timed_out: bool,
  /// The call was the innermost that knows why it was terminated.
  raised: Option<PyErr>,
  /// The promise that it has come to.
  pending: Option<Arc<Pending>>,
}

impl Outcome {
  /// What a promise has come to.
  pub fn of_promise(status: c_int, out: Bytes) -> Self {
    Self {
      status,
      out,
      has_timed_out: false,
      raised: None,
      pending: None,
    }
  }
}

pub enum Failure {
  Refused(Refusal),
  Ended,
  /// A signal has come while it waited.
  Raised(PyErr),
  NoThread(std::io::Error),
}

/// For whom the engine is called.
pub struct For<'a> {
  pub deadline: Option<Deadline>,
  /// By Python's main thread, which is to look at signals.
  pub is_main: bool,
  /// Who waits for a promise that it may come to.
  pub pending: Option<&'a Arc<Pending>>,
  /// Whom what follows from it belongs to.
  pub owner: Option<&'a Arc<Owner>>,
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
    let deadline = timeout.and_then(|timeout| Deadline::after(timeout, &core.held));
    let whom = |is_main| For {
      deadline,
      is_main,
      pending: None,
      owner: None,
    };
    if elsewhere {
      on_another_thread(|| inside(core, &whom(false), |_| (), call))
    } else {
      inside(core, &whom(is_main), |_| (), call)
    }
  });
  let outcome = outcome.map_err(|failure| match failure {
    Failure::Refused(Refusal::TimedOut) => timed_out(py, timeout.unwrap_or_default().as_secs_f64()),
    Failure::Refused(Refusal::GivenUp) | Failure::Ended => ended(core),
    Failure::Raised(error) => error,
    Failure::NoThread(error) => {
      PyRuntimeError::new_err(format!("There is no thread to run JavaScript on ({error})"))
    }
  });
  if core.end() != End::Open {
    work::end(core);
  }
  let given = outcome.and_then(|outcome| give(py, core, timeout, outcome));
  work::flush(core);
  if !is_nested {
    drop(core.take_exceptions());
  }
  given
}

/// Whether a call may be made at all.
///
/// # Errors
///
/// Why it may not.
pub fn check(core: &Core) -> PyResult<()> {
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

/// Without the GIL. `watched` gets the number of the call's watch.
pub fn inside(
  core: &Arc<Core>,
  whom: &For<'_>,
  watched: impl FnOnce(u64),
  call: impl FnOnce(&Table, Isolate, &mut Bytes) -> c_int,
) -> Result<Outcome, Failure> {
  let For {
    deadline, is_main, ..
  } = *whom;
  let mut raised = None;
  let entered = core.entry.enter(deadline, &core.held, || {
    if is_main {
      raised = Python::attach(|py| py.check_signals().err());
    }
    raised.is_some()
      || core.end() != End::Open
      || whom.pending.is_some_and(|pending| !pending.is_open())
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
  let is_watched = deadline.is_some() || is_main || core.limits.heap > 0 || whom.pending.is_some();
  let watch = is_watched.then(|| watch(core, deadline, is_main));
  if let Some(watch) = &watch {
    watched(watch.number());
  }
  if whom.owner.is_some() {
    core.work.set_current(whom.owner.map(Arc::clone));
  }
  let mut out = Bytes::new();
  let status = call(core.table, isolate, &mut out);
  if whom.owner.is_some() {
    core.work.set_current(None);
  }
  let has_timed_out = watch.is_some_and(super::watchdog::Watch::end);
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
  let pending = (status == status::PENDING && !has_timed_out && !process::is_behind(core.table))
    .then(|| await_promise(core, isolate, out.number(), whom.pending));
  drop(entered);
  Ok(Outcome {
    status,
    out,
    has_timed_out,
    raised,
    pending,
  })
}

/// A promise has a number now. Inside.
fn await_promise(
  core: &Arc<Core>,
  isolate: Isolate,
  number: u32,
  pending: Option<&Arc<Pending>>,
) -> Arc<Pending> {
  let pending = pending.map_or_else(|| Arc::new(Pending::new(None, None, None, 0)), Arc::clone);
  if pending.is_open() {
    core.work.add_promise(number, Arc::clone(&pending));
    // V8 may have asked for something while nobody waited.
    core.work.driver.wake(core);
  } else {
    // SAFETY: inside of the runtime.
    unsafe { (core.table.forget)(isolate, number) };
  }
  pending
}

/// Python's value of an outcome.
///
/// # Errors
///
/// As [`run`].
pub fn give<'py>(
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
    status::PENDING => match outcome.pending {
      Some(pending) => promise::of(py, core, pending),
      None => Err(synchronous::refusal()),
    },
    status::NO_STACK => Err(PyRecursionError::new_err(
      "Too little of this thread's stack is left to run JavaScript",
    )),
    status::NO_FUNCTION => Err(PyRuntimeError::new_err("Function has been closed")),
    _ if core.end() != End::Open => Err(ended(core)),
    _ => Err(RuntimeTerminated::new_err(
      "The call was terminated with the one around it",
    )),
  }
}
