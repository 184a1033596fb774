//! Interrupts what blocks on Python's main thread, where a signal has met another one: CPython's handler has only set a
//! flag, and nobody looks at it.

use std::ffi::c_int;
use std::process;
use std::sync::OnceLock;

use libc::siginfo_t;

struct PythonThread {
  thread: libc::pthread_t,
  /// A child that Python forks has a main thread of its own.
  process: u32,
}

static PYTHON: OnceLock<PythonThread> = OnceLock::new();

/// The calling thread is Python's main thread from here on.
pub fn this_is_pythons_thread() {
  // SAFETY: asks for the calling thread.
  let thread = unsafe { libc::pthread_self() };
  let process = process::id();
  // Python starts only once a process.
  let _ = PYTHON.set(PythonThread { thread, process });
}

/// Interrupts Python's main thread by the same signal, unless it is the one that was met, or somebody has named the
/// thread, by `pthread_kill`: to interrupt what blocks there. Async-signal-safe.
pub fn pass_on(signal: c_int, info: &siginfo_t) {
  if let Some(python) = PYTHON.get()
    && !is_sent_to_thread(info)
    && python.is_another_thread()
  {
    carrier::send(python.thread, signal);
  }
}

/// Whether the signal is only an interruption, by [`pass_on`]. Async-signal-safe.
pub fn is_one(info: &siginfo_t) -> bool {
  carrier::is_one(info)
}

impl PythonThread {
  fn is_another_thread(&self) -> bool {
    // SAFETY: asks for the calling thread and compares it.
    let is_this = unsafe { libc::pthread_equal(libc::pthread_self(), self.thread) } != 0;
    !is_this && self.process == process::id()
  }
}

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
mod carrier {
  use std::ffi::c_int;
  use std::ptr;

  use libc::{pthread_t, siginfo_t, sigval};

  /// Its address is what tells an interruption from a signal.
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
mod carrier {
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
