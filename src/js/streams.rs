//! Streams between Python and a runtime: what `streams.py` stands on, and what JavaScript calls of it.
//!
//! A stream of JavaScript's is lent: Python has a function of it, by a number, which it asks for chunks. One of Python's is
//! adopted: JavaScript has a function that comes back here, and asks on the event loop where the stream was made.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;

use super::abi::Span;
use super::asynchronous;
use super::beginning;
use super::call::check;
use super::callback::{Answer, returned};
use super::core::Core;
use super::handles::Handles;
use super::lending::{Given, Lent, ask, forget};
use super::owner::{self, Owner};
use super::process;
use super::step::Step;
use super::support;
use super::synchronous;
use crate::values::Writer;

/// What the engine runs when streams are first asked for.
pub const SCRIPTS: &str = concat!(
  include_str!("streams/common.js"),
  "\0",
  include_str!("streams/readable.js"),
  "\0",
  include_str!("streams/writable.js"),
  "\0",
  include_str!("streams/transform.js"),
  "\0",
  include_str!("streams/exchange.js"),
);

#[pymethods]
impl Lent {
  /// Asks on the runtime's own thread: a promise of the answer, which no task ends by leaving it.
  #[pyo3(signature = (what, value=None))]
  fn ask<'py>(
    &self,
    py: Python<'py>,
    what: u8,
    value: Option<&Bound<'py, PyAny>>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let number = self.number;
    let mut handles = Handles::new(&self.core);
    let mut writer = Writer::new(py, &mut handles).within(self.core.values_limits());
    writer.varint(2);
    writer.value(what.into_pyobject(py)?.as_any(), "what")?;
    match value {
      Some(value) => writer.value(value, "chunk")?,
      None => writer.value(py.None().bind(py), "chunk")?,
    }
    let tape = writer.finish().bytes;
    let nobody = py.None().into_bound(py);
    beginning::begin(
      py,
      &self.core,
      None,
      &nobody,
      None,
      move |table, isolate, out| {
        // SAFETY: inside of the runtime, with bytes that stay.
        unsafe { (table.call)(isolate, number, Span::of(&tape), out) }
      },
    )
  }

  /// Lets go of it. What it still has is not wanted, unless it has come to its end.
  fn close(&self, is_at_its_end: bool) {
    self.end(is_at_its_end, ask::CANCEL);
  }

  /// So many bytes have come from JavaScript, or gone there.
  fn count(&self, is_from_js: bool, bytes: u64) {
    self.core.flow.add_bytes(is_from_js, bytes);
  }
}

/// JavaScript asks an end of Python's.
///
/// # Errors
///
/// What Python raises; where there is no loop to run on.
pub fn answer(
  py: Python<'_>,
  core: &Arc<Core>,
  number: u32,
  step: &Step,
  values: &[Bound<'_, PyAny>],
) -> PyResult<Answer> {
  let what: u8 = match values.first() {
    Some(what) => what.extract()?,
    None => ask::NEXT,
  };
  let value = match values.get(1) {
    Some(value) => value.clone(),
    None => py.None().into_bound(py),
  };
  if what != ask::NEXT && what != ask::WRITE {
    // Nothing else is asked from here on.
    forget(core, number);
  }
  let answer = step
    .end
    .bind(py)
    .call_method1(pyo3::intern!(py, "ask"), (what, value))?;
  if answer.is_none() {
    return returned(py, core, &answer).map(Answer::Value);
  }
  let own = step.owner.as_ref().filter(|owner| owner.is_alive(py));
  let owner = match own {
    Some(owner) => Ok(Arc::clone(owner)),
    None => owner::for_awaitable(py, core),
  };
  let started =
    owner.and_then(|owner| asynchronous::start_by(py, core, &owner, &answer).map(Answer::Later));
  if started.is_err() {
    let _ = answer.call_method0("close");
  }
  started
}

#[pymethods]
impl Given {
  #[new]
  fn new(py: Python<'_>, flow: &Bound<'_, Giver>, kind: u8, end: Py<PyAny>) -> PyResult<Self> {
    let core = Arc::clone(&flow.get().0);
    check(&core)?;
    if process::is_behind(core.table) {
      return Err(synchronous::refusal());
    }
    let step = Step {
      end,
      owner: Owner::here(py, None)?,
    };
    let number = core.add_function(Py::new(py, step)?.into_any());
    core.flow.open(number);
    Ok(Self::of(core, number, kind))
  }

  #[getter]
  fn _number(&self) -> u32 {
    self.number
  }

  #[getter]
  fn _is_closed(&self) -> bool {
    self.is_closed.load(Ordering::Acquire)
  }

  /// Python takes it back. Whether it was there until now.
  fn _close(&self) -> bool {
    if self.is_closed.swap(true, Ordering::AcqRel) {
      return false;
    }
    self.let_go();
    true
  }
}

/// The runtime that streams are made for, in the hands of streams.py.
#[pyclass(frozen, module = "amphis._js")]
pub struct Giver(Arc<Core>);

#[pymethods]
impl Giver {
  /// So many bytes have come from JavaScript, or gone there.
  fn count(&self, is_from_js: bool, bytes: u64) {
    self.0.flow.add_bytes(is_from_js, bytes);
  }
}

/// Makes something by a function of streams.py.
///
/// # Errors
///
/// What Python raises.
pub fn make<'py>(
  py: Python<'py>,
  core: &Arc<Core>,
  name: &str,
  arguments: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
  let giver = Bound::new(py, Giver(Arc::clone(core)))?.into_any();
  let function = support::get(py, name)?;
  match arguments {
    Some(argument) => function.call1((giver, argument)),
    None => function.call1((giver,)),
  }
}
