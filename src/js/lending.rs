//! Streams in the hands of the other side: lent to Python, and given to JavaScript. What each of them does is in `streams.rs`.

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::abi::{Bytes, Isolate, Span, Table};
use super::core::{Core, End};
use super::flow::Flow;
use crate::values::{Handle, tag};

/// Beside that of a `ReadableStream`; `src/engine/stream.h` and `streams/exchange.js` have the same.
const WRITABLE: u8 = 2;

/// What one side asks of the other's end; `streams.py` and `streams/exchange.js` have the same.
pub mod ask {
  pub const NEXT: u8 = 0;
  pub const CANCEL: u8 = 1;
  pub const WRITE: u8 = 2;
  pub const DROP: u8 = 5;
}

/// A number as the only argument of a function, as a tape.
fn alone(number: u8) -> [u8; 3] {
  const INT: u8 = 4;
  [1, INT, number << 1]
}

/// A stream of JavaScript's in Python's hands. Whoever drops it half-way has it cancelled, or aborted.
#[pyclass(frozen, module = "amphis._js")]
pub struct Lent {
  pub core: Arc<Core>,
  pub number: u32,
  is_closed: AtomicBool,
}

/// The stream as Python has it.
///
/// # Errors
///
/// What Python raises.
pub fn lent<'py>(
  py: Python<'py>,
  core: &Arc<Core>,
  kind: u8,
  number: u32,
) -> PyResult<Bound<'py, PyAny>> {
  core.flow.add_stream(Flow::FROM_JS);
  let lent = Lent {
    core: Arc::clone(core),
    number,
    is_closed: AtomicBool::new(false),
  };
  let name = if kind == WRITABLE {
    "JsWritableStream"
  } else {
    "JsStream"
  };
  py.import(pyo3::intern!(py, "amphis._js"))?
    .getattr(name)?
    .call1((Bound::new(py, lent)?, number))
}

impl Lent {
  /// Lets go of it, by asking this of it where it has not come to its end.
  pub fn end(&self, is_at_its_end: bool, what: u8) {
    if self.is_closed.swap(true, Ordering::AcqRel) {
      return;
    }
    let core = &self.core;
    core.flow.end_stream(Flow::FROM_JS);
    if core.is_foreign() || core.end() != End::Open {
      return;
    }
    if is_at_its_end {
      core.release(self.number);
      return;
    }
    let number = self.number;
    let run = move |table: &Table, isolate: Isolate, out: &mut Bytes| -> c_int {
      // SAFETY: inside of the runtime, with bytes that stay.
      unsafe {
        let status = (table.call)(isolate, number, Span::of(&alone(what)), out);
        (table.release)(isolate, &raw const number, 1);
        status
      }
    };
    core.work.driver.submit_inside(core, core.work.home(), run);
  }
}

impl Drop for Lent {
  fn drop(&mut self) {
    self.end(false, ask::DROP);
  }
}

/// JavaScript asks nothing of a stream any more.
pub fn forget(core: &Core, number: u32) {
  if core.flow.close(number) {
    core.flow.end_stream(Flow::FROM_PYTHON);
  }
  drop(core.remove_function(number));
}

/// A stream of Python's that JavaScript can be given: `PyStreamSource` and `PyStreamSink` of streams.py.
#[pyclass(subclass, frozen, module = "amphis._js")]
pub struct Given {
  pub core: Arc<Core>,
  pub number: u32,
  kind: u8,
  pub is_closed: AtomicBool,
  /// It was made in JavaScript.
  is_there: AtomicBool,
}

impl Given {
  pub fn of(core: Arc<Core>, number: u32, kind: u8) -> Self {
    Self {
      core,
      number,
      kind,
      is_closed: AtomicBool::new(false),
      is_there: AtomicBool::new(false),
    }
  }

  /// The handle by which JavaScript gets it.
  ///
  /// # Errors
  ///
  /// `RuntimeError` for one that is closed, or another runtime's.
  pub fn handle(&self, core: &Arc<Core>) -> PyResult<Handle> {
    if !Arc::ptr_eq(&self.core, core) {
      return Err(PyRuntimeError::new_err(
        "A stream that was made for one runtime cannot go into another. Make it by the method of that runtime.",
      ));
    }
    if self.is_closed.load(Ordering::Acquire) {
      return Err(PyRuntimeError::new_err("Stream has been closed"));
    }
    self.is_there.store(true, Ordering::Release);
    Ok(Handle {
      tag: tag::PY,
      kind: self.kind,
      id: u64::from(self.number),
      name: String::new(),
    })
  }

  /// Python has no use for it any more.
  pub fn let_go(&self) {
    if !self.is_there.load(Ordering::Acquire) {
      forget(&self.core, self.number);
      return;
    }
    self.core.release_stream(self.number);
    if self.is_closed.load(Ordering::Acquire) && self.core.flow.close(self.number) {
      self.core.flow.end_stream(Flow::FROM_PYTHON);
    }
  }
}

impl Drop for Given {
  fn drop(&mut self) {
    if !*self.is_closed.get_mut() {
      self.let_go();
    }
  }
}
