//! A thread that frees runtimes nobody has any more. Python's collector may drop one anywhere, with the GIL held, and V8
//! takes its time.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::core::{Core, End};
use super::ending::stop;
use crate::base::lock::lock;

static REAPER: Mutex<Option<Sender<Arc<Core>>>> = Mutex::new(None);

/// Frees it soon; what runs in it is terminated. From any thread.
pub fn reap(core: Arc<Core>) {
  if core.is_foreign() {
    // Its isolate lives in the parent; here it is only memory.
    std::mem::forget(core);
    return;
  }
  stop(&core, End::Closed);
  let mut reaper = lock(&REAPER);
  let left = match reaper.as_ref() {
    Some(sender) => sender.send(core).err().map(|unsent| unsent.0),
    None => Some(core),
  };
  let Some(core) = left else { return };
  let (sender, receiver) = channel::<Arc<Core>>();
  let started = thread::Builder::new()
    .name("amphis-js-reaper".into())
    .spawn(move || {
      for core in receiver {
        let _ = core.destroy(|| false);
      }
    });
  // Without a thread the runtime stays, as much as that is.
  if started.is_ok() && sender.send(core).is_ok() {
    *reaper = Some(sender);
  }
}
