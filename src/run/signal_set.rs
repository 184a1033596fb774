//! Which signals are Python's, in a process that it shares with Node.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use libc::sigset_t;

use crate::python::signals::action::LAST_SIGNAL;

/// Raised by what a thread does, and never blocked; SIGPROF is what V8's profiler interrupts threads with.
const OF_A_THREAD: [c_int; 8] = [
  libc::SIGSEGV,
  libc::SIGBUS,
  libc::SIGFPE,
  libc::SIGILL,
  libc::SIGTRAP,
  libc::SIGSYS,
  libc::SIGABRT,
  libc::SIGPROF,
];

/// What Python is told of.
pub fn signals() -> impl Iterator<Item = c_int> {
  (1..=LAST_SIGNAL).filter(|signal| !OF_A_THREAD.contains(signal))
}

/// All of them, for a thread that is to block them.
pub fn blocked_set() -> sigset_t {
  let mut set = MaybeUninit::uninit();
  // SAFETY: `sigemptyset` makes the set valid, `sigaddset` refuses what is no signal.
  unsafe {
    libc::sigemptyset(set.as_mut_ptr());
    for signal in signals() {
      libc::sigaddset(set.as_mut_ptr(), signal);
    }
    set.assume_init()
  }
}
