//! `Running`: to its task, the coroutine of what JavaScript waits for.
//!
//! It hands each step on to what is awaited, and answers JavaScript when that is through. A coroutine of Python's around
//! it would do the same, and took an eighth of all that a call of an `async def` costs Python.
//!
//! Used on the loop's thread; the lock is for a change of state only.

use std::ffi::CStr;
use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::asyncio::CancelledError;
use pyo3::exceptions::{
  PyGeneratorExit, PyRuntimeError, PyStopAsyncIteration, PyStopIteration, PyValueError,
};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};

use super::reply::Asked;
use super::support;
use crate::base::lock::lock;
use crate::python::exceptions::thrown;
use crate::python::pacing;

/// What is awaited.
pub enum Awaited {
  Call {
    function: Py<PyAny>,
    arguments: Py<PyTuple>,
    keywords: Option<Py<PyDict>>,
  },
  /// Of an asynchronous iterator.
  Next(Py<PyAny>),
  Return(Py<PyAny>),
  Awaitable(Py<PyAny>),
}

impl Awaited {
  /// Makes what is awaited, and gives its steps.
  fn begin<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    let awaitable = match self {
      Self::Call {
        function,
        arguments,
        keywords: None,
      } => function.bind(py).call1(arguments.bind(py))?,
      Self::Call {
        function,
        arguments,
        keywords: Some(keywords),
      } => function
        .bind(py)
        .call(arguments.bind(py), Some(keywords.bind(py)))?,
      Self::Next(iterator) => iterator.bind(py).call_method0(intern!(py, "__anext__"))?,
      Self::Return(iterator) => iterator.bind(py).call_method0(intern!(py, "aclose"))?,
      Self::Awaitable(awaitable) => awaitable.bind(py).clone(),
    };
    if awaitable.get_type().is(coroutine_type(py)?) {
      // As `await` has it: to step it would resume what somebody else waits for.
      if !awaitable.getattr(intern!(py, "cr_await"))?.is_none() {
        return Err(PyRuntimeError::new_err(
          "coroutine is being awaited already",
        ));
      }
      return Ok(awaitable);
    }
    support::get(py)?.call_method1(intern!(py, "awaiting"), (awaitable,))
  }
}

/// That of what an `async def` gives.
fn coroutine_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
  static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
  TYPE.import(py, "types", "CoroutineType")
}

enum State {
  New(Awaited),
  /// A coroutine that has begun.
  Begun(Py<PyAny>),
  /// A step is being taken; of this, once it is there.
  Busy(Option<Py<PyAny>>),
  Over,
}

