//! What a module or an object has: its names, for JavaScript.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString, PyType};

use super::handles::{CO_COROUTINE, code_flags, kind};
use super::support;
use crate::values::Writer;

/// What a name of a module is; beside the kinds of handles there are values, which JavaScript is given at once.
const VALUE: u8 = 8;
/// Longer texts are had when they are asked for.
const LONGEST: usize = 4096;

/// Writes the names of a module: how many, then each with what it is.
///
/// # Errors
///
/// What Python raises.
pub fn describe<'py>(writer: &mut Writer<'_, 'py>, module: &Bound<'py, PyAny>) -> PyResult<()> {
  let py = module.py();
  let names: Vec<String> = support::get(py)?
    .call_method1(intern!(py, "names_of"), (module,))?
    .extract()?;
  let mut found = Vec::with_capacity(names.len());
  for name in names {
    // A name in `__all__` need not be there, and a module may make one that raises.
    if let Ok(Some(value)) = module.getattr_opt(&name) {
      found.push((name, value));
    }
  }
  writer.varint(found.len() as u64);
  for (name, value) in found {
    writer.string(&name);
    if is_small(&value) {
      writer.byte(VALUE);
      writer.value(&value, &name)?;
    } else {
      writer.byte(kind_of(&value));
    }
  }
  Ok(())
}

/// Numbers and short texts, which cannot change.
fn is_small(value: &Bound<'_, PyAny>) -> bool {
  value.is_none()
    || value.is_exact_instance_of::<PyBool>()
    || value.is_exact_instance_of::<PyInt>()
    || value.is_exact_instance_of::<PyFloat>()
    || (value.is_exact_instance_of::<PyString>()
      && value.len().is_ok_and(|length| length <= LONGEST))
}

fn kind_of(value: &Bound<'_, PyAny>) -> u8 {
  if value.is_instance_of::<PyType>() {
    return kind::CLASS;
  }
  match code_flags(value) {
    Some(flags) if flags & CO_COROUTINE != 0 => kind::ASYNC_FUNCTION,
    Some(_) => kind::FUNCTION,
    None if value.is_callable() => kind::FUNCTION,
    None => kind::OBJECT,
  }
}
