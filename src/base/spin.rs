//! Looking for something that comes within microseconds: a thread that sleeps takes tens of them to wake.

use std::hint;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// On one processor nobody looks: whoever is to answer could not run meanwhile.
pub fn is_worth_it() -> bool {
  static HAS_PROCESSORS: OnceLock<bool> = OnceLock::new();
  *HAS_PROCESSORS.get_or_init(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1))
}

/// Looks whether `is_there` until it is, `limit` at most.
pub fn spin(limit: Duration, is_there: impl Fn() -> bool) -> bool {
  let start = Instant::now();
  loop {
    // The clock costs more than a look.
    for _ in 0..32 {
      if is_there() {
        return true;
      }
      hint::spin_loop();
    }
    if start.elapsed() > limit {
      return false;
    }
    // On a busy machine whoever is to answer may wait for this very processor.
    thread::yield_now();
  }
}
