//! The end of a runtime, while somebody may be inside of it.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use super::abi::Table;
use super::core::{self, Core, End};
use super::engine;
use super::entry::this_thread;
use super::node;
use super::spare;
use super::watchdog::keep_terminating;
use super::work;

/// How long the end of Python waits for threads that run JavaScript.
const LEAVE: Duration = Duration::from_millis(500);

/// Lets no further call in. What runs is terminated until nobody is inside.
pub fn stop(core: &Arc<Core>, end: End) {
  core.mark_ended(end);
  if let Some(inspected) = core.inspected.get() {
    inspected.end();
  }
  // A thread on its way in has looked before, and V8 forgets what comes before it is there.
  if core.entry.is_taken() {
    keep_terminating(Arc::clone(core));
  }
  work::end(core);
}

/// The thread that ends Python, once it does.
static LEAVER: AtomicUsize = AtomicUsize::new(0);

/// Whether the calling thread is the one that ends Python.
pub fn is_leaver() -> bool {
  LEAVER.load(Ordering::Acquire) == this_thread()
}

/// Stops every runtime: Python ends. Without the GIL.
pub fn stop_all() {
  LEAVER.store(this_thread(), Ordering::Release);
  let cores = core::all();
  for core in &cores {
    if !core.is_foreign() {
      stop(core, End::Left);
    }
  }
  let deadline = Instant::now() + LEAVE;
  for core in &cores {
    if !core.is_foreign() {
      core
        .work
        .driver
        .wait_for_end(deadline.saturating_duration_since(Instant::now()));
    }
  }
}

/// From this one on V8 ends the process where an isolate is left when Node.js takes V8 down: Node.js 24.
const CHECKS_ISOLATES: u32 = 137;

/// Once the engine is open: hears of the end of the main thread's environment where a worker was the first to load amphis, for
/// the main thread may never do so, and nobody else tells of it.
pub fn watch_main(table: &Table) {
  static WATCHED: Once = Once::new();
  WATCHED.call_once(|| {
    if node::facts().is_some_and(|facts| !facts.is_main) {
      (table.watch_main_end)(main_exits, main_ends);
    }
  });
}

extern "C" fn main_exits(code: i32) {
  let _ = catch_unwind(|| main_leaves(Some(code)));
}

extern "C" fn main_ends() {
  let _ = catch_unwind(|| {
    main_leaves(None);
    end_before_v8();
  });
}

fn main_leaves(exit_code: Option<i32>) {
  // Where the main thread has loaded amphis after all, Python may have been left.
  if !HAS_LEFT.load(Ordering::Acquire) {
    stop_all();
  }
  leave(exit_code);
}

static HAS_LEFT: AtomicBool = AtomicBool::new(false);

/// What the process will end with, once it is known.
static EXIT_CODE: AtomicI32 = AtomicI32::new(0);

/// The process ends: what nobody is in is freed, and then nobody goes on in V8.
pub fn leave(exit_code: Option<i32>) {
  HAS_LEFT.store(true, Ordering::Release);
  if let Some(code) = exit_code {
    EXIT_CODE.store(code, Ordering::Release);
  }
  spare::stop();
  for core in core::all() {
    if core.is_foreign() {
      continue;
    }
    // Where Python was too busy to be told.
    core.mark_ended(End::Left);
    if !core.entry.is_taken() {
      let _ = core.destroy(|| true);
    }
  }
  engine::close_gate();
}

/// Node.js is about to take V8 down, which it does only where the process ends by itself. With threads that are kept within
/// runtimes that would not go well, so the process ends here.
pub fn end_before_v8() {
  let is_refused = engine::opened()
    .is_some_and(|table| table.module_version >= CHECKS_ISOLATES && (table.has_isolates)() != 0);
  if is_refused {
    // SAFETY: ends the process, and runs nothing.
    unsafe { libc::_exit(EXIT_CODE.load(Ordering::Acquire)) }
  }
}
