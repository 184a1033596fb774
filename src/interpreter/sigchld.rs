//! Two libuvs in one process, Node's and uvloop's, each of which takes SIGCHLD for itself.
//!
//! libuv installs its handler with the first child (or SIGCHLD listener) and resets the signal to
//! its default with the last: left to themselves, either would blind the other, whose children would
//! then never be seen to exit. So each is made to register for good, once, and the signal goes to a
//! handler of ours that calls both. A libuv that has a registration never touches the disposition
//! again.
//!
//! - Node: JavaScript listens to SIGCHLD, then calls [`remember_host_sigchld`].
//! - uvloop: [`share_sigchld`] starts a watcher on a libuv loop that is never run.

use std::ffi::{CStr, CString, c_int, c_uint, c_void};
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use libc::{sigaction, siginfo_t};
use pyo3::prelude::*;

/// `UV_SIGNAL` of `uv_handle_type`, unchanged since libuv 1.0.
const UV_SIGNAL: c_uint = 16;

/// A handler's address and whether it takes three arguments (`SA_SIGINFO`); 0 while unknown.
struct Handler {
  address: AtomicUsize,
  takes_info: AtomicBool,
}

impl Handler {
  const fn unknown() -> Self {
    Self {
      address: AtomicUsize::new(0),
      takes_info: AtomicBool::new(false),
    }
  }

  fn remember(&self, action: &sigaction) {
    self
      .takes_info
      .store(action.sa_flags & libc::SA_SIGINFO != 0, Ordering::SeqCst);
    self.address.store(action.sa_sigaction, Ordering::SeqCst);
  }

  fn is_known(&self) -> bool {
    self.address.load(Ordering::SeqCst) != 0
  }

  /// Async-signal-safe if the handler is.
  ///
  /// # Safety
  ///
  /// The arguments are those that the kernel has given to a handler of this signal.
  unsafe fn call(&self, signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let address = self.address.load(Ordering::SeqCst);
    if address == 0 {
      return;
    }
    let code: *const () = ptr::with_exposed_provenance(address);
    if self.takes_info.load(Ordering::SeqCst) {
      // SAFETY: it was installed with SA_SIGINFO, hence of this type; libraries stay loaded.
      unsafe {
        let handler = mem::transmute::<
          *const (),
          unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void),
        >(code);
        handler(signal, info, context);
      }
    } else {
      // SAFETY: it was installed without SA_SIGINFO, hence of this type; libraries stay loaded.
      unsafe {
        let handler = mem::transmute::<*const (), unsafe extern "C" fn(c_int)>(code);
        handler(signal);
      }
    }
  }
}

static HOST: Handler = Handler::unknown();
static GUEST: Handler = Handler::unknown();

unsafe extern "C" fn call_both(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
  // SAFETY: the kernel's own arguments, passed on.
  unsafe {
    HOST.call(signal, info, context);
    GUEST.call(signal, info, context);
  }
}

/// Takes the present SIGCHLD handler to be Node's, which a listener in JavaScript has just made
/// permanent. Returns whether there is one.
pub fn remember_host_sigchld() -> bool {
  if let Some(action) = current().filter(is_foreign) {
    HOST.remember(&action);
  }
  HOST.is_known()
}

