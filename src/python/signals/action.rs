//! What a signal leads to, by the kernel; and what starting Python changes of that, which is taken back.
//!
//! `PyConfig.install_signal_handlers = 0` already keeps CPython from touching them; this stands
//! behind it, for `import signal` and for a `PyConfig` of another layout.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;

use libc::{c_int, sigaction};
use pyo3::ffi;

/// The highest number that a signal has.
#[cfg(target_os = "linux")]
pub const LAST_SIGNAL: c_int = 64;
#[cfg(not(target_os = "linux"))]
pub const LAST_SIGNAL: c_int = 31;

/// Every signal's action at one moment.
pub struct Dispositions(Vec<(c_int, sigaction)>);

impl Dispositions {
  pub fn current() -> Self {
    // The few that libc keeps for itself have no action to read and fall out here.
    Self(
      (1..=LAST_SIGNAL)
        .filter_map(|signal| Some((signal, action(signal)?)))
        .collect(),
    )
  }

  /// That of one signal.
  pub fn of(&self, signal: c_int) -> Option<sigaction> {
    self
      .0
      .iter()
      .find_map(|(of, action)| (*of == signal).then_some(*action))
  }

  /// Restores each action that Python has replaced since.
  ///
  /// Only those: the JavaScript thread runs meanwhile and may have listened to a signal.
  pub fn take_back_from_python(&self) {
    for (signal, before) in &self.0 {
      take_back(*signal, before);
    }
  }
}

/// Restores the action of a signal where Python has replaced it.
pub fn take_back(signal: c_int, before: &sigaction) {
  let Some(now) = action(signal) else { return };
  if now.sa_sigaction == before.sa_sigaction {
    return;
  }
  // CPython either installs a handler of its own or ignores the signal (SIGPIPE, SIGXFSZ).
  if now.sa_sigaction == libc::SIG_IGN || is_pythons(&now) {
    set_action(signal, before);
  }
}

/// Gives a signal an action: one that the kernel has reported, or the like of it. Async-signal-safe.
pub fn set_action(signal: c_int, action: &sigaction) {
  // SAFETY: the action is valid, its handler of the kind that its flags say; what is no signal is refused.
  unsafe { sigaction(signal, action, ptr::null_mut()) };
}

/// The signal's present action; `None` for what is no signal.
pub fn action(signal: c_int) -> Option<sigaction> {
  let mut action = MaybeUninit::<sigaction>::uninit();
  // SAFETY: without a new action this only fills in the present one, if it returns 0.
  unsafe {
    (sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0).then(|| action.assume_init())
  }
}

/// Whether the action is a handler of CPython's own.
pub fn is_pythons(action: &sigaction) -> bool {
  let handler = library_of(ptr::with_exposed_provenance(action.sa_sigaction));
  handler.is_some() && handler == library_of((ffi::Py_IsInitialized as *const ()).cast())
}

/// Where the library that holds `address` is mapped; `None` for what is no code, such as `SIG_DFL`.
fn library_of(address: *const c_void) -> Option<usize> {
  let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
  // SAFETY: `dladdr` takes any address and fills in `info` when it knows it; zeroes are valid too.
  unsafe {
    let known = libc::dladdr(address, info.as_mut_ptr()) != 0;
    known.then(|| info.assume_init().dli_fbase.addr())
  }
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

/// Of the calling thread, which a handler leaves as it was.
pub fn errno() -> c_int {
  // SAFETY: this thread's own.
  unsafe { *errno_location() }
}

/// Sets it.
pub fn set_errno(value: c_int) {
  // SAFETY: this thread's own.
  unsafe { *errno_location() = value };
}
