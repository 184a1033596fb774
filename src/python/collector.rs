//! What is left to Python's collector of cyclic garbage once an app has started.
//!
//! A full collection walks through every container that there is, with all requests waiting: after
//! `import fastapi` 50,000, which takes 12 to 25 ms, and it comes again each time that requests in flight have
//! made a quarter as many. What the start has made lives as long as the app, so it is frozen
//! (`gc.freeze()`): counted references free it as before, collections pass it by.
//!
//! Everything here runs on the Python thread: nothing changes between a look and what follows from it.

use std::sync::OnceLock;

use pyo3::prelude::*;

/// Objects that Python itself has frozen by the time it is up: some versions of 3.12 do.
static OF_PYTHON: OnceLock<usize> = OnceLock::new();

/// To be called before the first app is imported.
pub fn prepare(py: Python<'_>) -> PyResult<()> {
  let frozen = py
    .import("gc")?
    .call_method0("get_freeze_count")?
    .extract()?;
  let _ = OF_PYTHON.set(frozen);
  Ok(())
}

/// Collects what the start of an app has left, and freezes the rest; `is_ours`: what is frozen already are other
/// apps' starts. An app that has taken the collector in hand, by `gc.disable()` or `gc.freeze()`, is left to it.
/// Returns whether it was frozen.
///
/// # Errors
///
/// What Python raises.
pub fn freeze(py: Python<'_>, is_ours: bool) -> PyResult<bool> {
  let gc = py.import("gc")?;
  let is_enabled: bool = gc.call_method0("isenabled")?.extract()?;
  let frozen: usize = gc.call_method0("get_freeze_count")?.extract()?;
  let by_others = OF_PYTHON.get().copied().unwrap_or_default();
  if !is_enabled || (frozen > by_others && !is_ours) {
    return Ok(false);
  }
  // What an app has left that was closed since, while another one was there.
  gc.call_method0("unfreeze")?;
  gc.call_method0("collect")?;
  gc.call_method0("freeze")?;
  Ok(true)
}

/// All that was frozen can be collected again.
///
/// # Errors
///
/// What Python raises.
pub fn unfreeze(py: Python<'_>) -> PyResult<()> {
  py.import("gc")?.call_method0("unfreeze").map(drop)
}
