//! Memory of the host's own ArrayBuffers, which outlives them.

use std::ffi::c_void;
use std::ptr::NonNull;

use super::abi::Table;
use super::engine;

/// Holds what an ArrayBuffer is over.
#[derive(Debug)]
pub struct Store {
  memory: NonNull<c_void>,
  let_go: unsafe extern "C" fn(*mut c_void),
}

impl Store {
  /// `None` where there is no engine at hand: it alone can hold memory that is V8's.
  ///
  /// # Safety
  ///
  /// An ArrayBuffer, as Node-API has it, of the call that we are in.
  pub unsafe fn of(buffer: *mut c_void) -> Option<Self> {
    let Table { hold, let_go, .. } = engine::at_hand()?;
    // SAFETY: the caller's promise.
    let memory = NonNull::new(unsafe { hold(buffer) })?;
    Some(Self {
      memory,
      let_go: *let_go,
    })
  }
}

impl Drop for Store {
  fn drop(&mut self) {
    // SAFETY: memory of `hold`'s, let go once.
    unsafe { (self.let_go)(self.memory.as_ptr()) }
  }
}

// SAFETY: the engine lets go of it on any thread, and the memory itself is only pointed to.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}
