//! What runtimes have in Python: the module `amphis._js`.

use pyo3::prelude::*;
use pyo3::types::PyModule;

use super::core::Core;
use super::handles::Handles;
use crate::values::Reader;

pub const NATIVE: &str = "amphis._js";

/// Something of the module.
///
/// # Errors
///
/// What Python raises.
pub fn get<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
  PyModule::import(py, NATIVE)?.getattr(name)
}

/// Tells of an error that nobody has handled.
///
/// # Errors
///
/// What Python raises.
pub fn report(py: Python<'_>, core: &Core, thrown: &[u8]) -> PyResult<()> {
  let Some(core) = core.shared() else {
    return Ok(());
  };
  let mut handles = Handles::new(&core);
  let error = Reader::new(py, thrown, &mut [], &mut handles).value("error")?;
  get(py, "_unhandled")?.call1((error,)).map(drop)
}
