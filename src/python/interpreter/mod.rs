//! CPython: started once a process, on a thread of its own, as the environment's `python` would.
//!
//! The thread that initialises CPython is Python's main thread for good, so it is the one that runs
//! the event loop; it is parked, never ended, once the loop is over (see [`leave`]).

mod config;
#[cfg(test)]
pub mod tests;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pyo3::ffi;
use pyo3::prelude::*;

pub use self::config::MainProgram;
use super::adoption;
use super::signals::{self, action::Dispositions};
use super::sources::startup;
use crate::base::error::HandlerError;

/// At Rust's default of 2 MiB a deep recursion overflows the stack before CPython 3.12 and 3.13
/// count it and raise `RecursionError`. Threads that Python starts get the same.
pub const STACK_SIZE: usize = 16 * 1024 * 1024;

/// Fifteen bytes is what Linux shows of a thread's name.
pub const THREAD_NAME: &str = "amphis-python";

static STARTED: AtomicBool = AtomicBool::new(false);

/// How to start Python.
pub struct InterpreterConfig {
  /// The environment's interpreter, `<venv>/bin/python`: as `argv[0]` it is all CPython needs to
  /// find the standard library, the environment and its packages.
  pub executable: String,
  /// Adds the built-in module with `PyImport_AppendInittab`; called right before CPython starts.
  pub register: unsafe fn(),
  /// Called on the Python thread once Python was left in good order.
  pub left: fn(),
}

/// Starts Python on its thread, where `body` runs until it is told to stop; Python is then left in
/// good order and the thread parked.
///
/// `on_error` is called on that thread when Python could not start; `body` is not called then.
///
/// # Errors
///
/// `PythonStart` when this process has started Python before, or has no thread to give.
pub fn spawn(
  config: InterpreterConfig,
  on_error: impl FnOnce(HandlerError) + Send + 'static,
  body: impl FnOnce(Python<'_>) + Send + 'static,
) -> Result<(), HandlerError> {
  claim()?;
  thread::Builder::new()
    .name(THREAD_NAME.into())
    .stack_size(STACK_SIZE)
    .spawn(move || run(&config, on_error, body))
    .map(drop)
    .map_err(|error| HandlerError::PythonStart(format!("it got no thread to run on ({error}).")))
}

/// The one start that a process has.
///
/// # Errors
///
/// `PythonStart` when it is taken.
pub fn claim() -> Result<(), HandlerError> {
  if STARTED.swap(true, Ordering::SeqCst) {
    return Err(HandlerError::PythonStart(
      "this process has started it before, and CPython starts only once. Restart the process."
        .into(),
    ));
  }
  Ok(())
}

/// The whole life of the Python thread.
fn run(
  config: &InterpreterConfig,
  on_error: impl FnOnce(HandlerError),
  body: impl FnOnce(Python<'_>),
) -> ! {
  let started = catch_unwind(AssertUnwindSafe(|| start(config))).unwrap_or_else(|panic| {
    Err(HandlerError::PythonStart(format!(
      "amphis panicked: {}.",
      panic_message(&*panic)
    )))
  });
  // Whatever happens, nothing may unwind out of a thread that others still hold Python objects of.
  // What a panic has to say, the panic hook has printed.
  let _ = catch_unwind(AssertUnwindSafe(|| match started {
    Ok(()) => Python::attach(|py| {
      let _ = catch_unwind(AssertUnwindSafe(|| body(py)));
      let _ = catch_unwind(AssertUnwindSafe(|| leave(py)));
      (config.left)();
    }),
    Err(error) => on_error(error),
  }));
  loop {
    thread::park();
  }
}

/// Initialises CPython on the calling thread and leaves it detached.
fn start(config: &InterpreterConfig) -> Result<(), HandlerError> {
  // SAFETY: may be called at any time, also before initialisation.
  if unsafe { ffi::Py_IsInitialized() } != 0 {
    return Err(HandlerError::PythonStart(
      "another part of this process runs a Python interpreter already. Keep only one of them."
        .into(),
    ));
  }
  let_children_inherit_standard_streams();
  signals::forked::watch().map_err(|code| {
    let error = std::io::Error::from_raw_os_error(code);
    HandlerError::PythonStart(format!("forks can't be watched ({error})."))
  })?;
  signals::crash::prepare();
  signals::shared::remember(Dispositions::current());
  signals::nudge::this_is_pythons_thread();
  // SAFETY: Python is not initialised yet, which is the one thing that the inittab asks for.
  unsafe { (config.register)() };
  config::initialize(&config.executable).map_err(HandlerError::PythonStart)?;
  // SAFETY: initialisation has left this thread attached. The thread state stays bound to it, and
  // every later `attach` on this thread takes up the same one: the main thread's.
  unsafe { ffi::PyEval_SaveThread() };
  let prepared = Python::attach(|py| {
    adoption::adopt_at_start(py)
      .and_then(|()| startup(py)?.call_method1("prepare", (STACK_SIZE,)))
      .and_then(|_| signals::functions::wrap(py))
      .and_then(|()| signals::crash::wrap(py))
      .map_err(|error| HandlerError::PythonStart(format!("{error}, while amphis prepared it.")))
  });
  signals::shared::restore_all();
  prepared
}

/// Node keeps stdin, stdout and stderr from its children, to whom it hands them one by one. Those of Python's subprocess
/// find them where they are, or else have none.
pub fn let_children_inherit_standard_streams() {
  for descriptor in 0..=2 {
    // SAFETY: writes a flag of a descriptor; one that is closed is refused.
    unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) };
  }
}

/// What CPython does at its end, short of `Py_FinalizeEx`.
///
/// Finalising is left out on purpose: threads of extension modules (OpenBLAS, grpc, tokio) and
/// Python's own daemon threads live on, and one that asks for the GIL of a finalised interpreter is
/// ended by `pthread_exit`, through frames that must not unwind, or reads freed memory. The process
/// is about to exit or to carry on without Python; the kernel frees what is left.
fn leave(py: Python<'_>) {
  let left = startup(py).and_then(|startup| startup.call_method0("leave"));
  if let Err(error) = left {
    error.write_unraisable(py, None);
  }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
  let text = panic.downcast_ref::<&str>().copied();
  text
    .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
    .unwrap_or("no message")
}
