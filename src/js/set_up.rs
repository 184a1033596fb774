//! What is in a runtime before its first call: `console`, where it was asked for, and what the bootstrap script has made.

use std::sync::Arc;

use pyo3::prelude::*;

use super::abi::{Evaluation, Span, status};
use super::call;
use super::config::Config;
use super::core::Core;
use super::defining::define;
use super::snapshot;
use super::support;

const CONSOLE: &str = include_str!("console.js");
/// What `console.js` takes off at once.
const WRITE: &str = "__amphis_console__";

/// Of a runtime that is new, or was reset.
///
/// # Errors
///
/// What the bootstrap script has thrown.
pub fn set_up(py: Python<'_>, core: &Arc<Core>, config: &Config) -> PyResult<()> {
  if config.has_console {
    define(py, core, WRITE, &support::get(py, "_console")?)?;
    run(py, core, CONSOLE, "amphis:console")?;
  }
  if let Some(snapshot) = &config.snapshot {
    snapshot::replay(py, core, snapshot)?;
  }
  match &config.bootstrap {
    Some(bootstrap) => run(py, core, bootstrap, "<bootstrap>"),
    None => Ok(()),
  }
}

/// Its value is nobody's.
fn run(py: Python<'_>, core: &Arc<Core>, script: &str, name: &str) -> PyResult<()> {
  call::run(py, core, core.timeout(), |table, isolate, out| {
    let (script, name) = (Span::of(script.as_bytes()), Span::of(name.as_bytes()));
    // SAFETY: inside of the runtime, with texts that stay.
    match unsafe { (table.eval)(isolate, script, name, Evaluation::Script, out) } {
      status::TAPE | status::WIRE | status::UNFIT | status::PENDING => status::NOTHING,
      status => status,
    }
  })
  .map(drop)
}
