//! Globals of JavaScript that Python gives.

use std::ffi::c_int;
use std::sync::Arc;

use pyo3::prelude::*;

use super::abi::{Span, status};
use super::call;
use super::core::Core;
use super::handles::Handles;
use super::owner::Owner;
use crate::values::Writer;

/// Makes a value a global of this name; functions in it are called by JavaScript.
///
/// # Errors
///
/// `ConversionError` for what cannot cross; as `call::run`.
pub fn define(
  py: Python<'_>,
  core: &Arc<Core>,
  name: &str,
  value: &Bound<'_, PyAny>,
) -> PyResult<()> {
  let mut handles = Handles::granting(core);
  let mut writer = Writer::new(py, &mut handles).within(core.values_limits());
  writer.value(value, name)?;
  let tape = writer.finish().bytes;
  if let Some(here) = Owner::here(py, None)? {
    core.work.set_home(here);
  }
  call::run(py, core, None, |table, isolate, out| {
    let name = Span::of(name.as_bytes());
    // SAFETY: inside of the runtime, with bytes that stay.
    without_value(unsafe { (table.bind)(isolate, name, Span::of(&tape), out) })
  })
  .map(drop)
}

/// The status of what gives no value where it goes well.
pub fn without_value(status: c_int) -> c_int {
  if status == status::TAPE {
    status::NOTHING
  } else {
    status
  }
}
