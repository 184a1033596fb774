//! The threads that were there before Python's: Node's main thread has started them, or V8 has.

use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};
use std::{fs, process, ptr};

use libc::siginfo_t;

use super::signal_set::signals;
use crate::python::signals::action::action;

/// Default action: to be ignored. One that comes too late does no harm.
const CARRIER: c_int = libc::SIGURG;
const LIMIT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_micros(50);

/// Only a thread itself can change its mask, and a signal handler can do so on its behalf: what it leaves in the
/// context that it interrupted is the mask from there on. So every thread is sent one signal.
pub fn block() {
  let Some(before) = action(CARRIER) else {
    return;
  };
  let mut carrier = before;
  carrier.sa_sigaction = block_here as *const () as usize;
  carrier.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
  // SAFETY: a handler of the kind that the flags say, which stays loaded.
  unsafe { libc::sigaction(CARRIER, &raw const carrier, ptr::null_mut()) };
  let since = Instant::now();
  let mut told = Vec::new();
  loop {
    let open = open_threads();
    if open.is_empty() || since.elapsed() > LIMIT {
      break;
    }
    for thread in open {
      if !told.contains(&thread) {
        told.push(thread);
        // SAFETY: names a thread of this process; where it has ended meanwhile, nothing happens.
        unsafe { libc::syscall(libc::SYS_tgkill, process::id(), thread, CARRIER) };
      }
    }
    std::thread::sleep(PAUSE);
  }
  // SAFETY: the action that the kernel has reported before.
  unsafe { libc::sigaction(CARRIER, &raw const before, ptr::null_mut()) };
}

/// Blocks Python's signals on the thread that this interrupts. Async-signal-safe.
extern "C" fn block_here(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
  let context = context.cast::<libc::ucontext_t>();
  for signal in signals() {
    // SAFETY: the context of this very handler; the kernel's own set has these 64 bits.
    unsafe { libc::sigaddset(&raw mut (*context).uc_sigmask, signal) };
  }
}

/// The threads that let any of Python's signals in: all but Node's, once [`block`] has been here.
pub fn open_threads() -> Vec<libc::pid_t> {
  let Ok(tasks) = fs::read_dir("/proc/self/task") else {
    return Vec::new();
  };
  tasks
    .filter_map(|task| {
      let task = task.ok()?;
      let thread = task.file_name().to_str()?.parse().ok()?;
      let status = fs::read_to_string(task.path().join("status")).ok()?;
      let blocked = status
        .lines()
        .find_map(|line| line.strip_prefix("SigBlk:"))?;
      let blocked = u64::from_str_radix(blocked.trim(), 16).ok()?;
      (blocked & blockable() != blockable()).then_some(thread)
    })
    .collect()
}

/// Bit `n - 1` for signal `n`, as the kernel shows masks.
fn blockable() -> u64 {
  signals()
    // The kernel never blocks the first two; the C library keeps the others for itself.
    .filter(|signal| ![libc::SIGKILL, libc::SIGSTOP, 32, 33].contains(signal))
    .fold(0, |mask, signal| mask | 1 << (signal - 1))
}