/// Lets uvloop's libuv have SIGCHLD beside Node's. `extension` is the file of `uvloop.loop`.
///
/// Returns whether both get the signal now. They don't when Node's handler was never remembered, nor
/// need they when both are one libuv (musl, where uvloop's symbols resolve to Node's).
#[pyfunction]
pub fn share_sigchld(extension: &str) -> bool {
  static SHARED: AtomicBool = AtomicBool::new(false);
  if !HOST.is_known() {
    return false;
  }
  if SHARED.load(Ordering::SeqCst) {
    return true;
  }
  let Some(()) = register_for_good(extension) else {
    return false;
  };
  let Some(action) = current().filter(is_foreign) else {
    return false;
  };
  if action.sa_sigaction == HOST.address.load(Ordering::SeqCst) {
    return false;
  }
  GUEST.remember(&action);
  let mut both = action;
  both.sa_sigaction = (call_both as *const ()).expose_provenance();
  both.sa_flags |= libc::SA_SIGINFO | libc::SA_RESTART;
  // SAFETY: nothing but our handler may interrupt it, as libuv wants for its own; it is
  // async-signal-safe, since all it does is call two that are.
  unsafe {
    libc::sigfillset(&raw mut both.sa_mask);
    libc::sigaction(libc::SIGCHLD, &raw const both, ptr::null_mut());
    // A child of Node's may have exited between uvloop's handler and ours: have it looked after.
    libc::kill(libc::getpid(), libc::SIGCHLD);
  }
  SHARED.store(true, Ordering::SeqCst);
  true
}

fn current() -> Option<sigaction> {
  let mut action = MaybeUninit::<sigaction>::uninit();
  // SAFETY: without a new action this only fills in the present one, if it returns 0.
  unsafe {
    let known = libc::sigaction(libc::SIGCHLD, ptr::null(), action.as_mut_ptr()) == 0;
    known.then(|| action.assume_init())
  }
}

/// A handler, and not ours.
fn is_foreign(action: &sigaction) -> bool {
  let ours = (call_both as *const ()).addr();
  ![libc::SIG_DFL, libc::SIG_IGN, ours].contains(&action.sa_sigaction)
}

/// Starts a SIGCHLD watcher in the libuv that `extension` is linked with, on a loop of its own that
/// nobody runs: libuv's handler does not wait for it (its pipe may fill up), and no loop of the app
/// has a handle that it does not know.
fn register_for_good(extension: &str) -> Option<()> {
  type Size = unsafe extern "C" fn() -> usize;
  type HandleSize = unsafe extern "C" fn(c_uint) -> usize;
  type LoopInit = unsafe extern "C" fn(*mut c_void) -> c_int;
  type SignalInit = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;
  type SignalStart =
    unsafe extern "C" fn(*mut c_void, unsafe extern "C" fn(*mut c_void, c_int), c_int) -> c_int;

  unsafe extern "C" fn ignore(_watcher: *mut c_void, _signal: c_int) {}

  let path = CString::new(extension).ok()?;
  // SAFETY: RTLD_NOLOAD only finds the library that Python has loaded; the handle is never closed.
  let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
  if library.is_null() {
    return None;
  }
  let symbol = |name: &CStr| {
    // SAFETY: an open library and a C string. The search starts at the library itself.
    let address = unsafe { libc::dlsym(library, name.as_ptr()) };
    (!address.is_null()).then_some(address)
  };
  // SAFETY: the types are those of uv.h, stable throughout libuv 1. Loop and watcher have the sizes
  // that this libuv asks for and live for ever.
  unsafe {
    let loop_size = mem::transmute::<*mut c_void, Size>(symbol(c"uv_loop_size")?);
    let handle_size = mem::transmute::<*mut c_void, HandleSize>(symbol(c"uv_handle_size")?);
    let loop_init = mem::transmute::<*mut c_void, LoopInit>(symbol(c"uv_loop_init")?);
    let signal_init = mem::transmute::<*mut c_void, SignalInit>(symbol(c"uv_signal_init")?);
    let signal_start = mem::transmute::<*mut c_void, SignalStart>(symbol(c"uv_signal_start")?);
    let (event_loop, watcher) = (forever(loop_size())?, forever(handle_size(UV_SIGNAL))?);
    let done = loop_init(event_loop) == 0
      && signal_init(event_loop, watcher) == 0
      && signal_start(watcher, ignore, libc::SIGCHLD) == 0;
    done.then_some(())
  }
}

/// Zeroed memory that is never freed.
fn forever(size: usize) -> Option<*mut c_void> {
  // SAFETY: any size may be asked for (an unknown handle's is the largest there is, and refused).
  let memory = unsafe { libc::calloc(1, size) };
  (!memory.is_null()).then_some(memory)
}
