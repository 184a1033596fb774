//! `JsFunction`: a function of a runtime's, as Python has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::abi::Span;
use super::call;
use super::config::seconds;
use super::core::{Core, End};
use super::handles::Handles;
use crate::values::Writer;

/// A JavaScript function of a runtime. It keeps the object that it was found in as its `this`.
///
/// Call it as any function: `f(1, 2)`, or `f(1, timeout=0.5)` with a limit in seconds for this call. Dropping it, or
/// `close()`, lets JavaScript collect the function.
#[pyclass(name = "JsFunction", module = "amphis.js", frozen)]
pub struct JsFunction {
  core: Arc<Core>,
  number: u32,
  name: String,
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
      return Err(PyRuntimeError::new_err("The function was closed"));
    }
    Ok(self.number)
  }
}

#[pymethods]
impl JsFunction {
  /// Calls it. A promise that has settled gives its value.
  #[pyo3(signature = (*args, timeout=None))]
  fn __call__<'py>(
    &self,
    py: Python<'py>,
    args: &Bound<'py, PyTuple>,
    timeout: Option<&Bound<'py, PyAny>>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let number = self.number()?;
    let timeout = timeout.map(seconds).transpose()?;
    let mut handles = Handles::new(&self.core);
    let mut writer = Writer::new(py, &mut handles).within(self.core.values_limits());
    writer.varint(args.len() as u64);
    for (index, argument) in args.iter().enumerate() {
      writer.value(&argument, &format!("args[{index}]"))?;
    }
    let tape = writer.finish().bytes;
    call::run(py, &self.core, timeout, |table, isolate, out| {
      // SAFETY: inside of the runtime, with bytes that stay.
      unsafe { (table.call)(isolate, number, Span::of(&tape), out) }
    })
  }

  /// Lets JavaScript collect the function; calls raise RuntimeError from here on.
  fn close(&self) {
    if !self.is_closed.swap(true, Ordering::AcqRel) {
      self.core.release(self.number);
    }
  }

  #[getter]
  fn __name__(&self) -> &str {
    &self.name
  }

  fn __repr__(&self) -> String {
    let state = if self.is_closed.load(Ordering::Acquire) || self.core.end() != End::Open {
      "closed "
    } else {
      ""
    };
    format!("<{state}JsFunction {}>", self.name)
  }
}

impl Drop for JsFunction {
  fn drop(&mut self) {
    if !*self.is_closed.get_mut() {
      self.core.release(self.number);
    }
  }
}

/// A runtime without a loop has nobody who would run an `async def`.
///
/// # Errors
///
/// `TypeError` for one; what Python raises.
pub fn refuse_async(function: &Bound<'_, PyAny>) -> PyResult<()> {
  let inspect = function.py().import("inspect")?;
  let is_async = |value: &Bound<'_, PyAny>| -> PyResult<bool> {
    inspect
      .call_method1("iscoroutinefunction", (value,))?
      .extract()
  };
  let call = function.getattr_opt("__call__")?;
  if is_async(function)? || call.is_some_and(|call| is_async(&call).unwrap_or(false)) {
    return Err(PyTypeError::new_err(
      "Asynchronous functions cannot be bound so far: a runtime is synchronous. Bind a function that returns its result.",
    ));
  }
  Ok(())
}