/// What a step has led to.
enum Step<'py> {
  Wait(Bound<'py, PyAny>),
  Return(Bound<'py, PyAny>),
}

#[pyclass(frozen, module = "amphis")]
pub struct Running {
  asked: Asked,
  /// It is an error for all else to end by StopAsyncIteration.
  is_iteration: bool,
  state: Mutex<State>,
  /// JavaScript has its answer: only the first one counts.
  is_done: AtomicBool,
  /// The owner has been given its task.
  is_kept: AtomicBool,
}

impl Running {
  pub fn new(asked: Asked, awaited: Awaited) -> Self {
    Self {
      asked,
      is_iteration: !matches!(awaited, Awaited::Call { .. }),
      state: Mutex::new(State::New(awaited)),
      is_done: AtomicBool::new(false),
      is_kept: AtomicBool::new(false),
    }
  }

  pub fn is_done(&self) -> bool {
    self.is_done.load(Ordering::Acquire)
  }

  /// By itself, so that nothing else is done under the lock.
  fn take(&self, next: State) -> State {
    mem::replace(&mut *lock(&self.state), next)
  }

  fn put(&self, state: State) {
    drop(self.take(state));
  }

  /// Gives the owner its task until there is an answer.
  pub fn keep(&self, task: Py<PyAny>) {
    let Asked { owner, call, .. } = &self.asked;
    self.is_kept.store(true, Ordering::Release);
    owner.keep_task(*call, task);
    // It may have been settled while it was kept, by whatever runs when something is dropped.
    if self.is_done() {
      drop(owner.forget_task(*call));
    }
  }

  /// The task does not tell what it is that has come.
  fn step<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let coroutine = match self.take(State::Busy(None)) {
      State::New(awaited) => match awaited.begin(py) {
        Ok(coroutine) => coroutine,
        Err(error) => return self.failed(py, error),
      },
      State::Begun(coroutine) => coroutine.into_bound(py),
      state => return Err(self.refused(state)),
    };
    self.put(State::Busy(Some(coroutine.clone().unbind())));
    let step = send(&coroutine);
    self.after(coroutine, step)
  }

  fn after<'py>(
    &self,
    coroutine: Bound<'py, PyAny>,
    step: PyResult<Step<'py>>,
  ) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = coroutine.py();
    match step {
      Ok(Step::Wait(future)) => {
        self.put(State::Begun(coroutine.unbind()));
        Ok(Some(future))
      }
      Ok(Step::Return(value)) => {
        self.put(State::Over);
        if self.is_first() {
          self.asked.value(py, &value);
          pacing::rest(py);
        }
        Ok(None)
      }
      Err(error) => self.failed(py, error),
    }
  }

  fn failed<'py>(&self, py: Python<'py>, error: PyErr) -> PyResult<Option<Bound<'py, PyAny>>> {
    self.put(State::Over);
    let is_end = self.is_iteration && error.is_instance_of::<PyStopAsyncIteration>(py);
    if self.is_first() {
      if is_end {
        self.asked.end(py);
      } else {
        self.asked.raised(py, error.clone_ref(py));
      }
      pacing::rest(py);
    }
    // All else, SystemExit and KeyboardInterrupt too, would end the loop out of a task.
    if error.is_instance_of::<CancelledError>(py) {
      return Err(error);
    }
    Ok(None)
  }

  fn refused(&self, state: State) -> PyErr {
    let is_over = matches!(state, State::Over);
    self.put(state);
    PyRuntimeError::new_err(if is_over {
      "this call was awaited before"
    } else {
      "this call is being awaited already"
    })
  }

  fn is_first(&self) -> bool {
    let is_first = !self.is_done.swap(true, Ordering::AcqRel);
    if is_first && self.is_kept.load(Ordering::Acquire) {
      // Dropped here, where no lock is held.
      drop(self.asked.owner.forget_task(self.asked.call));
    }
    is_first
  }

  /// What is awaited, for whoever asks where it is.
  fn coroutine<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
    match &*lock(&self.state) {
      State::Begun(coroutine) | State::Busy(Some(coroutine)) => Some(coroutine.bind(py).clone()),
      _ => None,
    }
  }

  fn of_coroutine<'py>(&self, py: Python<'py>, name: &CStr) -> PyResult<Option<Bound<'py, PyAny>>> {
    let name = name.to_str().unwrap_or_default();
    self
      .coroutine(py)
      .map(|coroutine| coroutine.getattr(name))
      .transpose()
  }
}

/// The next step of a coroutine.
fn send<'py>(coroutine: &Bound<'py, PyAny>) -> PyResult<Step<'py>> {
  let py = coroutine.py();
  let mut result = std::ptr::null_mut();
  // SAFETY: a coroutine that is alive; the result is a new reference, or null with an exception set.
  let (sent, result) = unsafe {
    let sent = ffi::PyIter_Send(coroutine.as_ptr(), ffi::Py_None(), &raw mut result);
    (sent, Bound::from_owned_ptr_or_opt(py, result))
  };
  match (sent, result) {
    (ffi::PySendResult::PYGEN_NEXT, Some(future)) => Ok(Step::Wait(future)),
    (ffi::PySendResult::PYGEN_RETURN, Some(value)) => Ok(Step::Return(value)),
    _ => Err(PyErr::fetch(py)),
  }
}

#[pymethods]
impl Running {
  fn __await__(slf: Py<Self>) -> Py<Self> {
    slf
  }

  fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
    self.step(py)
  }

  #[pyo3(signature = (value, /))]
  fn send<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // Tasks send nothing.
    let _ = value;
    self
      .step(py)?
      .ok_or_else(|| PyStopIteration::new_err(py.None()))
  }

  #[pyo3(signature = (kind, value = None, traceback = None, /))]
  fn throw<'py>(
    &self,
    kind: &Bound<'py, PyAny>,
    value: Option<&Bound<'py, PyAny>>,
    traceback: Option<&Bound<'py, PyAny>>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let py = kind.py();
    let error = thrown(kind, value, traceback);
    let next = match self.take(State::Busy(None)) {
      // Nothing of it has run.
      State::New(_) => self.failed(py, error),
      State::Begun(coroutine) => {
        let coroutine = coroutine.into_bound(py);
        self.put(State::Busy(Some(coroutine.clone().unbind())));
        let step = match coroutine.call_method1(intern!(py, "throw"), (error.into_value(py),)) {
          Ok(future) => Ok(Step::Wait(future)),
          Err(error) if error.is_instance_of::<PyStopIteration>(py) => error
            .value(py)
            .getattr(intern!(py, "value"))
            .map(Step::Return),
          Err(error) => Err(error),
        };
        self.after(coroutine, step)
      }
      // It was closed: its task ends by what it is told.
      State::Over => {
        self.put(State::Over);
        Err(error)
      }
      state @ State::Busy(_) => Err(self.refused(state)),
    };
    next?.ok_or_else(|| PyStopIteration::new_err(py.None()))
  }

  fn close(&self, py: Python<'_>) -> PyResult<()> {
    let closed = match self.take(State::Over) {
      State::New(_) | State::Over => Ok(()),
      State::Begun(coroutine) => coroutine.call_method0(py, intern!(py, "close")).map(drop),
      state @ State::Busy(_) => {
        self.put(state);
        return Err(PyValueError::new_err("coroutine already executing"));
      }
    };
    if self.is_first() {
      let error = PyGeneratorExit::new_err("the call was closed before it had a result");
      self.asked.raised(py, error);
    }
    closed
  }

  // What asyncio and debuggers look at to say where a task is.

  #[getter]
  fn cr_frame<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
    self.of_coroutine(py, c"cr_frame")
  }

  #[getter]
  fn cr_await<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
    self.of_coroutine(py, c"cr_await")
  }

  #[getter]
  fn cr_code<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
    self.of_coroutine(py, c"cr_code")
  }

  #[getter]
  fn cr_running(&self) -> bool {
    matches!(&*lock(&self.state), State::Busy(_))
  }

  #[getter]
  fn cr_suspended(&self) -> bool {
    matches!(&*lock(&self.state), State::Begun(_))
  }

  /// From Python 3.15 on `inspect.getcoroutinestate()` asks for it.
  #[getter]
  fn cr_state(&self) -> &'static str {
    match &*lock(&self.state) {
      State::New(_) => "CORO_CREATED",
      State::Begun(_) => "CORO_SUSPENDED",
      State::Busy(_) => "CORO_RUNNING",
      State::Over => "CORO_CLOSED",
    }
  }

  #[getter]
  fn cr_origin<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
    self.of_coroutine(py, c"cr_origin")
  }

  #[getter]
  fn __qualname__(&self, py: Python<'_>) -> PyResult<String> {
    let named = match &*lock(&self.state) {
      State::New(Awaited::Call { function, .. }) => Some(function.clone_ref(py)),
      State::Begun(coroutine) | State::Busy(Some(coroutine)) => Some(coroutine.clone_ref(py)),
      _ => None,
    };
    let name = match named {
      Some(named) => named.bind(py).getattr_opt(intern!(py, "__qualname__"))?,
      None => None,
    };
    name.map_or_else(|| Ok("call".to_owned()), |name| name.extract())
  }

  fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    let Ok(state) = self.state.try_lock() else {
      return Ok(());
    };
    match &*state {
      State::New(Awaited::Call {
        function,
        arguments,
        keywords,
      }) => {
        visit.call(function)?;
        visit.call(arguments)?;
        visit.call(keywords)
      }
      State::New(Awaited::Next(object) | Awaited::Return(object) | Awaited::Awaitable(object))
      | State::Begun(object)
      | State::Busy(Some(object)) => visit.call(object),
      State::Busy(None) | State::Over => Ok(()),
    }
  }

  fn __clear__(&self) {
    let state = self
      .state
      .try_lock()
      .map(|mut state| mem::replace(&mut *state, State::Over));
    drop(state);
  }
}
