//! What one process has one of: the queue towards Python, the list of environments, the tokio runtime.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use crate::base::lock::lock;
use crate::bridge::host::Host;
use crate::bridge::inbox::Inbox;
use crate::bridge::wake::WakeDescriptor;

/// The bridge's two ends meet here. `hosts` is locked for a look-up only.
pub struct Bridge {
  inbox: Inbox,
  hosts: Mutex<Vec<Option<Arc<Host>>>>,
}

static BRIDGE: OnceLock<Bridge> = OnceLock::new();

/// Makes the bridge; called when the addon is first used, before any thread but JavaScript's exists.
///
/// # Errors
///
/// When the process has no file descriptor left.
pub fn open() -> io::Result<()> {
  if BRIDGE.get().is_none() {
    let bridge = Bridge {
      inbox: Inbox::new(WakeDescriptor::new()?),
      hosts: Mutex::default(),
    };
    // Two workers may come here at once; the second bridge is simply dropped.
    let _ = BRIDGE.set(bridge);
  }
  Ok(())
}

/// The bridge.
///
/// # Panics
///
/// Before [`open`]: everything that calls this needs a `Host`, and making one opens the bridge.
#[allow(
  clippy::expect_used,
  reason = "see the Panics section; every caller is behind a catch_unwind"
)]
pub fn get() -> &'static Bridge {
  BRIDGE
    .get()
    .expect("the bridge is opened with the first Host")
}

impl Bridge {
  pub fn inbox(&self) -> &Inbox {
    &self.inbox
  }

  /// Adds what `make` builds for a free index. An index is never used again: records of an old
  /// environment must not reach a new one.
  pub fn add_host(&self, make: impl FnOnce(u32) -> Host) -> Arc<Host> {
    let mut hosts = lock(&self.hosts);
    let host = Arc::new(make(u32::try_from(hosts.len()).unwrap_or(u32::MAX)));
    hosts.push(Some(Arc::clone(&host)));
    host
  }

  pub fn host(&self, index: u32) -> Option<Arc<Host>> {
    lock(&self.hosts).get(index as usize).cloned().flatten()
  }

  pub fn remove_host(&self, index: u32) {
    let removed = lock(&self.hosts)
      .get_mut(index as usize)
      .and_then(Option::take);
    drop(removed);
  }
}

/// Two threads carry all that waits: timers, file reads, lifespans. They never hold the GIL while they wait.
///
/// # Errors
///
/// When the system gives no threads.
pub fn tokio() -> io::Result<&'static tokio::runtime::Runtime> {
  static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
  if let Some(runtime) = RUNTIME.get() {
    return Ok(runtime);
  }
  let runtime = tokio::runtime::Builder::new_multi_thread()
    .worker_threads(2)
    .thread_name("amphis-tokio")
    .enable_time()
    .build()?;
  let runtime = RUNTIME.get_or_init(|| runtime);
  // pyo3-async-runtimes has a default runtime of its own unless it is given one; the first wins.
  let _ = pyo3_async_runtimes::tokio::init_with_runtime(runtime);
  Ok(runtime)
}
