//! The threadsafe function by which other threads make an environment's JavaScript take its records.

use std::ptr;

use napi::bindgen_prelude::{Function, JsValue};
use napi::{Env, Result, check_status, sys};

use super::delivery::{Delivery, deliver_records};
use crate::bridge::host::Waker;

/// The threadsafe function, while its environment lives.
pub struct WakeFunction(pub sys::napi_threadsafe_function);

// SAFETY: a threadsafe function may be called from any thread until it is released, and it is only
// reached through its `Host`, which gives it back before the release.
unsafe impl Send for WakeFunction {}
// SAFETY: as above.
unsafe impl Sync for WakeFunction {}

impl Waker for WakeFunction {
  fn wake(&self) {
    // SAFETY: the host's lock keeps the threadsafe function from being released.
    unsafe {
      sys::napi_call_threadsafe_function(
        self.0,
        ptr::null_mut(),
        sys::ThreadsafeFunctionCallMode::nonblocking,
      );
    }
  }
}

/// A weak threadsafe function, which an idle handler does not keep Node alive by. `delivery` is never freed.
pub fn create(
  env: &Env,
  deliver: &Function<'_, (), ()>,
  delivery: *const Delivery,
) -> Result<sys::napi_threadsafe_function> {
  let name = env.create_string("amphis")?;
  let mut function = ptr::null_mut();
  // SAFETY: all values belong to this call; the context is never freed.
  check_status!(unsafe {
    sys::napi_create_threadsafe_function(
      env.raw(),
      deliver.raw(),
      ptr::null_mut(),
      name.raw(),
      0,
      1,
      ptr::null_mut(),
      None,
      delivery.cast_mut().cast(),
      Some(deliver_records),
      &raw mut function,
    )
  })?;
  // SAFETY: just made; weak from the start, so that an idle handler never keeps Node alive.
  check_status!(unsafe { sys::napi_unref_threadsafe_function(env.raw(), function) })?;
  Ok(function)
}
