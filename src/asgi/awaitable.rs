//! What `receive` and `send` return: something to await that costs next to nothing when there is nothing
//! to wait for.
//!
//! Both classes have the methods of a coroutine, so that `asyncio.create_task(receive())` and
//! `asyncio.wait_for(receive(), 1)` work as with a server written in Python.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::file::Opening;
use super::http_cycle::HttpCycle;
use super::lifespan::LifespanCycle;
use super::waiters::Waiters;
use super::websocket_cycle::WebSocketCycle;
use crate::base::lock::lock;
use crate::bridge;
use crate::python::event_loop;
use crate::python::exceptions::thrown;

/// Already complete, with the result `None`. One instance serves every `send`.
#[pyclass(frozen, module = "_amphis")]
pub struct Ready;

/// The one instance.
pub fn ready(py: Python<'_>) -> Py<PyAny> {
  static READY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
  let make = || Py::new(py, Ready).map(Py::into_any);
  READY
    .get_or_try_init(py, make)
    .map_or_else(|_: PyErr| py.None(), |ready| ready.clone_ref(py))
}

#[pymethods]
impl Ready {
  fn __await__(slf: Py<Self>) -> Py<Self> {
    slf
  }

  fn __iter__(slf: Py<Self>) -> Py<Self> {
    slf
  }

  /// Ending an iteration without a value is the cheapest way to say `return None`.
  #[allow(clippy::unused_self, reason = "a Python method")]
  fn __next__(&self) -> Option<Py<PyAny>> {
    None
  }

  #[allow(clippy::unused_self, reason = "a Python method")]
  fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    Err(PyStopIteration::new_err(py.None()))
  }

  #[pyo3(signature = (kind, value = None, traceback = None))]
  #[allow(clippy::unused_self, reason = "a Python method")]
  fn throw(
    &self,
    kind: &Bound<'_, PyAny>,
    value: Option<&Bound<'_, PyAny>>,
    traceback: Option<&Bound<'_, PyAny>>,
  ) -> PyResult<Py<PyAny>> {
    Err(thrown(kind, value, traceback))
  }

  #[allow(clippy::unused_self, reason = "a Python method")]
  fn close(&self) {}
}

/// What a [`Waiting`] waits for.
pub enum Wait {
  /// The next event of a request.
  Receive(Py<HttpCycle>),
  /// Room for more of a response.
  Send(Py<HttpCycle>),
  /// A file that is to be a response's body.
  File(Py<HttpCycle>, Arc<Opening>),
  /// The next event of a WebSocket.
  ReceiveMessage(Py<WebSocketCycle>),
  /// Room for more messages.
  SendMessage(Py<WebSocketCycle>),
  /// The next event of a lifespan.
  Lifespan(Py<LifespanCycle>),
}

impl Wait {
  /// The result, if it is there.
  fn poll(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
    match self {
      Self::Receive(cycle) => cycle.get().poll_receive(py),
      Self::Send(cycle) => cycle.get().poll_send(py),
      Self::File(cycle, opening) => cycle.get().poll_file(py, opening),
      Self::ReceiveMessage(cycle) => cycle.get().poll_receive(py),
      Self::SendMessage(cycle) => cycle.get().poll_send(py),
      Self::Lifespan(cycle) => cycle.get().poll_receive(py),
    }
  }

  /// Whether what it waits for is room in a client's socket.
  const fn is_for_credit(&self) -> bool {
    matches!(self, Self::Send(_) | Self::SendMessage(_))
  }

  fn waiters(&self) -> &Waiters {
    match self {
      Self::Receive(cycle) => cycle.get().receivers(),
      Self::Send(cycle) | Self::File(cycle, _) => cycle.get().senders(),
      Self::ReceiveMessage(cycle) | Self::SendMessage(cycle) => cycle.get().waiters(),
      Self::Lifespan(cycle) => cycle.get().waiters(),
    }
  }
}

/// Looks at its cycle when it is awaited, and again each time it is woken: a wake-up carries no event,
/// so cancelling the task that awaits loses none.
#[pyclass(frozen, module = "_amphis")]
pub struct Waiting {
  wait: Wait,
  /// The future that the awaiting task sleeps on.
  future: Mutex<Option<Py<PyAny>>>,
  /// It has given its result.
  done: AtomicBool,
}

impl Waiting {
  pub fn new(wait: Wait) -> Self {
    Self {
      wait,
      future: Mutex::new(None),
      done: AtomicBool::new(false),
    }
  }

  /// Takes the future of an earlier step back from the cycle.
  fn forget(&self) {
    let future = lock(&self.future).take();
    if let Some(future) = future {
      if self.wait.is_for_credit() {
        bridge::get().inbox().unblock();
      }
      self.wait.waiters().remove(&future);
    }
  }
}

impl Waiting {
  /// Nobody awaits it any more.
  fn give_up(&self) {
    self.forget();
    if let Wait::File(cycle, opening) = &self.wait
      && !self.done.load(Ordering::Acquire)
    {
      cycle.get().give_up_file(opening);
    }
  }
}

impl Drop for Waiting {
  fn drop(&mut self) {
    // Its task may be destroyed while it sleeps.
    self.give_up();
  }
}

#[pymethods]
impl Waiting {
  fn __await__(slf: Py<Self>) -> Py<Self> {
    slf
  }

  fn __iter__(slf: Py<Self>) -> Py<Self> {
    slf
  }

  fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
    if self.done.load(Ordering::Acquire) {
      return Err(PyRuntimeError::new_err(
        "cannot reuse already awaited receive() or send()",
      ));
    }
    let asleep = lock(&self.future)
      .as_ref()
      .map(|future| future.clone_ref(py));
    if let Some(asleep) = asleep
      && !asleep
        .call_method0(py, intern!(py, "done"))?
        .is_truthy(py)?
    {
      return Err(PyRuntimeError::new_err(
        "receive() or send() is being awaited already",
      ));
    }
    self.forget();
    if let Some(value) = self.wait.poll(py)? {
      self.done.store(true, Ordering::Release);
      return Err(PyStopIteration::new_err(value));
    }
    let future = event_loop::create_future(py)?;
    // asyncio's protocol: a future that is yielded with this flag set suspends the task.
    future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
    let future = future.unbind();
    *lock(&self.future) = Some(future.clone_ref(py));
    self.wait.waiters().add(future.clone_ref(py));
    if self.wait.is_for_credit() {
      bridge::get().inbox().block();
    }
    Ok(future)
  }

  fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    self.__next__(py)
  }

  #[pyo3(signature = (kind, value = None, traceback = None))]
  fn throw(
    &self,
    kind: &Bound<'_, PyAny>,
    value: Option<&Bound<'_, PyAny>>,
    traceback: Option<&Bound<'_, PyAny>>,
  ) -> PyResult<Py<PyAny>> {
    self.give_up();
    Err(thrown(kind, value, traceback))
  }

  fn close(&self) {
    self.give_up();
  }
}
