//! `JavaScriptCall`: a call of Python's that begins when it is awaited.
//!
//! It has the methods of a coroutine. What it awaits is a future of the loop that runs, and all that it adds to that is
//! to tell JavaScript when nobody waits any more.

use std::ffi::CString;
use std::mem;
use std::sync::Mutex;

use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyStopIteration};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple};

use super::outgoing::{self, Question};
use super::remote::Remote;
use crate::base::lock::lock;
use crate::python::exceptions::thrown;

enum State {
  New,
  Waiting {
    number: u32,
    /// That of the future.
    steps: Py<PyAny>,
  },
  /// A step is being taken.
  Busy,
  Over,
}

/// A call of JavaScript that begins when it is awaited, once.
///
/// It is a coroutine to everybody who asks (`asyncio.create_task`, `gather`, `wait_for`); cancelling its task aborts
/// the signal that the function can ask for. Of a function that gives values one by one, an async iterable or a
/// ReadableStream, it can be iterated over at once: `async for row in render.rows()`.
///
/// Raises:
///     JavaScriptError: the function threw, or its promise was rejected.
///     ConversionError: an argument or the result cannot be had by the other language.
///     RuntimeError: the handler or worker whose JavaScript it is was closed; it was awaited before.
#[pyclass(frozen, weakref, module = "amphis.node")]
pub struct JavaScriptCall {
  question: Question,
  state: Mutex<State>,
}

impl JavaScriptCall {
  fn take(&self) -> State {
    mem::replace(&mut lock(&self.state), State::Busy)
  }

  /// After [`Self::take`]: what is replaced is nothing that has to be dropped.
  fn put(&self, state: State) {
    *lock(&self.state) = state;
  }

  /// The next step: what the task is to wait for, or the result.
  fn step<'py>(&self, py: Python<'py>) -> PyResult<Step<'py>> {
    let (number, steps) = match self.take() {
      State::New => {
        let begun = outgoing::start(py, &self.question);
        if begun.is_err() {
          self.put(State::Over);
        }
        begun?
      }
      State::Waiting { number, steps } => (number, steps),
      State::Busy => {
        return Err(PyRuntimeError::new_err(
          "this call of JavaScript is being awaited already",
        ));
      }
      State::Over => {
        self.put(State::Over);
        return Err(PyRuntimeError::new_err(
          "this call of JavaScript was awaited before; call the function again",
        ));
      }
    };
    let mut result = std::ptr::null_mut();
    // SAFETY: an iterator of a future that is alive; the result is a new reference, or null with an exception set.
    let (sent, result) = unsafe {
      let sent = ffi::PyIter_Send(steps.as_ptr(), ffi::Py_None(), &raw mut result);
      (sent, Bound::from_owned_ptr_or_opt(py, result))
    };
    match (sent, result) {
      (ffi::PySendResult::PYGEN_NEXT, Some(future)) => {
        self.put(State::Waiting { number, steps });
        Ok(Step::Wait(future))
      }
      (ffi::PySendResult::PYGEN_RETURN, Some(value)) => {
        self.put(State::Over);
        Ok(Step::Return(value))
      }
      _ => {
        let error = PyErr::fetch(py);
        self.put(State::Over);
        outgoing::abort(py, number);
        Err(error)
      }
    }
  }
}

enum Step<'py> {
  Wait(Bound<'py, PyAny>),
  Return(Bound<'py, PyAny>),
}

#[pymethods]
impl JavaScriptCall {
  /// `remote`: the object that is asked, none for an import; `name`: its member, or what is imported.
  #[new]
  #[pyo3(signature = (remote, operation, name, base, arguments, /))]
  fn new(
    remote: Option<Py<Remote>>,
    operation: u8,
    name: Py<PyString>,
    base: Py<PyString>,
    arguments: Py<PyTuple>,
  ) -> Self {
    let question = Question {
      remote,
      operation,
      name,
      base,
      arguments,
    };
    Self {
      question,
      state: Mutex::new(State::New),
    }
  }

  fn __await__(slf: Py<Self>) -> Py<Self> {
    slf
  }

  fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
    match self.step(py)? {
      Step::Wait(future) => Ok(Some(future)),
      // The cheapest way to return it.
      Step::Return(value) if value.is_none() => Ok(None),
      Step::Return(value) => Err(returned(value)),
    }
  }

  #[pyo3(signature = (value, /))]
  fn send<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // What a future has come to is looked for where it is.
    let _ = value;
    match self.step(py)? {
      Step::Wait(future) => Ok(future),
      Step::Return(value) => Err(returned(value)),
    }
  }

  #[pyo3(signature = (kind, value = None, traceback = None, /))]
  fn throw(
    &self,
    py: Python<'_>,
    kind: &Bound<'_, PyAny>,
    value: Option<&Bound<'_, PyAny>>,
    traceback: Option<&Bound<'_, PyAny>>,
  ) -> PyResult<()> {
    self.close(py);
    Err(thrown(kind, value, traceback))
  }

  fn close(&self, py: Python<'_>) {
    let state = self.take();
    self.put(State::Over);
    if let State::Waiting { number, .. } = &state {
      outgoing::abort(py, *number);
    }
    // Here, without the lock.
    drop(state);
  }

  fn __aiter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
    static VALUES_OF: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = slf.py();
    VALUES_OF
      .get_or_try_init(py, || {
        py.import("amphis.node")?
          .getattr("_values_of")
          .map(Bound::unbind)
      })?
      .bind(py)
      .call1((&slf, slf.get().question.shown(py)))
  }

  fn __repr__(&self, py: Python<'_>) -> String {
    format!("<call of {}>", self.question.shown(py))
  }
}

fn returned(value: Bound<'_, PyAny>) -> PyErr {
  // A tuple by itself would be taken for the exception's arguments.
  PyStopIteration::new_err((value.unbind(),))
}

impl Drop for JavaScriptCall {
  fn drop(&mut self) {
    if !matches!(&*lock(&self.state), State::New) {
      return;
    }
    // Not where Python has ended already.
    Python::try_attach(|py| {
      // It may be dropped on the way of an exception, which is none of its business.
      let raised = PyErr::take(py);
      let message = format!(
        "{} was never awaited, so JavaScript was not called",
        self.question.shown(py)
      );
      let warned = CString::new(message)
        .map_err(PyErr::from)
        .and_then(|message| PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1));
      if let Err(error) = warned {
        error.write_unraisable(py, None);
      }
      if let Some(raised) = raised {
        raised.restore(py);
      }
    });
  }
}
