//! One environment's end of the bridge, from JavaScript's side: one per main thread or worker. See `bridge/host.rs`
//! for what the other threads see of it.

use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::{Function, Int32Array, JsValue, Object};
use napi::{Env, Error, Result, Status, check_status, sys};
use napi_derive::napi;

use super::delivery::Delivery;
use super::waker;
use crate::bridge;
use crate::bridge::command::Command;
use crate::bridge::host::Host;
use crate::bridge::record::RECORD;
use crate::js::ending;
use crate::lifecycle::calls;
use crate::lifecycle::leave::leave;

/// One environment's end of the bridge.
#[napi(js_name = "Host")]
pub struct HostHandle {
  host: Arc<Host>,
  function: sys::napi_threadsafe_function,
  /// Never freed, see `create_waker`.
  delivery: *const Delivery,
}

#[napi]
impl HostHandle {
  /// `records` is where integers are written before each call of
  /// `deliver(count, text, buffers)`; `again()` has `take()` called in the next turn of the event loop;
  /// `isMain` tells the main thread from a worker.
  #[napi(constructor, catch_unwind)]
  pub fn new(
    env: Env,
    records: Int32Array,
    #[napi(ts_arg_type = "(count: number, text: string, buffers: Buffer[] | undefined) => void")]
    deliver: Function<'_, (), ()>,
    again: Function<'_, (), ()>,
    is_main: bool,
  ) -> Result<Self> {
    bridge::open().map_err(|error| Error::new(Status::GenericFailure, error.to_string()))?;
    let host = bridge::get().add_host(|index| Host::new(index, is_main));
    let capacity = records.len() / RECORD;
    let data = records.as_ref().as_ptr().cast_mut();
    let array = Object::from_raw(env.raw(), records_value(&env, records)?);
    let mut reference = ptr::null_mut();
    // SAFETY: `array` is a value of this call's scope; the reference lives until the environment ends.
    check_status!(unsafe {
      sys::napi_create_reference(env.raw(), array.raw(), 1, &raw mut reference)
    })?;
    let mut functions = [ptr::null_mut(); 2];
    for (function, reference) in [deliver.raw(), again.raw()].into_iter().zip(&mut functions) {
      // SAFETY: as above.
      check_status!(unsafe { sys::napi_create_reference(env.raw(), function, 1, reference) })?;
    }
    let delivery = Box::new(Delivery {
      host: Arc::clone(&host),
      data,
      capacity,
      spare: RefCell::default(),
      deliver: functions[0],
      again: functions[1],
    });
    // Never freed, because a wake that is already queued may still be delivered while the environment ends.
    let delivery = Box::into_raw(delivery).cast_const();
    let function = waker::create(&env, &deliver, delivery)?;
    host.open(Box::new(waker::WakeFunction(function)));
    // Hooks run last in, first out: this one before the threadsafe function's own.
    let hook = Box::into_raw(Box::new((Arc::clone(&host), function)));
    // SAFETY: the hook takes the box back exactly once, when the environment ends.
    check_status!(unsafe {
      sys::napi_add_env_cleanup_hook(env.raw(), Some(environment_ends), hook.cast())
    })?;
    Ok(Self {
      host,
      function,
      delivery,
    })
  }

  /// Keeps Node alive: something is pending.
  #[napi(js_name = "ref", catch_unwind)]
  pub fn hold(&self, env: Env) -> Result<()> {
    // SAFETY: called on the environment's thread while it lives.
    check_status!(unsafe { sys::napi_ref_threadsafe_function(env.raw(), self.function) })
  }

  /// Lets Node end.
  #[napi(js_name = "unref", catch_unwind)]
  pub fn release(&self, env: Env) -> Result<()> {
    // SAFETY: called on the environment's thread while it lives.
    check_status!(unsafe { sys::napi_unref_threadsafe_function(env.raw(), self.function) })
  }

  /// Delivers what has come since the last delivery.
  #[napi(catch_unwind)]
  pub fn take(&self, env: Env) -> Result<()> {
    // SAFETY: the delivery is never freed; this is its environment's thread.
    unsafe { (*self.delivery).run(env.raw()) }
  }

  /// Shuts this environment's apps down and, on the main thread, leaves Python, within two seconds.
  /// For the process' `exit` event, with its code; blocks.
  #[napi(catch_unwind)]
  pub fn leave(&self, exit_code: i32) {
    leave_all(&self.host, Some(exit_code));
  }

  pub(crate) fn host(&self) -> &Arc<Host> {
    &self.host
  }
}

fn records_value(env: &Env, records: Int32Array) -> Result<sys::napi_value> {
  // SAFETY: converts an owned typed array back into the value it was made from.
  unsafe { napi::bindgen_prelude::ToNapiValue::to_napi_value(env.raw(), records) }
}

/// The environment ends, and with the main one all of V8: first Python leaves, then nobody goes on in its runtimes.
fn leave_all(host: &Arc<Host>, exit_code: Option<i32>) {
  leave(host);
  if host.is_main {
    ending::leave(exit_code);
  }
}

/// The environment goes away: Python leaves in good order, within a limit, then nobody comes back.
unsafe extern "C" fn environment_ends(hook: *mut c_void) {
  // SAFETY: the box made in `HostHandle::new`; the hook runs once.
  let (host, function) =
    *unsafe { Box::from_raw(hook.cast::<(Arc<Host>, sys::napi_threadsafe_function)>()) };
  let _ = catch_unwind(AssertUnwindSafe(|| {
    leave_all(&host, None);
    calls::host_goes(host.index);
  }));
  if host.close().is_some() {
    // SAFETY: nobody else can reach the function any more; Node frees it.
    unsafe {
      sys::napi_release_threadsafe_function(function, sys::ThreadsafeFunctionReleaseMode::abort);
    }
  }
  // Bodies that were not taken go home; what apps still send is dropped from here on.
  for body in host.outbox.close().bodies {
    bridge::get()
      .inbox()
      .push(|batch| batch.commands.push(Command::Release(body)));
  }
  bridge::get().remove_host(host.index);
  if host.is_main {
    ending::end_before_v8();
  }
}
