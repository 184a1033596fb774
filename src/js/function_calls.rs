//! What Python does with a `JsFunction`.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::abi::Span;
use super::call;
use super::config::seconds;
use super::counts::Kind;
use super::function::JsFunction;
use super::handles::Handles;
use crate::values::Writer;

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
    let _counting = self.core.counts.count(Kind::Call);
    call::run(py, &self.core, timeout, |table, isolate, out| {
      // SAFETY: inside of the runtime, with bytes that stay.
      unsafe { (table.call)(isolate, number, Span::of(&tape), out) }
    })
  }

  /// Lets JavaScript collect the function; calls raise RuntimeError from here on.
  #[pyo3(name = "close")]
  fn py_close(&self) {
    self.close();
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
