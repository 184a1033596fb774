//! The end of a runtime, while somebody may be inside of it.

use std::sync::Arc;

use super::core::{self, Core, End};
use super::watchdog::keep_terminating;

/// Lets no further call in. What runs is terminated until nobody is inside.
pub fn stop(core: &Arc<Core>, end: End) {
  core.mark_ended(end);
  // A thread on its way in has looked before, and V8 forgets what comes before it is there.
  if core.entry.is_taken() {
    keep_terminating(Arc::clone(core));
  }
}

/// Stops every runtime: Python ends.
pub fn stop_all() {
  for core in core::all() {
    if !core.is_foreign() {
      stop(&core, End::Closed);
    }
  }
}
