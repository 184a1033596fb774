//! What kept an app from being imported, in words that say what to do.

use pyo3::exceptions::PyModuleNotFoundError;
use pyo3::prelude::*;

use crate::base::error::{AppErrorKind, HandlerError, Raised};
use crate::python::exceptions;

/// An error without an exception behind it.
pub fn app_error(code: AppErrorKind, message: String) -> HandlerError {
  HandlerError::App {
    code,
    message,
    raised: None,
  }
}

/// An error around an exception: its type and traceback, and a message that begins with `what`.
pub fn raised(
  py: Python<'_>,
  code: AppErrorKind,
  error: &PyErr,
  what: &str,
  remedy: &str,
) -> HandlerError {
  let raised = report(py, error);
  let kind = &raised.kind;
  let summary = match raised
    .message
    .lines()
    .next()
    .map(|line| line.trim_end_matches('.'))
  {
    Some(line) if !line.is_empty() => format!("{kind}: {line}"),
    _ => kind.clone(),
  };
  let message = format!("{what} {summary}. {remedy}");
  HandlerError::App {
    code,
    message,
    raised: Some(Box::new(raised)),
  }
}

/// What an exception that Rust caught has to say. Before 3.12 only `into_value` joins it with its traceback.
pub fn report(py: Python<'_>, error: &PyErr) -> Raised {
  exceptions::report_parts(py, error.clone_ref(py).into_value(py).bind(py).as_any())
}

/// For what no app should be able to cause.
pub fn unexpected(py: Python<'_>, error: &PyErr) -> HandlerError {
  let what = "Preparing the import of the app raised";
  let remedy = "The import system of this interpreter is not in order: see the traceback.";
  raised(py, AppErrorKind::Import, error, what, remedy)
}

/// The module that a `ModuleNotFoundError` is about.
pub fn missing_module(py: Python<'_>, error: &PyErr) -> Option<String> {
  if !error.is_instance_of::<PyModuleNotFoundError>(py) {
    return None;
  }
  error
    .value(py)
    .getattr("name")
    .and_then(|name| name.extract())
    .unwrap_or_default()
}

/// The interpreter that packages have to be installed for.
pub fn executable(py: Python<'_>) -> String {
  let executable = py
    .import("sys")
    .and_then(|sys| sys.getattr("executable")?.extract());
  executable.unwrap_or_else(|_| "this Python".into())
}
