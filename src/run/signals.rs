//! Signals of a plain Python in a process that has other threads.
//!
//! CPython's handler only sets a flag, which Python's main thread looks at between two steps of bytecode. What blocks
//! there (`time.sleep`, `input`, `recv`) is interrupted only when the signal arrives on that very thread. And a signal
//! that Python blocks, to wait for it by `sigwait`, takes its default action when any other thread lets it in. In the
//! `python` program the kernel prefers the main thread; here that is Node's. Three things bring Python's thread into
//! its place:
//!
//! 1. [`forget_nodes_own`]: SIGINT, SIGTERM and SIGUSR1, which Node handles from its start, are back at their default.
//! 2. [`leave_to_python`]: every thread of Node's blocks all signals that are not about the thread itself. New threads
//!    have the mask of those that make them, and libuv gives its child processes an empty one.
//! 3. [`adopt`]: handlers of Python's run behind [`forward`], which interrupts Python's main thread when a signal has
//!    arrived on another thread of Python's, or of an extension module's.
//!
//! Node's `process.on('SIGINT')` and the like still work, for libuv's handlers may run on any thread, but take the
//! signal from Python: each signal has one handler a process.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::process;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{siginfo_t, sigset_t};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::signal_set::{blocked_set, signals};
use crate::python::interpreter::signals::{LAST_SIGNAL, action, is_pythons};
use crate::python::original::Original;

struct PythonThread {
  thread: libc::pthread_t,
  /// A child that Python forks has a main thread of its own.
  process: u32,
}

static PYTHON: OnceLock<PythonThread> = OnceLock::new();

/// The handlers that [`forward`] stands in front of, by signal.
static HANDLERS: [AtomicUsize; LAST_SIGNAL as usize + 1] =
  [const { AtomicUsize::new(0) }; LAST_SIGNAL as usize + 1];

/// Gives the signals that Node handles from its start their default action, as Python expects to find them.
pub fn forget_nodes_own() {
  for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1] {
    // SAFETY: the default action of a signal that exists.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
  }
}

/// Blocks Python's signals on every thread that there is, and so on those that they make. Returns the mask that the
/// calling thread had before, for Python's.
pub fn leave_to_python() -> sigset_t {
  let mut before = MaybeUninit::uninit();
  let set = blocked_set();
  // SAFETY: both sets are valid for the call, which fills in the second.
  let before = unsafe {
    libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, before.as_mut_ptr());
    before.assume_init()
  };
  #[cfg(target_os = "linux")]
  super::other_threads::block();
  before
}

/// The calling thread is Python's main thread, and gets its signals with the mask that this process began with.
pub fn this_is_pythons_thread(mask: &sigset_t) {
  // SAFETY: asks for the calling thread.
  let thread = unsafe { libc::pthread_self() };
  let process = process::id();
  // Python starts only once a process.
  let _ = PYTHON.set(PythonThread { thread, process });
  // SAFETY: the set is a valid one.
  unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, ptr::from_ref(mask), ptr::null_mut()) };
}

/// [`adopt`]s what Python handles from its start, or a `.pth` file has had it handle.
pub fn adopt_all() {
  signals().for_each(adopt);
}

/// Puts [`forward`] in front of the handler that Python has for a signal, if it has one.
fn adopt(signal: c_int) {
  let Some(mut now) = action(signal) else {
    return;
  };
  let Some(handler) = usize::try_from(signal)
    .ok()
    .and_then(|signal| HANDLERS.get(signal))
  else {
    return;
  };
  if now.sa_flags & libc::SA_SIGINFO != 0 || !is_pythons(&now) {
    return;
  }
  handler.store(now.sa_sigaction, Ordering::Release);
  now.sa_sigaction = forward as *const () as usize;
  now.sa_flags |= libc::SA_SIGINFO;
  // SAFETY: the action that the kernel has reported, with a handler of the kind that its flags now say.
  unsafe { libc::sigaction(signal, &raw const now, ptr::null_mut()) };
}

/// Runs Python's handler, and interrupts Python's main thread where that is another one. Async-signal-safe.
extern "C" fn forward(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
  // What this thread was about to look at when it was interrupted.
  let errno = errno();
  // SAFETY: the kernel's own information about this signal.
  let info = unsafe { &*info };
  if !nudge::is_one(info) {
    run_handler(signal);
    if let Some(python) = PYTHON.get()
      && !is_sent_to_thread(info)
      && python.is_another_thread()
    {
      nudge::send(python.thread, signal);
    }
  }
  set_errno(errno);
}

