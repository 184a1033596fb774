//! A call of Python's: asks JavaScript, and hands what it answers to whoever waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::{
  PyRuntimeError, PyStopAsyncIteration, PyTimeoutError, PyTypeError, PyValueError,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::handles::Handles;
use super::incoming::receive_visitor;
use super::owner::Owner;
use super::remote::Remote;
use super::reply::{send, status};
use super::support::argument_name;
use super::waiters::{self, Awaiting, Event, Payload};
use super::{context, ending, opening, pool, support};
use crate::bridge::bytes::Memory;
use crate::bridge::record::op;
use crate::python::exceptions::report;
use crate::python::{event_loop, pacing};
use crate::values::{Reader, Tape, Writer};

/// How often a main thread that waits looks for signals.
const SIGNALS: Duration = Duration::from_millis(50);

/// Whom to ask: the owner of an object, or of the code that runs.
fn owner_of(py: Python<'_>, remote: Option<&Bound<'_, Remote>>) -> PyResult<Arc<Owner>> {
  let owner = match remote {
    Some(remote) => Some(Arc::clone(&remote.get().owner)),
    None => match context::current(py)? {
      Some(owner) => Some(owner),
      None => opening::open(py)?,
    },
  };
  let owner = owner.ok_or_else(|| {
    PyRuntimeError::new_err(
      "the handler whose JavaScript this is has been closed, and there is no other in this process",
    )
  })?;
  opening::check_process()?;
  if owner.is_closed() || !owner.host.is_open() {
    return Err(PyRuntimeError::new_err(
      "the handler or worker thread of Node.js whose JavaScript this is has been closed",
    ));
  }
  Ok(owner)
}

/// What JavaScript is asked.
pub struct Question {
  /// The object that is asked; none for an import.
  pub remote: Option<Py<Remote>>,
  pub operation: u8,
  /// Its member, or what is imported.
  pub name: Py<PyString>,
  /// The folder of the file that imports.
  pub base: Py<PyString>,
  pub arguments: Py<PyTuple>,
}

impl Question {
  /// As a tape; `chain` is the call that this thread is about to be blocked in.
  fn written(&self, py: Python<'_>, owner: &Arc<Owner>, chain: u32) -> PyResult<Tape> {
    let arguments = self.arguments.bind(py);
    let mut handles = Handles::new(owner, false);
    let mut writer = Writer::new(py, &mut handles);
    let written = (|| {
      writer.byte(self.operation);
      writer.varint(u64::from(chain));
      let number = self.remote.as_ref().map_or(0, |remote| remote.get().number);
      writer.varint(u64::from(number));
      writer.string(self.name.to_str(py)?);
      writer.string(self.base.to_str(py)?);
      writer.varint(arguments.len() as u64);
      for (index, argument) in (0..).zip(arguments.iter_borrowed()) {
        writer.value(&argument, &argument_name(index))?;
      }
      Ok(())
    })();
    match written {
      Ok(()) => Ok(writer.finish()),
      Err(error) => {
        handles.take_back();
        Err(error)
      }
    }
  }

  /// What was called, for people.
  pub fn shown(&self, py: Python<'_>) -> String {
    let name = self.name.to_str(py).unwrap_or_default();
    let object = self
      .remote
      .as_ref()
      .map_or("", |remote| remote.get().name());
    match self.operation {
      asked::IMPORT => format!("import_module({name:?})"),
      asked::CALL if !name.is_empty() => format!("{name}()"),
      asked::CALL if object.is_empty() => "function()".to_owned(),
      asked::CALL => format!("{object}()"),
      asked::GET => format!("{object}.{name}"),
      asked::AWAIT => "promise".to_owned(),
      _ => object.to_owned(),
    }
  }
}

/// Operations that are shown by name; `lib/calls/serve.ts` and `amphis/node.py` have them all.
mod asked {
  pub const IMPORT: u8 = 1;
  pub const CALL: u8 = 2;
  pub const GET: u8 = 3;
  pub const AWAIT: u8 = 7;
}

