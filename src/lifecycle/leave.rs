//! The end of an environment or of the process, where nobody has called `close()`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::close::{Limits, close_app};
use super::jobs::on_python;
use super::python;
use crate::bridge;
use crate::bridge::host::Host;
use crate::dispatch::handlers;
use crate::python::event_loop;
use crate::python::exceptions::report;

/// How long a process or worker that ends without `close()` waits for Python.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);
/// How much of that is kept for `atexit` and what was printed, whatever the tasks of the loop do.
const LEAVE_RESERVE: Duration = Duration::from_millis(250);
/// The environment of `host` ends and nobody has called `close()`: its apps are shut down, and with the
/// main environment Python is left, all within [`LEAVE_LIMIT`]. Blocks the JavaScript thread; its loop is
/// over. Does nothing the second time.
#[expect(
  clippy::print_stderr,
  reason = "the environment's JavaScript has ended"
)]
pub fn leave(host: &Arc<Host>) {
  if host.left.swap(true, Ordering::AcqRel) {
    return;
  }
  let deadline = Instant::now() + LEAVE_LIMIT;
  if !python::is_running() {
    return;
  }
  let is_main = host.is_main;
  // The end of the main environment is the end of the process, and of the workers' apps too.
  let handlers = if is_main {
    handlers::all()
  } else {
    handlers::of_host(host.index)
  };
  let (sender, receiver) = std::sync::mpsc::channel();
  let Ok(runtime) = bridge::tokio() else { return };
  runtime.spawn(async move {
    let mut closing = JoinSet::new();
    for handler in handlers {
      closing.spawn(async move { close_app(&handler, Limits::none(LEAVE_LIMIT)).await });
    }
    while let Some(closed) = closing.join_next().await {
      if let Ok(Err(error)) = closed {
        eprintln!("amphis: {error}");
      }
    }
    if is_main {
      // `python::wait_until_left` waits for it.
      let tasks_deadline = deadline - LEAVE_RESERVE;
      let _ = on_python(move |py| report(py, event_loop::stop(py, tasks_deadline))).await;
    }
    // Nobody listens past the limit.
    let _ = sender.send(());
  });
  let _ = receiver.recv_timeout(LEAVE_LIMIT);
  if is_main {
    let left = deadline.saturating_duration_since(Instant::now());
    python::wait_until_left(left);
  }
}
