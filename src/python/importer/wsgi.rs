//! WSGI apps, served through the adapter `a2wsgi` of the user's environment.

use pyo3::prelude::*;

use super::problem::{app_error, executable, missing_module, raised};
use crate::base::error::{AppErrorKind, HandlerError};
use crate::python::sources;

/// Makes a WSGI app one that can be called with scope, receive and send.
///
/// # Errors
///
/// `AppErrorKind::WsgiAdapter` when a2wsgi can't be imported.
pub fn adapt<'py>(
  app: &Bound<'py, PyAny>,
  subject: &str,
  threads: u32,
) -> Result<Bound<'py, PyAny>, HandlerError> {
  let py = app.py();
  sources::wsgi(py)
    .and_then(|module| module.getattr("Adapter")?.call1((app, threads)))
    .map_err(|error| {
      if missing_module(py, &error).as_deref() == Some("a2wsgi") {
        return app_error(
          AppErrorKind::WsgiAdapter,
          format!(
            "{subject} is WSGI, which amphis serves through a2wsgi, and that is not installed. Install it: {} -m pip install a2wsgi",
            executable(py)
          ),
        );
      }
      let what = format!("{subject} is WSGI, and importing a2wsgi, which serves it, raised");
      raised(
        py,
        AppErrorKind::WsgiAdapter,
        &error,
        &what,
        "Install its newest version.",
      )
    })
}