/// Asks JavaScript for a task of the loop that runs. Returns the number of the call, and the steps of a future that is
/// settled by the answer.
///
/// # Errors
///
/// What Python raises; `RuntimeError` where no loop runs, or nobody is there to be asked.
pub fn start(py: Python<'_>, question: &Question) -> PyResult<(u32, Py<PyAny>)> {
  let _inside = ending::enter(py);
  let running = event_loop::running(py)?;
  let owner = owner_of(py, question.remote.as_ref().map(|remote| remote.bind(py)))?;
  let tape = question.written(py, &owner, 0)?;
  let is_ours = event_loop::bound(py).is_ok_and(|ours| ours.is(&running));
  let future = if is_ours {
    event_loop::create_future(py)?
  } else {
    running.call_method0(intern!(py, "create_future"))?
  };
  let steps = future.try_iter()?.into_any().unbind();
  let number = waiters::add_task(Awaiting {
    host: owner.host.index,
    owner: owner.index,
    future: future.unbind(),
    other_loop: (!is_ours).then(|| running.unbind()),
  });
  send(py, &owner, op::INVOKE, number, tape);
  if is_ours {
    pacing::await_answer(py);
  }
  Ok((number, steps))
}

/// A task no longer awaits the answer.
pub fn abort(py: Python<'_>, number: u32) {
  let awaiting = waiters::take_task(number);
  let host = awaiting
    .as_ref()
    .and_then(|awaiting| crate::bridge::get().host(awaiting.host));
  if let Some(host) = host {
    host
      .outbox
      .push(|records| records.push(op::ABORT, number, [0; 3]));
    pacing::flush_from_anywhere(py, &host);
  }
}

/// Asks JavaScript and waits, without the GIL. What comes back to this thread meanwhile runs on it.
#[pyfunction]
#[pyo3(signature = (remote, operation, name, base, arguments, timeout))]
pub fn wait(
  py: Python<'_>,
  remote: Option<Py<Remote>>,
  operation: u8,
  name: Py<PyString>,
  base: Py<PyString>,
  arguments: Py<PyTuple>,
  timeout: Option<f64>,
) -> PyResult<Bound<'_, PyAny>> {
  let question = Question {
    remote,
    operation,
    name,
    base,
    arguments,
  };
  let _inside = ending::enter(py);
  let deadline = timeout
    .map(|seconds| {
      Duration::try_from_secs_f64(seconds)
        .map(|limit| Instant::now() + limit)
        .map_err(|_| PyValueError::new_err("a timeout is a number of seconds, 0 or more"))
    })
    .transpose()?;
  let owner = owner_of(py, question.remote.as_ref().map(|remote| remote.bind(py)))?;
  let (number, waiter) = waiters::add_thread(owner.host.index, pool::is_this_thread());
  let left = Left(number, Arc::clone(&waiter));
  let tape = question.written(py, &owner, number)?;
  send(py, &owner, op::INVOKE, number, tape);
  let is_main = opening::is_main_thread(py)?;
  let _blocked = pool::is_this_thread().then(|| pool::block(py));
  let outcome = loop {
    let until = match (deadline, is_main) {
      (deadline, false) => deadline,
      (None, true) => Some(Instant::now() + SIGNALS),
      (Some(deadline), true) => Some(deadline.min(Instant::now() + SIGNALS)),
    };
    match ending::without_gil(py, || waiter.wait(until)) {
      Event::Answer(payload) => break answer(py, &owner, payload, true),
      Event::Visitor(visitor) => receive_visitor(py, visitor),
      Event::Gone => break Err(gone()),
      Event::Ending => {
        break Err(PyRuntimeError::new_err(
          "Python is about to end, and JavaScript has not answered yet",
        ));
      }
      Event::TimedOut => {
        if is_main {
          py.check_signals()?;
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
          owner
            .host
            .outbox
            .push(|records| records.push(op::ABORT, number, [0; 3]));
          owner.host.wake();
          break Err(PyTimeoutError::new_err(format!(
            "JavaScript has not answered within {} seconds",
            timeout.unwrap_or_default()
          )));
        }
      }
    }
  };
  drop(left);
  outcome
}

