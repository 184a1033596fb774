//! What of a value is no data: functions of the runtime's, and functions of Python's where something is bound.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::core::Core;
use super::errors::javascript_error;
use super::function::JsFunction;
use super::lending::{self, Given};
use crate::values::{ConversionError, Handle, ReadHandles, WriteHandles, tag};

/// Beside those of streams; `src/engine/encode.cc` has the same.
const FUNCTION: u8 = 0;

pub struct Handles<'a> {
  core: &'a Arc<Core>,
  /// Whether functions of Python's may go in: where they are bound.
  grants: bool,
  /// Those that did, to be forgotten if they do not arrive.
  pub granted: Vec<u32>,
}

impl<'a> Handles<'a> {
  pub fn new(core: &'a Arc<Core>) -> Self {
    Self {
      core,
      grants: false,
      granted: Vec::new(),
    }
  }

  pub fn granting(core: &'a Arc<Core>) -> Self {
    Self {
      grants: true,
      ..Self::new(core)
    }
  }
}

impl WriteHandles for Handles<'_> {
  fn export(&mut self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Option<Handle>> {
    if let Ok(function) = value.cast::<JsFunction>() {
      let function = function.get();
      if !function.is_of(self.core) {
        return Err(PyValueError::new_err(
          "A function of one runtime cannot go into another. Bind a Python function that calls it.",
        ));
      }
      return Ok(Some(Handle {
        tag: tag::JS,
        kind: FUNCTION,
        id: u64::from(function.number()?),
        name: String::new(),
      }));
    }
    if let Ok(stream) = value.cast::<Given>() {
      return stream.get().handle(self.core).map(Some);
    }
    if !self.grants || !value.is_callable() {
      return Ok(None);
    }
    let name = value
      .getattr_opt("__name__")?
      .and_then(|name| name.extract::<String>().ok())
      .unwrap_or_default();
    let id = self.core.add_function(value.clone().unbind());
    self.granted.push(id);
    let _ = py;
    Ok(Some(Handle {
      tag: tag::PY,
      kind: FUNCTION,
      id: u64::from(id),
      name,
    }))
  }

  fn remedy(&self) -> &'static str {
    "Convert it to what both languages have, as a dict. Functions go into a runtime by bind_function and bind_object only."
  }

  fn error_fields<'py>(
    &mut self,
    py: Python<'py>,
    exception: &Bound<'py, PyAny>,
  ) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("name", exception.get_type().name()?)?;
    fields.set_item("message", exception.str()?)?;
    Ok(fields)
  }
}

impl ReadHandles for Handles<'_> {
  fn javascript<'py>(
    &mut self,
    py: Python<'py>,
    kind: u8,
    id: u64,
    name: &str,
  ) -> PyResult<Bound<'py, PyAny>> {
    if kind != FUNCTION {
      return lending::lent(py, self.core, kind, u32::try_from(id)?);
    }
    let function = JsFunction::new(Arc::clone(self.core), u32::try_from(id)?, name);
    Ok(Bound::new(py, function)?.into_any())
  }

  fn python<'py>(
    &mut self,
    py: Python<'py>,
    id: u64,
    _member: &str,
  ) -> PyResult<Bound<'py, PyAny>> {
    match self.core.exception(py, id) {
      Some(exception) => Ok(exception.into_bound(py).into_any()),
      // It was kept in JavaScript for longer than the call that it came from.
      None => Ok(py.None().into_bound(py)),
    }
  }

  fn error<'py>(
    &mut self,
    py: Python<'py>,
    original: Option<Bound<'py, PyAny>>,
    fields: Bound<'py, PyDict>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let original = original.filter(|original| !original.is_none());
    javascript_error(py, original.as_ref(), &fields)
  }
}

/// For what cannot cross, as the engine says it.
pub fn unfit(message: &[u8]) -> PyErr {
  ConversionError::new_err(format!("result: {}", String::from_utf8_lossy(message)))
}
