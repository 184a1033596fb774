//! What stands for objects and errors of JavaScript in Python: the classes of `amphis`, as Rust uses them.

use pyo3::exceptions::PyBaseException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::remote::Remote;

/// What Rust needs of it.
struct Parts {
  proxy: Py<PyAny>,
  proxy_type: Py<PyAny>,
  error: Py<PyAny>,
  error_type: Py<PyAny>,
}

static PARTS: PyOnceLock<Parts> = PyOnceLock::new();

fn parts(py: Python<'_>) -> PyResult<&Parts> {
  PARTS.get_or_try_init(py, || {
    let package = py.import("amphis")?;
    let node = package.getattr("node")?;
    Ok(Parts {
      proxy: node.getattr("_proxy")?.unbind(),
      proxy_type: node.getattr("_Proxy")?.unbind(),
      error: package.getattr("_error")?.unbind(),
      error_type: package.getattr("JavaScriptError")?.unbind(),
    })
  })
}

/// The proxy for an object of JavaScript.
///
/// # Errors
///
/// What Python raises.
pub fn proxy(py: Python<'_>, remote: Remote, is_sync: bool) -> PyResult<Bound<'_, PyAny>> {
  parts(py)?
    .proxy
    .bind(py)
    .call1((Bound::new(py, remote)?, is_sync))
}

/// The exception for an error of JavaScript.
///
/// # Errors
///
/// What Python raises.
pub fn error<'py>(
  py: Python<'py>,
  original: Option<Bound<'py, PyAny>>,
  fields: Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
  let original = match original {
    // One of Python's own, which JavaScript has thrown on.
    Some(original) if original.is_instance_of::<PyBaseException>() => return Ok(original),
    original => original,
  };
  let original = original
    .map(|original| original.getattr(intern!(py, "_remote")))
    .transpose()?;
  parts(py)?.error.bind(py).call1((original, fields))
}

/// Whether a value is a proxy. There are none before the package was imported.
///
/// # Errors
///
/// What Python raises.
pub fn is_proxy(value: &Bound<'_, PyAny>) -> PyResult<bool> {
  let py = value.py();
  match PARTS.get(py) {
    Some(parts) => value.is_instance(parts.proxy_type.bind(py)),
    None => Ok(false),
  }
}

/// Whether a value is an error of JavaScript.
///
/// # Errors
///
/// What Python raises.
pub fn is_error(value: &Bound<'_, PyAny>) -> PyResult<bool> {
  let py = value.py();
  match PARTS.get(py) {
    Some(parts) => value.is_instance(parts.error_type.bind(py)),
    None => Ok(false),
  }
}