/// A thread that waits no more, however it comes about: who was put before it and has not run is sent to the loop.
struct Left(u32, Arc<waiters::Waiter>);

impl Drop for Left {
  fn drop(&mut self) {
    for visitor in waiters::remove_thread(self.0, &self.1) {
      super::incoming::on_loop(move |py| {
        let Payload { bytes, buffers } = visitor.payload;
        super::incoming::receive(
          py,
          visitor.owner,
          visitor.call,
          &bytes,
          buffers,
          super::incoming::Place::Loop,
        );
      });
    }
  }
}

/// What JavaScript has answered.
fn answer<'py>(
  py: Python<'py>,
  owner: &Arc<Owner>,
  payload: Payload,
  is_sync: bool,
) -> PyResult<Bound<'py, PyAny>> {
  let Payload { bytes, buffers } = payload;
  let mut parts: Vec<Option<Memory>> = buffers.into_iter().map(Some).collect();
  let mut handles = Handles::new(owner, is_sync);
  let mut reader = Reader::new(py, &bytes, &mut parts, &mut handles);
  match reader.byte()? {
    status::VALUE => reader.value("result"),
    status::END => Err(PyStopAsyncIteration::new_err(())),
    status::RAISED => Err(raise(&reader.value("error")?)),
    status::FAILED => Err(PyRuntimeError::new_err(reader.string()?)),
    other => Err(PyRuntimeError::new_err(format!(
      "JavaScript has answered with {other}"
    ))),
  }
}

fn raise(error: &Bound<'_, PyAny>) -> PyErr {
  if error.is_instance_of::<pyo3::exceptions::PyBaseException>() {
    return PyErr::from_value(error.clone());
  }
  PyTypeError::new_err("JavaScript has thrown what is no exception")
}

fn gone() -> PyErr {
  PyRuntimeError::new_err("the worker thread of Node.js that was called has ended")
}

/// The loop's thread: settles what a task awaits.
pub fn settle(py: Python<'_>, number: u32, payload: Payload) {
  let Some(awaiting) = waiters::take_task(number) else {
    return;
  };
  pacing::answered(waiters::is_empty());
  let outcome = match super::owner::get(awaiting.owner) {
    Some(owner) => answer(py, &owner, payload, false),
    None => Err(gone()),
  };
  report(py, give(py, &awaiting, outcome));
}

fn give(py: Python<'_>, awaiting: &Awaiting, outcome: PyResult<Bound<'_, PyAny>>) -> PyResult<()> {
  let future = awaiting.future.bind(py);
  if let Some(other) = &awaiting.other_loop {
    let (value, error) = match outcome {
      Ok(value) => (value.unbind(), py.None()),
      Err(error) => (py.None(), error.into_value(py).into_any()),
    };
    return support::get(py)?
      .call_method1(intern!(py, "settle_later"), (other, future, value, error))
      .map(drop);
  }
  if future.call_method0(intern!(py, "done"))?.is_truthy()? {
    return Ok(());
  }
  match outcome {
    Ok(value) => future.call_method1(intern!(py, "set_result"), (value,))?,
    Err(error) => future.call_method1(intern!(py, "set_exception"), (error.into_value(py),))?,
  };
  Ok(())
}

/// An environment has gone: whoever awaits its answers is told; any thread that holds the GIL.
pub fn abandon(py: Python<'_>, tasks: Vec<Awaiting>) {
  for awaiting in tasks {
    report(py, give(py, &awaiting, Err(gone())));
  }
}
