//! Keeps libuv from touching a signal's handler.
//!
//! libuv installs its handler with the first of its handles that asks for a signal and takes it away, to the default,
//! with the last, in whatever thread that is and without asking who has come in between: a handler of Python's would be
//! replaced, or lost. A handle of our own is neither the first nor the last, so while it is there libuv leaves the
//! signal alone, and its handler still tells all others. It belongs to a loop that is never run: what is written to
//! that one's pipe nobody reads, and libuv drops what does not fit.
//!
//! The functions are looked up: where Node does not export them nothing is held.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::{Mutex, OnceLock};

use super::action::{LAST_SIGNAL, action, set_action};
use super::node_code::symbol;
use crate::base::lock::lock;

/// `UV_SIGNAL` of `uv_handle_type`, the same in all of libuv 1.
const UV_SIGNAL: c_int = 16;

/// Ignored where nobody asks for it, so that it does no harm when libuv's handler is there for a moment.
const HARMLESS: c_int = libc::SIGURG;

type Callback = extern "C" fn(*mut c_void, c_int);

/// libuv's functions.
struct Uv {
  loop_size: unsafe extern "C" fn() -> usize,
  loop_init: unsafe extern "C" fn(*mut c_void) -> c_int,
  handle_size: unsafe extern "C" fn(c_int) -> usize,
  signal_init: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
  signal_start: unsafe extern "C" fn(*mut c_void, Callback, c_int) -> c_int,
  signal_stop: unsafe extern "C" fn(*mut c_void) -> c_int,
}

impl Uv {
  fn find() -> Option<Self> {
    // SAFETY: libuv's own declarations of functions with these names.
    unsafe {
      Some(Self {
        loop_size: std::mem::transmute::<*const c_void, unsafe extern "C" fn() -> usize>(symbol(
          c"uv_loop_size",
        )?),
        loop_init: std::mem::transmute::<*const c_void, unsafe extern "C" fn(*mut c_void) -> c_int>(
          symbol(c"uv_loop_init")?,
        ),
        handle_size: std::mem::transmute::<*const c_void, unsafe extern "C" fn(c_int) -> usize>(
          symbol(c"uv_handle_size")?,
        ),
        signal_init: std::mem::transmute::<
          *const c_void,
          unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        >(symbol(c"uv_signal_init")?),
        signal_start: std::mem::transmute::<
          *const c_void,
          unsafe extern "C" fn(*mut c_void, Callback, c_int) -> c_int,
        >(symbol(c"uv_signal_start")?),
        signal_stop: std::mem::transmute::<*const c_void, unsafe extern "C" fn(*mut c_void) -> c_int>(
          symbol(c"uv_signal_stop")?,
        ),
      })
    }
  }
}

/// The loop that is never run, and a handle for each signal that was held once. Nothing of it is ever freed.
struct Guards {
  uv: Uv,
  event_loop: *mut c_void,
  handles: [*mut c_void; LAST_SIGNAL as usize + 1],
}

// SAFETY: reached through the mutex only; libuv does not care which thread it is as long as it is one at a time.
unsafe impl Send for Guards {}

impl Guards {
  fn new() -> Option<Self> {
    let uv = Uv::find()?;
    // SAFETY: as much memory as libuv asks for.
    let event_loop = unsafe { zeroed((uv.loop_size)()) };
    // SAFETY: that memory, which stays.
    let made = unsafe { (uv.loop_init)(event_loop) };
    (made == 0).then_some(Self {
      uv,
      event_loop,
      handles: [ptr::null_mut(); LAST_SIGNAL as usize + 1],
    })
  }

  fn hold(&mut self, signal: c_int) -> bool {
    let Some(handle) = usize::try_from(signal)
      .ok()
      .and_then(|at| self.handles.get_mut(at))
    else {
      return false;
    };
    // SAFETY: memory that stays and is initialised once; the loop is this one. What is no signal, or none that can be
    // handled, is refused.
    unsafe {
      if handle.is_null() {
        let made = zeroed((self.uv.handle_size)(UV_SIGNAL));
        if (self.uv.signal_init)(self.event_loop, made) != 0 {
          return false;
        }
        *handle = made;
      }
      (self.uv.signal_start)(*handle, nobody, signal) == 0
    }
  }

  fn release(&self, signal: c_int) {
    let handle = usize::try_from(signal)
      .ok()
      .and_then(|at| self.handles.get(at));
    if let Some(&handle) = handle
      && !handle.is_null()
    {
      // SAFETY: a handle of this loop; one that is stopped stays so.
      unsafe { (self.uv.signal_stop)(handle) };
    }
  }
}

fn zeroed(size: usize) -> *mut c_void {
  let words = vec![0_u128; size.div_ceil(size_of::<u128>())];
  Box::leak(words.into_boxed_slice()).as_mut_ptr().cast()
}

extern "C" fn nobody(_: *mut c_void, _: c_int) {}

/// `None` where libuv can't be used. Locked for a call of libuv's only, never by a signal handler.
static GUARDS: OnceLock<Option<Mutex<Guards>>> = OnceLock::new();

fn guards() -> Option<&'static Mutex<Guards>> {
  GUARDS
    .get_or_init(|| Guards::new().map(Mutex::new))
    .as_ref()
}

/// From here on libuv's handler is, or stays, installed and libuv does not touch it. False where that can't be had.
pub fn hold(signal: c_int) -> bool {
  guards().is_some_and(|guards| lock(guards).hold(signal))
}

/// libuv's handler goes if nobody else asks for the signal.
pub fn release(signal: c_int) {
  if let Some(guards) = guards() {
    lock(guards).release(signal);
  }
}

/// The address of libuv's handler, the same for all signals.
pub fn handler() -> Option<usize> {
  static HANDLER: OnceLock<Option<usize>> = OnceLock::new();
  *HANDLER.get_or_init(|| {
    let before = action(HARMLESS)?;
    let held = hold(HARMLESS);
    let handler = action(HARMLESS).filter(|_| held);
    release(HARMLESS);
    set_action(HARMLESS, &before);
    handler.map(|action| action.sa_sigaction)
  })
}
