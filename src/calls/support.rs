//! The module of `calls/_calls.py`: what is clearer in Python; and what both directions need.

use std::borrow::Cow;
use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::python::sources::source;

/// # Errors
///
/// What its import raises.
pub fn get(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
  const CODE: &CStr = source(concat!(include_str!("_calls.py"), "\0"));
  static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
  let load =
    || PyModule::from_code(py, CODE, c"<amphis>/_calls.py", c"_amphis_calls").map(Bound::unbind);
  MODULE
    .get_or_try_init(py, load)
    .map(|module| module.bind(py))
}

/// What an argument is called in errors.
pub fn argument_name(index: u64) -> Cow<'static, str> {
  // Most have few, and most are without errors.
  match index {
    0 => Cow::Borrowed("args[0]"),
    1 => Cow::Borrowed("args[1]"),
    2 => Cow::Borrowed("args[2]"),
    3 => Cow::Borrowed("args[3]"),
    _ => Cow::Owned(format!("args[{index}]")),
  }
}
