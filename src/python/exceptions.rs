//! Exceptions on their way to JavaScript, and those that amphis itself raises.

use pyo3::exceptions::{PyBaseException, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTraceback, PyTuple, PyType};

use super::sources;
use crate::base::error::{HandlerError, Raised, push_json_string};

/// The functions and the class of `_amphis.py` and `_traceback.py` that are needed here.
struct Helpers {
  describe: Py<PyAny>,
  report: Py<PyAny>,
  is_disconnect: Py<PyAny>,
  client_disconnected: Py<PyAny>,
}

fn helpers(py: Python<'_>) -> PyResult<&Helpers> {
  static HELPERS: PyOnceLock<Helpers> = PyOnceLock::new();
  HELPERS.get_or_try_init(py, || {
    let module = sources::helpers(py)?;
    Ok(Helpers {
      describe: module.getattr("describe")?.unbind(),
      report: module.getattr("report")?.unbind(),
      is_disconnect: module.getattr("is_disconnect")?.unbind(),
      client_disconnected: module.getattr("ClientDisconnected")?.unbind(),
    })
  })
}

/// `ClientDisconnected`, an `OSError`.
pub fn client_disconnected(py: Python<'_>) -> PyErr {
  let error = PyTuple::new(py, ["the client has disconnected"])
    .and_then(|message| helpers(py)?.client_disconnected.bind(py).call1(message));
  match error {
    Ok(error) => PyErr::from_value(error),
    Err(error) => error,
  }
}

/// Whether an exception only says that the client has gone.
pub fn is_disconnect(py: Python<'_>, error: &Bound<'_, PyAny>) -> bool {
  helpers(py)
    .and_then(|helpers| helpers.is_disconnect.bind(py).call1((error,)))
    .is_ok_and(|answer| answer.is_truthy().unwrap_or(false))
}

/// An exception as one line of ASCII JSON.
pub fn describe(py: Python<'_>, error: &Bound<'_, PyAny>) -> String {
  let described =
    helpers(py).and_then(|helpers| helpers.describe.bind(py).call1((error,))?.extract());
  described.unwrap_or_else(|failure: PyErr| barely(error, &failure))
}

/// The least that can be said of an exception, as where no frame is left of the stack to call Python with.
fn barely(error: &Bound<'_, PyAny>, failure: &PyErr) -> String {
  let kind = error
    .get_type()
    .name()
    .map_or_else(|_| String::from("BaseException"), |name| name.to_string());
  let message = error.str().map_or_else(
    |_| String::from("<its str() failed>"),
    |message| message.to_string_lossy().into_owned(),
  );
  let why = format!("{kind}: {message}\n<its traceback could not be had: {failure}>\n");
  let mut json = String::from("{\"type\":");
  for (separator, text) in [
    ("", &kind),
    (",\"message\":", &message),
    (",\"traceback\":", &why),
  ] {
    json.push_str(separator);
    push_json_string(&mut json, text);
  }
  json.push_str(",\"exceptions\":[]}");
  json
}

/// The same of an error that Rust caught. Before 3.12 only `into_value` joins it with its traceback.
pub fn python_error(py: Python<'_>, error: PyErr) -> HandlerError {
  HandlerError::Python(describe(py, error.into_value(py).bind(py).as_any()))
}

/// What an exception has to say; never fails.
pub fn report_parts(py: Python<'_>, error: &Bound<'_, PyAny>) -> Raised {
  let parts = helpers(py).and_then(|helpers| helpers.report.bind(py).call1((error,))?.extract());
  let (kind, message, traceback, exceptions) = parts.unwrap_or_else(|failure: PyErr| {
    (
      String::from("Exception"),
      failure.to_string(),
      String::new(),
      String::from("[]"),
    )
  });
  Raised {
    kind,
    message,
    traceback,
    exceptions,
  }
}

/// An exception that has nobody to go to: Python's `sys.unraisablehook` shows it.
pub fn report(py: Python<'_>, result: PyResult<()>) {
  if let Err(error) = result {
    error.write_unraisable(py, None);
  }
}

/// The exception of a `throw(type[, value[, traceback]])` or `throw(exception)`.
pub fn thrown(
  kind: &Bound<'_, PyAny>,
  value: Option<&Bound<'_, PyAny>>,
  traceback: Option<&Bound<'_, PyAny>>,
) -> PyErr {
  let py = kind.py();
  let error = match (
    kind.cast::<PyType>(),
    value.filter(|value| !value.is_none()),
  ) {
    (_, Some(value)) if value.is_instance_of::<PyBaseException>() => {
      PyErr::from_value(value.clone())
    }
    (Ok(kind), Some(value)) => PyErr::from_type(kind.clone(), value.clone().unbind()),
    (Ok(kind), None) => PyErr::from_type(kind.clone(), ()),
    (Err(_), None) if kind.is_instance_of::<PyBaseException>() => PyErr::from_value(kind.clone()),
    _ => PyTypeError::new_err("throw() takes an exception or an exception type"),
  };
  if let Some(traceback) = traceback.filter(|traceback| !traceback.is_none())
    && let Ok(traceback) = traceback.cast::<PyTraceback>()
  {
    error.set_traceback(py, Some(traceback.clone()));
  }
  error
}