fn run_handler(signal: c_int) {
  let handler = usize::try_from(signal)
    .ok()
    .and_then(|signal| HANDLERS.get(signal))
    .map_or(0, |handler| handler.load(Ordering::Acquire));
  if handler != 0 {
    // SAFETY: `adopt` has found it as the handler of this signal, of the kind without further information.
    let handler = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(handler) };
    handler(signal);
  }
}

/// The same signal once more, for Python's main thread, where it only interrupts what blocks.
#[cfg(target_os = "linux")]
mod nudge {
  use std::ffi::c_int;
  use std::ptr;

  use libc::{pthread_t, siginfo_t, sigval};

  /// Its address is what tells a nudge from a signal.
  static MARK: u8 = 0;

  fn mark() -> sigval {
    sigval {
      sival_ptr: ptr::from_ref(&MARK).cast_mut().cast(),
    }
  }

  pub fn send(thread: pthread_t, signal: c_int) {
    unsafe extern "C" {
      fn pthread_sigqueue(thread: pthread_t, signal: c_int, value: sigval) -> c_int;
    }
    // SAFETY: that thread is never joined nor ended; async-signal-safe.
    unsafe { pthread_sigqueue(thread, signal, mark()) };
  }

  pub fn is_one(info: &siginfo_t) -> bool {
    // SAFETY: a queued signal has a value.
    info.si_code == libc::SI_QUEUE && unsafe { info.si_value() }.sival_ptr == mark().sival_ptr
  }
}

/// Elsewhere a signal for a thread carries no mark: the handler runs twice.
#[cfg(not(target_os = "linux"))]
mod nudge {
  use std::ffi::c_int;

  use libc::{pthread_t, siginfo_t};

  pub fn send(thread: pthread_t, signal: c_int) {
    // SAFETY: that thread is never joined nor ended; async-signal-safe.
    unsafe { libc::pthread_kill(thread, signal) };
  }

  pub fn is_one(_: &siginfo_t) -> bool {
    false
  }
}

impl PythonThread {
  fn is_another_thread(&self) -> bool {
    // SAFETY: asks for the calling thread and compares it.
    let is_this = unsafe { libc::pthread_equal(libc::pthread_self(), self.thread) } != 0;
    !is_this && self.process == process::id()
  }
}

/// Whether somebody has named the thread, by `pthread_kill`: to interrupt what blocks there.
#[cfg(target_os = "linux")]
fn is_sent_to_thread(info: &siginfo_t) -> bool {
  info.si_code == libc::SI_TKILL
}

/// Nothing tells.
#[cfg(not(target_os = "linux"))]
fn is_sent_to_thread(_: &siginfo_t) -> bool {
  false
}

#[cfg(target_os = "linux")]
fn errno_location() -> *mut c_int {
  // SAFETY: async-signal-safe.
  unsafe { libc::__errno_location() }
}

#[cfg(not(target_os = "linux"))]
fn errno_location() -> *mut c_int {
  // SAFETY: async-signal-safe.
  unsafe { libc::__error() }
}

fn errno() -> c_int {
  // SAFETY: this thread's own.
  unsafe { *errno_location() }
}

fn set_errno(value: c_int) {
  // SAFETY: this thread's own.
  unsafe { *errno_location() = value };
}

static ORIGINAL: Original = Original::new();

/// Sets the action for the given signal, and returns the previous one.
///
/// The action can be SIG_DFL, SIG_IGN, or a function of the signal's number and the interrupted stack frame.
#[pyfunction(name = "signal")]
#[pyo3(signature = (*args))]
fn set_handler<'py>(py: Python<'py>, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
  let previous = ORIGINAL.get(py)?.call1(args)?;
  if let Ok(signal) = args.get_item(0).and_then(|signal| signal.extract()) {
    adopt(signal);
  }
  Ok(previous)
}

/// Has each handler adopted that Python code sets from now on.
///
/// # Errors
///
/// What Python raises.
pub fn wrap(py: Python<'_>) -> PyResult<()> {
  // `signal.signal` calls this one.
  let module = py.import("_signal")?;
  ORIGINAL.replace(&module, "signal", &wrap_pyfunction!(set_handler, &module)?)
}
