//! What the engine tells of promises and timers, and how functions of Python's that take their time come back.

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;

use super::abi::{Bytes, Isolate, Span, Table, answer};
use super::call::Outcome;
use super::callback::{raised, returned};
use super::core::{Core, End};
use super::driver::{Job, Run};
use super::importing::Loaded;
use super::owner::{self, Owner};
use super::pending::Settled;
use super::process;
use super::synchronous;
use super::work::Later;

/// Does something for the runtime that the engine means.
fn with(user: *mut c_void, what: impl FnOnce(&Arc<Core>)) {
  let _ = catch_unwind(AssertUnwindSafe(|| {
    // SAFETY: what the engine was told, while it calls.
    if let Some(core) = unsafe { Core::from_user(user) } {
      what(&core);
    }
  }));
}

pub extern "C" fn settled(user: *mut c_void, promise: u32, status: c_int, outcome: Span) {
  with(user, |core| {
    if let Some(pending) = core.work.take_promise(promise) {
      // SAFETY: the engine keeps them while it calls.
      let out = Bytes::copy(unsafe { outcome.as_slice() });
      let outcome = Outcome::of_promise(status, out);
      core.work.settle(&pending, Settled::Outcome(outcome));
    }
  });
}

pub extern "C" fn timer(user: *mut c_void, timer: u32, milliseconds: f64) {
  with(user, |core| {
    let after = Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default();
    core.work.driver.set_timer(core, timer, after);
  });
}

pub extern "C" fn timer_cleared(user: *mut c_void, timer: u32) {
  with(user, |core| core.work.driver.clear_timer(timer));
}

pub extern "C" fn unhandled(user: *mut c_void, thrown: Span) {
  // SAFETY: the engine keeps them while it calls.
  with(user, |core| core.work.report(unsafe { thrown.as_slice() }));
}

/// From any thread of V8's.
pub extern "C" fn wake(user: *mut c_void) {
  with(user, |core| {
    // Without anybody who waits, the next call does what there is to be done.
    if core.work.has_promises() || core.inspected.get().is_some() {
      core.work.driver.wake(core);
    }
  });
}

/// Has an event loop run what a function has returned; JavaScript gets a promise by this number.
///
/// # Errors
///
/// Where there is no loop.
pub fn start(py: Python<'_>, core: &Arc<Core>, awaitable: &Bound<'_, PyAny>) -> PyResult<u32> {
  let owner = if process::is_behind(core.table) {
    Err(synchronous::refusal())
  } else {
    owner::for_awaitable(py, core)
  };
  let started = owner.and_then(|owner| start_by(py, core, &owner, awaitable));
  if started.is_err() {
    // A coroutine that nobody will run.
    let _ = awaitable.call_method0("close");
  }
  started
}

/// The same, by the loop of an owner.
///
/// # Errors
///
/// What Python raises.
pub fn start_by(
  py: Python<'_>,
  core: &Arc<Core>,
  owner: &Arc<Owner>,
  awaitable: &Bound<'_, PyAny>,
) -> PyResult<u32> {
  let number = core.work.add_later(Arc::clone(owner));
  let laters = Laters::of(py, core)?.into_bound(py).into_any();
  let started = owner.start(laters, number, awaitable);
  if started.is_err() {
    drop(core.work.take_later(number));
  }
  core.work.driver.awake.has_posted();
  started.map(|()| number)
}

/// What an event loop gives outcomes to.
#[pyclass(frozen, module = "amphis._js")]
pub struct Laters(Arc<Core>);

#[pymethods]
impl Laters {
  fn resolve(&self, py: Python<'_>, number: u32, value: &Bound<'_, PyAny>) {
    if let Ok(loaded) = value.cast::<Loaded>() {
      let module = loaded.get().0;
      // SAFETY: inside of the runtime, with bytes to write to.
      return self.submit(py, number, move |table, isolate, out| unsafe {
        (table.finish_import)(isolate, number, module, out)
      });
    }
    match returned(py, &self.0, value) {
      Ok(tape) => self.answer(py, number, answer::RETURN, tape),
      Err(error) => self.answer(py, number, answer::RAISE, raised(py, &self.0, error)),
    }
  }

  fn reject(&self, py: Python<'_>, number: u32, exception: Bound<'_, PyAny>) {
    let error = raised(py, &self.0, PyErr::from_value(exception));
    self.answer(py, number, answer::RAISE, error);
  }
}

impl Laters {
  /// # Errors
  ///
  /// What Python raises.
  pub fn of(py: Python<'_>, core: &Arc<Core>) -> PyResult<Py<Self>> {
    Py::new(py, Self(Arc::clone(core)))
  }

  fn answer(&self, py: Python<'_>, number: u32, answer: c_int, bytes: Vec<u8>) {
    // SAFETY: inside of the runtime, with bytes that stay.
    self.submit(py, number, move |table, isolate, out| unsafe {
      (table.resolve)(isolate, number, answer, Span::of(&bytes), out)
    });
  }

  fn submit(
    &self,
    py: Python<'_>,
    number: u32,
    run: impl FnOnce(&Table, Isolate, &mut Bytes) -> c_int + Send + 'static,
  ) {
    let core = &self.0;
    let Some(Later { owner }) = core.work.take_later(number) else {
      return;
    };
    if core.is_foreign() || core.end() != End::Open {
      return;
    }
    let is_on_loop = owner.is_some();
    let driver = &core.work.driver;
    let posts = driver.awake.posts();
    driver.submit(
      core,
      Job {
        run: Run::Inside(Box::new(run)),
        pending: None,
        owner,
        kind: None,
      },
    );
    // Without one this is the driver's own thread.
    if is_on_loop {
      driver.await_outcome(py, posts, || false);
    }
  }
}
