//! The end of a runtime, while somebody may be inside of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::{self, Core, End};
use super::watchdog::keep_terminating;
use super::work;

/// How long the end of Python waits for threads that run JavaScript.
const LEAVE: Duration = Duration::from_millis(500);

/// Lets no further call in. What runs is terminated until nobody is inside.
pub fn stop(core: &Arc<Core>, end: End) {
  core.mark_ended(end);
  // A thread on its way in has looked before, and V8 forgets what comes before it is there.
  if core.entry.is_taken() {
    keep_terminating(Arc::clone(core));
  }
  work::end(core);
}

/// Stops every runtime: Python ends. Without the GIL.
pub fn stop_all() {
  let cores = core::all();
  for core in &cores {
    if !core.is_foreign() {
      stop(core, End::Closed);
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
