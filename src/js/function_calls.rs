//! What Python does with a `JsFunction`.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::abi::Span;
use super::beginning;
use super::call;
use super::config::seconds;
use super::counts::Kind;
use super::function::JsFunction;
use super::handles::Handles;
use super::support;
use crate::values::Writer;

#[pymethods]
impl JsFunction {
  /// Calls it. A promise that has settled gives its value, another one is a `JsPromise`.
  #[pyo3(signature = (*args, timeout=None))]
  fn __call__<'py>(
    &self,
    py: Python<'py>,
    args: &Bound<'py, PyTuple>,
    timeout: Option<&Bound<'py, PyAny>>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let number = self.number()?;
    let timeout = timeout.map(seconds).transpose()?;
    let tape = self.arguments(args)?;
    let _counting = self.core.counts.count(Kind::Call);
    call::run(py, &self.core, timeout, |table, isolate, out| {
      // SAFETY: inside of the runtime, with bytes that stay.
      unsafe { (table.call)(isolate, number, Span::of(&tape), out) }
    })
  }

  /// Calls it on the runtime's own thread, as `eval_async` runs a script.
  #[pyo3(signature = (*args, timeout=None))]
  fn call_async<'py>(
    slf: &Bound<'py, Self>,
    args: &Bound<'py, PyTuple>,
    timeout: Option<&Bound<'py, PyAny>>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let this = slf.get();
    let number = this.number()?;
    let tape = this.arguments(args)?;
    beginning::begin(slf.py(), &this.core, timeout, slf, Some(Kind::CallAsync), move |table, isolate, out| {
      // SAFETY: inside of the runtime, with bytes that stay.
      unsafe { (table.call)(isolate, number, Span::of(&tape), out) }
    })
  }

  /// Lets JavaScript collect the function; calls raise RuntimeError from here on. What this gives may be awaited, and
  /// need not be.
  #[pyo3(name = "close")]
  fn py_close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    self.close();
    support::get(py, "_DONE")
  }

  #[getter]
  fn __name__(&self) -> &str {
    &self.name
  }

  fn __repr__(&self) -> String {
    let state = if self.is_open() { "" } else { "closed " };
    format!("<{state}JsFunction {}>", self.name)
  }
}

impl JsFunction {
  fn arguments(&self, args: &Bound<'_, PyTuple>) -> PyResult<Vec<u8>> {
    let mut handles = Handles::new(&self.core);
    let mut writer = Writer::new(args.py(), &mut handles).within(self.core.values_limits());
    writer.varint(args.len() as u64);
    for (index, argument) in args.iter().enumerate() {
      writer.value(&argument, &format!("args[{index}]"))?;
    }
    Ok(writer.finish().bytes)
  }
}
