//! What a child that Python forks inherits of Node's handling of signals is put back before any of its code runs.
//!
//! libuv's handler writes to a pipe that the child shares with its parent: a signal to the child would be taken for one
//! to the parent, and the child live on. So all signals are blocked while a thread forks; the child, with its one
//! thread, puts handlers back and lets signals in again, and what has come to it meanwhile meets its own handlers.
//!
//! `pthread_atfork` and not `os.register_at_fork`, which misses forks made in C. The functions run in Node's own forks
//! as well (libuv's spawn), on any thread: they touch neither the GIL nor the heap, take no lock, and leave all as it
//! was but for handlers that libuv resets in its children itself. Children by `vfork` and `posix_spawn` run no code
//! but the C library's, which blocks signals, before they become another program.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Once;

use libc::{c_int, sigset_t};

use super::{node_code, shared};

thread_local! {
  /// The mask of the thread that forks, meanwhile. Without a destructor, so that there is nothing to register.
  static MASK: Cell<MaybeUninit<sigset_t>> = const { Cell::new(MaybeUninit::uninit()) };
}

/// To be called before Python starts, on any thread; the addon is never unloaded.
///
/// # Errors
///
/// What the system says.
pub fn watch() -> Result<(), c_int> {
  static ONCE: Once = Once::new();
  let mut outcome = 0;
  node_code::find();
  // SAFETY: functions that stay, as the addon is never unloaded.
  ONCE.call_once(|| unsafe {
    outcome = libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child));
  });
  if outcome == 0 { Ok(()) } else { Err(outcome) }
}

extern "C" fn before() {
  let (mut all, mut mask) = (MaybeUninit::uninit(), MaybeUninit::uninit());
  // SAFETY: `sigfillset` makes the set valid, the other is filled in.
  unsafe {
    libc::sigfillset(all.as_mut_ptr());
    libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), mask.as_mut_ptr());
  }
  MASK.set(mask);
}

extern "C" fn in_parent() {
  let mask = MASK.get();
  // SAFETY: `before` has filled it in, on this thread.
  unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask.as_ptr(), ptr::null_mut()) };
}

extern "C" fn in_child() {
  shared::part_from_node();
  in_parent();
}
