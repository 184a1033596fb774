//! `JsFunction`: a function of a runtime's, as Python has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::core::{Core, End};

/// A JavaScript function of a runtime. It keeps the object that it was found in as its `this`.
///
/// Call it as any function: `f(1, 2)`, or `f(1, timeout=0.5)` with a limit in seconds for this call. Dropping it, or
/// `close()`, lets JavaScript collect the function.
#[pyclass(name = "JsFunction", module = "amphis.js", frozen)]
pub struct JsFunction {
  pub core: Arc<Core>,
  number: u32,
  pub name: String,
  is_closed: AtomicBool,
}

impl JsFunction {
  pub fn new(core: Arc<Core>, number: u32, name: &str) -> Self {
    Self {
      core,
      number,
      name: name.to_owned(),
      is_closed: AtomicBool::new(false),
    }
  }

  pub fn is_of(&self, core: &Arc<Core>) -> bool {
    Arc::ptr_eq(&self.core, core)
  }

  /// # Errors
  ///
  /// `RuntimeError` once it is closed.
  pub fn number(&self) -> PyResult<u32> {
    if self.is_closed.load(Ordering::Acquire) {
      return Err(PyRuntimeError::new_err("Function has been closed"));
    }
    Ok(self.number)
  }

  pub fn is_open(&self) -> bool {
    !self.is_closed.load(Ordering::Acquire) && self.core.end() == End::Open
  }

  pub fn close(&self) {
    if !self.is_closed.swap(true, Ordering::AcqRel) {
      self.core.release(self.number);
    }
  }
}

impl Drop for JsFunction {
  fn drop(&mut self) {
    if !*self.is_closed.get_mut() {
      self.core.release(self.number);
    }
  }
}
