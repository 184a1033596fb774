//! `startPython` for JavaScript.

use std::sync::Arc;

use napi::Result;
use napi_derive::napi;

use super::environment::HostHandle;
use super::options::PythonOptions;
use crate::lifecycle::python;

/// Starts Python, once a process; later calls are answered with what the first one led to. Answered by a
/// result record with `token`.
#[napi(catch_unwind)]
pub fn start_python(host: &HostHandle, token: u32, options: PythonOptions) -> Result<()> {
  let kind = options.loop_kind()?;
  python::start(Arc::clone(host.host()), token, options.executable, kind);
  Ok(())
}
