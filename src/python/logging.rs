//! Python's `logging`, set up before an app is imported.

use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

use crate::base::error::{AppErrorKind, HandlerError};
use crate::base::options::AppOptions;
use crate::python::exceptions;
use crate::python::sources::source;

/// Applies `logLevel` and `logConfig`; Python thread.
///
/// # Errors
///
/// `HandlerError::App` of the kind `Invalid` when the file cannot be used.
pub fn configure(py: Python<'_>, options: &AppOptions) -> Result<(), HandlerError> {
  let AppOptions {
    log_level,
    log_config,
    app_dir,
    ..
  } = options;
  if log_level.is_none() && log_config.is_none() {
    return Ok(());
  }
  let problem: Option<String> = module(py)
    .and_then(|module| {
      module
        .call_method1("configure", (log_level, log_config, app_dir))?
        .extract()
    })
    .map_err(|error| exceptions::python_error(py, error))?;
  match problem {
    None => Ok(()),
    Some(message) => Err(HandlerError::App {
      code: AppErrorKind::Invalid,
      message,
      raised: None,
    }),
  }
}

/// Loaded by the first who needs it, for `logging.config` takes its time.
fn module(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
  const CODE: &CStr = source(concat!(include_str!("_logging.py"), "\0"));
  static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
  let load = || {
    PyModule::from_code(py, CODE, c"<amphis>/_logging.py", c"_amphis_logging").map(Bound::unbind)
  };
  MODULE
    .get_or_try_init(py, load)
    .map(|module| module.bind(py))
}
