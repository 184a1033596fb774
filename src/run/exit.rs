//! The end of Python is the end of the process.
//!
//! CPython calls the C library's `exit` itself, deep inside of `Py_RunMain`, when a script raises `SystemExit`, and so
//! do we when `Py_RunMain` returns. On Python's thread `exit` would go on to tear down what Node's threads still use. So
//! a handler stands in its way, behind those of all extension modules, which were registered later and thus run
//! earlier: it lets JavaScript have its `exit` event and then ends the process without anything further.
//!
//! Node's own handler, which would give the terminal back the settings that it had at the start, does not run: a script
//! that leaves other settings behind, as `stty` does, means it.

use std::ffi::{c_int, c_void};
use std::process;
use std::ptr;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::base::lock::lock;

/// Tells JavaScript the exit code. Called on the thread that has called `exit`; it may wait for nothing.
pub type Ended = Box<dyn Fn(i32) + Send + Sync>;

/// How long a JavaScript that does not come to its end may keep the process.
const JAVASCRIPT_LIMIT: Duration = Duration::from_secs(2);

struct Watch {
  /// The process that was started: a child that Python forks is another.
  process: u32,
  node: libc::pthread_t,
  ended: Ended,
}

static WATCH: OnceLock<Watch> = OnceLock::new();
static JAVASCRIPT_HAS_LEFT: Mutex<bool> = Mutex::new(false);
static CHANGED: Condvar = Condvar::new();

#[cfg(target_os = "linux")]
unsafe extern "C" {
  fn on_exit(handler: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
}

/// Puts the handler in the way of `exit`. On Node's main thread, once, before any extension module is loaded.
pub fn watch(ended: Ended) {
  let watch = Watch {
    process: process::id(),
    // SAFETY: asks for the calling thread.
    node: unsafe { libc::pthread_self() },
    ended,
  };
  // Python starts only once a process.
  let _ = WATCH.set(watch);
  // SAFETY: the handler is a function that stays, as the addon is never unloaded.
  #[cfg(target_os = "linux")]
  unsafe {
    on_exit(process_ends, ptr::null_mut());
  }
  // SAFETY: as above.
  #[cfg(not(target_os = "linux"))]
  unsafe {
    libc::atexit(process_ends_somehow);
  }
}

/// JavaScript has had its `exit` event. Keeps its thread from going on: the process is about to end.
pub fn javascript_has_left() -> ! {
  *lock(&JAVASCRIPT_HAS_LEFT) = true;
  CHANGED.notify_all();
  loop {
    thread::park();
  }
}

/// Runs in `exit`, on the thread that has called it.
extern "C" fn process_ends(code: c_int, _: *mut c_void) {
  flush();
  let Some(watch) = WATCH.get() else { return };
  // SAFETY: asks for the calling thread and compares it.
  let is_nodes = unsafe { libc::pthread_equal(libc::pthread_self(), watch.node) } != 0;
  // A forked child has no Node; and where JavaScript itself ends the process, Python may be busy on its thread.
  if watch.process == process::id() && !is_nodes {
    tell_javascript(watch, code);
  }
  // SAFETY: ends the process.
  unsafe { libc::_exit(code) }
}

/// The same where `exit` does not tell its handlers the code: it has to be let go on.
#[cfg(not(target_os = "linux"))]
extern "C" fn process_ends_somehow() {
  let Some(watch) = WATCH.get() else { return };
  // SAFETY: as in `process_ends`.
  let is_nodes = unsafe { libc::pthread_equal(libc::pthread_self(), watch.node) } != 0;
  if watch.process == process::id() && !is_nodes {
    tell_javascript(watch, 0);
  }
}

/// Waits until JavaScript has had its `exit` event.
fn tell_javascript(watch: &Watch, code: c_int) {
  (watch.ended)(code);
  let left = lock(&JAVASCRIPT_HAS_LEFT);
  drop(
    CHANGED
      .wait_timeout_while(left, JAVASCRIPT_LIMIT, |left| !*left)
      .unwrap_or_else(PoisonError::into_inner),
  );
}

/// Writes out what C code has printed. Not `fflush(NULL)`, which waits for a daemon thread that reads from standard
/// input.
fn flush() {
  unsafe extern "C" {
    #[cfg_attr(target_vendor = "apple", link_name = "__stdoutp")]
    static stdout: *mut libc::FILE;
    #[cfg_attr(target_vendor = "apple", link_name = "__stderrp")]
    static stderr: *mut libc::FILE;
    fn ftrylockfile(file: *mut libc::FILE) -> c_int;
    fn funlockfile(file: *mut libc::FILE);
  }
  // SAFETY: the C library's own streams, which nothing closes for good; flushed under their own lock.
  unsafe {
    for stream in [stdout, stderr] {
      if ftrylockfile(stream) == 0 {
        libc::fflush(stream);
        funlockfile(stream);
      }
    }
  }
}
