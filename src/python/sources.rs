//! The modules of amphis that are written in Python: `_*.py` beside this file, compiled into the addon.

use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The module of `python/_adoption.py`.
pub fn adoption(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
  const CODE: &CStr = source(concat!(include_str!("_adoption.py"), "\0"));
  // A part of the import system, whose frames CPython leaves out of tracebacks and warnings by this name.
  let file = c"<frozen importlib._bootstrap_external>";
  PyModule::from_code(py, CODE, file, c"_amphis_adoption")
}

/// The module of `python/_title.py`.
///
/// # Errors
///
/// What Python raises.
pub fn title(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
  const CODE: &CStr = source(concat!(include_str!("_title.py"), "\0"));
  PyModule::from_code(py, CODE, c"<amphis>/_title.py", c"_amphis_title")
}

/// The module of `python/_uvloop.py`.
pub fn uvloop_helpers(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
  const CODE: &CStr = source(concat!(include_str!("_uvloop.py"), "\0"));
  PyModule::from_code(py, CODE, c"<amphis>/_uvloop.py", c"_amphis_uvloop")
}

/// Python's half of starting and leaving, kept apart from [`helpers`]: it has to run before the
/// first import of asyncio, which those make.
pub fn startup(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
  const CODE: &CStr = source(concat!(include_str!("_startup.py"), "\0"));
  static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
  let load = || {
    PyModule::from_code(py, CODE, c"<amphis>/_startup.py", c"_amphis_startup").map(Bound::unbind)
  };
  MODULE
    .get_or_try_init(py, load)
    .map(|module| module.bind(py))
}

/// The module of `python/_amphis.py`: the few lines that are clearer in Python.
///
/// # Errors
///
/// What its import raises: asyncio, for one, may be shadowed by a module of the app.
pub fn helpers(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
  const TRACEBACK: &CStr = source(concat!(include_str!("_traceback.py"), "\0"));
  const CODE: &CStr = source(concat!(include_str!("_amphis.py"), "\0"));
  static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
  let load = || {
    PyModule::from_code(
      py,
      TRACEBACK,
      c"<amphis>/_traceback.py",
      c"_amphis_traceback",
    )?;
    PyModule::from_code(py, CODE, c"<amphis>/_amphis.py", c"_amphis_support").map(Bound::unbind)
  };
  MODULE
    .get_or_try_init(py, load)
    .map(|module| module.bind(py).clone())
}

/// The module of `python/_wsgi.py`, loaded with the first WSGI app.
///
/// # Errors
///
/// What its import raises: an `ImportError` where a2wsgi can't be imported.
pub fn wsgi(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
  const CODE: &CStr = source(concat!(include_str!("_wsgi.py"), "\0"));
  static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
  // Which it imports from.
  helpers(py)?;
  let load =
    || PyModule::from_code(py, CODE, c"<amphis>/_wsgi.py", c"_amphis_wsgi").map(Bound::unbind);
  MODULE
    .get_or_try_init(py, load)
    .map(|module| module.bind(py).clone())
}

/// An embedded source with the NUL that CPython wants at its end; checked by the compiler.
pub const fn source(text: &str) -> &CStr {
  match CStr::from_bytes_with_nul(text.as_bytes()) {
    Ok(source) => source,
    Err(_) => panic!("an embedded source holds a NUL"),
  }
}
