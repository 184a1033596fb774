//! The built-in package `amphis`, as Python's programs see it.

use std::process;
use std::sync::{Arc, OnceLock};

use pyo3::exceptions::{PyBaseException, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::outgoing;
use super::owner::Owner;
use super::remote::Remote;
use crate::values::{ConversionError, undefined};

/// Python's text of a module, and the name that tracebacks have for it.
struct Text {
  name: &'static str,
  file: &'static str,
  code: &'static str,
}

const PACKAGE: Text = Text {
  name: "amphis",
  file: "<amphis>/__init__.py",
  code: include_str!("amphis/__init__.py"),
};
const NODE: Text = Text {
  name: "amphis.node",
  file: "<amphis>/node.py",
  code: include_str!("amphis/node.py"),
};

#[pymodule]
#[pyo3(name = "amphis")]
fn package(module: &Bound<'_, PyModule>) -> PyResult<()> {
  let py = module.py();
  // With a path it is a package: `import amphis.node` works as well.
  module.setattr("__path__", pyo3::types::PyList::empty(py))?;
  module.add("ConversionError", py.get_type::<ConversionError>())?;
  module.add("undefined", undefined(py)?)?;
  module.add("JavaScriptUndefined", undefined(py)?.get_type())?;
  let modules = py.import("sys")?.getattr("modules")?;
  // Before it is complete, for what follows imports it.
  modules.set_item(PACKAGE.name, module)?;
  execute(module, &PACKAGE)?;
  let node = PyModule::new(py, NODE.name)?;
  node.setattr("__package__", PACKAGE.name)?;
  node.add("_start", wrap_pyfunction!(outgoing::start, &node)?)?;
  node.add("_abort", wrap_pyfunction!(outgoing::abort, &node)?)?;
  node.add("_wait", wrap_pyfunction!(outgoing::wait, &node)?)?;
  modules.set_item(NODE.name, &node)?;
  execute(&node, &NODE)?;
  module.add("node", node)
}

fn execute(module: &Bound<'_, PyModule>, text: &Text) -> PyResult<()> {
  let py = module.py();
  let builtins = py.import("builtins")?;
  let code = builtins.call_method1("compile", (text.code, text.file, "exec"))?;
  builtins
    .call_method1("exec", (code, module.dict()))
    .map(drop)
}

/// Makes `amphis` importable.
///
/// # Safety
///
/// Before Python is initialised.
pub unsafe fn register() {
  pyo3::append_to_inittab!(package);
}

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
    let package = py.import(PACKAGE.name)?;
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

/// Whether this is Python's main thread, which signals are for.
///
/// # Errors
///
/// What Python raises.
pub fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
  let threading = py.import(intern!(py, "threading"))?;
  let current = threading.call_method0(intern!(py, "get_ident"))?;
  let main = threading
    .call_method0(intern!(py, "main_thread"))?
    .getattr(intern!(py, "ident"))?;
  current.eq(main)
}

/// Has JavaScript open an environment for Python that has been started without one; waits for it without the GIL.
pub type Open = Box<dyn Fn(Python<'_>) -> PyResult<Option<Arc<Owner>>> + Send + Sync>;

static OPEN: OnceLock<Open> = OnceLock::new();
static PROCESS: OnceLock<u32> = OnceLock::new();

/// How an environment is had where none has asked for Python.
pub fn opened_by(open: Open) {
  let _ = OPEN.set(open);
}

/// The process that Node runs in, as long as it is not a child that Python has forked.
pub fn remember_process() {
  let _ = PROCESS.set(process::id());
}

/// # Errors
///
/// `RuntimeError` in a forked child, which has no Node.
pub fn check_process() -> PyResult<()> {
  match PROCESS.get() {
    Some(&id) if id != process::id() => Err(PyRuntimeError::new_err(
      "this process was forked, and Node.js lives in its parent: call JavaScript there, or start the child anew",
    )),
    _ => Ok(()),
  }
}

/// An environment, where one can be had.
///
/// # Errors
///
/// When JavaScript does not open it.
pub fn open(py: Python<'_>) -> PyResult<Option<Arc<Owner>>> {
  check_process()?;
  match OPEN.get() {
    Some(open) => open(py),
    None => Ok(None),
  }
}
