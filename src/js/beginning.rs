//! Asynchronous calls: begun here, run by the runtime's own thread.

use std::ffi::c_int;
use std::sync::Arc;

use pyo3::prelude::*;

use super::abi::{Bytes, Isolate, Table};
use super::call;
use super::config::seconds;
use super::core::Core;
use super::counts::Kind;
use super::deadline::Deadline;
use super::driver::{Job, Run};
use super::owner::Owner;
use super::pending::Pending;
use super::process;
use super::promise;
use super::synchronous;

/// Begins a call, and gives what it will come to as a `JsPromise`, which keeps `whose`.
///
/// # Errors
///
/// Where the runtime takes no calls; `ValueError` and `TypeError` for the timeout.
pub fn begin<'py, T>(
  py: Python<'py>,
  core: &Arc<Core>,
  timeout: Option<&Bound<'py, PyAny>>,
  whose: &Bound<'py, T>,
  kind: Option<Kind>,
  run: impl FnOnce(&Table, Isolate, &mut Bytes) -> c_int + Send + 'static,
) -> PyResult<Bound<'py, PyAny>> {
  let timeout = timeout.map(seconds).transpose()?.or(core.timeout());
  call::check(core)?;
  if process::is_behind(core.table) {
    return Err(synchronous::refusal());
  }
  let deadline = timeout.and_then(|timeout| Deadline::after(timeout, &core.held));
  let owner = Owner::here(py, deadline)?;
  if let Some(owner) = &owner {
    core.work.set_home(Arc::clone(owner));
  }
  let posts = core.work.driver.awake.posts();
  let pending = Arc::new(Pending::new(timeout, deadline, owner.clone(), posts));
  let promise = promise::make(py, core, Arc::clone(&pending), whose.as_any())?;
  core.work.driver.submit(
    core,
    Job {
      run: Run::Inside(Box::new(run)),
      pending: Some(pending),
      owner,
      kind,
    },
  );
  Ok(promise)
}
