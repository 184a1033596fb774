//! Signals are Node's: what starting Python changes in their dispositions is taken back.
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

  /// Restores each action that Python has replaced since.
  ///
  /// Only those: the JavaScript thread runs meanwhile and may have listened to a signal.
  pub fn take_back_from_python(&self) {
    for (signal, before) in &self.0 {
      let Some(now) = action(*signal) else { continue };
      if now.sa_sigaction == before.sa_sigaction {
        continue;
      }
      // CPython either installs a handler of its own or ignores the signal (SIGPIPE, SIGXFSZ).
      if now.sa_sigaction == libc::SIG_IGN || is_pythons(&now) {
        // SAFETY: `before` is an action that the kernel itself has reported.
        unsafe { sigaction(*signal, before, ptr::null_mut()) };
      }
    }
  }
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
