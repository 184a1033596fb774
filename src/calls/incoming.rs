//! A call of JavaScript's: reads what it asks for, runs it where it belongs, answers.
//!
//! What it asks for is a byte for the operation, a byte of flags, and what [`Question::read`] says of each.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::attribute::member;
use super::handles::{CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, Handles, code_flags};
use super::owner::{self, Owner};
use super::reply::Asked;
use super::running::{Awaited, Running};
use super::support::argument_name;
use super::waiters::{Payload, Visitor};
use super::{context, pool, proxy, support};
use crate::base::lock::lock;
use crate::bridge;
use crate::bridge::bytes::Memory;
use crate::bridge::command::Command;
use crate::python::event_loop;
use crate::python::exceptions::report;
use crate::python::importer;
use crate::values::Reader;

/// Operations; `lib/calls/protocol.ts` has the other end of this table.
mod op {
  /// The name of a module: it, and what it has.
  pub const IMPORT: u8 = 1;
  /// Object, member, count and values of the arguments, keywords as an object where the flag says so.
  pub const CALL: u8 = 2;
  /// Object, member: its value.
  pub const GET: u8 = 3;
  /// Iterator: its next value.
  pub const NEXT: u8 = 4;
  /// Iterator: it is not wanted any more.
  pub const RETURN: u8 = 5;
  /// Iterable: its iterator.
  pub const ITERATE: u8 = 6;
  /// Awaitable: its result.
  pub const AWAIT: u8 = 7;
  /// Object, key: what it has there.
  pub const ITEM: u8 = 8;
}

mod flag {
  /// The result stays where it is.
  pub const BY_HANDLE: u8 = 1;
  /// Keywords follow the arguments.
  pub const KEYWORDS: u8 = 2;
}

/// Where a call has arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
  /// On the loop's thread.
  Loop,
  /// On a thread that is blocked in the call which this one came from.
  BlockedThread,
}

/// What is asked for, as Python's objects.
enum Question {
  Import(String),
  Call {
    function: Py<PyAny>,
    arguments: Py<PyTuple>,
    keywords: Option<Py<PyDict>>,
  },
  Get(Py<PyAny>, String),
  Next(Py<PyAny>),
  Return(Py<PyAny>),
  Iterate(Py<PyAny>),
  Await(Py<PyAny>),
  Item(Py<PyAny>, Py<PyAny>),
}

/// Runs a call that has come; what becomes of it is sent to JavaScript.
pub fn receive(
  py: Python<'_>,
  owner: u32,
  call: u32,
  bytes: &[u8],
  buffers: Vec<Memory>,
  place: Place,
) {
  // JavaScript has closed it, and told whoever waited for this.
  let Some(owner) = owner::get(owner) else {
    return;
  };
  let mut asked = Asked {
    owner,
    call,
    by_handle: false,
    may_stay: false,
  };
  match Question::read(py, &asked.owner, bytes, buffers) {
    Ok((question, by_handle)) => {
      asked.by_handle = by_handle;
      asked.may_stay = question.may_stay(py);
      report(py, context::enter(py, asked.owner.index));
      question.run(py, asked, place);
    }
    Err(error) => asked.raised(py, error),
  }
}

/// The same for a call that was put before this thread.
pub fn receive_visitor(py: Python<'_>, visitor: Visitor) {
  let Visitor {
    owner,
    call,
    payload: Payload { bytes, buffers },
  } = visitor;
  receive(py, owner, call, &bytes, buffers, Place::BlockedThread);
}

impl Question {
  fn read(
    py: Python<'_>,
    owner: &Arc<Owner>,
    bytes: &[u8],
    buffers: Vec<Memory>,
  ) -> PyResult<(Self, bool)> {
    let mut parts: Vec<Option<Memory>> = buffers.into_iter().map(Some).collect();
    let mut handles = Handles::new(owner, false);
    let mut reader = Reader::new(py, bytes, &mut parts, &mut handles);
    let operation = reader.byte()?;
    let flags = reader.byte()?;
    if operation == op::IMPORT {
      return Ok((Self::Import(reader.string()?), false));
    }
    let number = reader.varint()?;
    let object = object_of(py, owner, number)?;
    let question = match operation {
      op::CALL => {
        let name = reader.string()?;
        let function = member(object.bind(py), &name)?;
        let count = reader.varint()?;
        let mut arguments = Vec::new();
        for index in 0..count {
          arguments.push(reader.value(&argument_name(index))?);
        }
        let keywords = if flags & flag::KEYWORDS == 0 {
          None
        } else {
          Some(reader.value("keywords")?.cast_into::<PyDict>()?.unbind())
        };
        Self::Call {
          function: function.unbind(),
          arguments: PyTuple::new(py, arguments)?.unbind(),
          keywords,
        }
      }
      op::GET => Self::Get(object, reader.string()?),
      op::NEXT => Self::Next(object),
      op::RETURN => Self::Return(object),
      op::ITERATE => Self::Iterate(object),
      op::AWAIT => Self::Await(object),
      op::ITEM => Self::Item(object, reader.value("key")?.unbind()),
      _ => {
        return Err(PyValueError::new_err(format!(
          "there is no operation {operation}"
        )));
      }
    };
    Ok((question, flags & flag::BY_HANDLE != 0))
  }

  fn run(self, py: Python<'_>, asked: Asked, place: Place) {
    match self.where_it_runs(py) {
      // Its coroutine is awaited on the loop, by whomever it is asked for.
      Run::OnLoop if place == Place::Loop => self.await_on_loop(py, asked),
      Run::OnLoop => self.await_later(asked),
      Run::AtOnce => self.answer(py, &asked),
      Run::InThread if place == Place::BlockedThread => self.answer(py, &asked),
      Run::InThread => {
        let refused = asked.clone();
        let job = Box::new(move |py: Python<'_>| {
          report(py, context::enter(py, asked.owner.index));
          self.answer(py, &asked);
        });
        if let Err(error) = pool::submit(py, job) {
          refused.raised(py, error);
        }
      }
    }
  }

  /// Whether what it gives stays where it is if it can't be copied: what a class has made, and what an object has.
  fn may_stay(&self, py: Python<'_>) -> bool {
    match self {
      Self::Call { function, .. } => function.bind(py).is_instance_of::<PyType>(),
      Self::Get(..) | Self::Item(..) => true,
      _ => false,
    }
  }

  fn where_it_runs(&self, py: Python<'_>) -> Run {
    match self {
      Self::Call { function, .. } => {
        let function = function.bind(py);
        match code_flags(function) {
          Some(flags) if flags & CO_COROUTINE != 0 => Run::OnLoop,
          // Nothing of it runs yet.
          Some(flags) if flags & (CO_GENERATOR | CO_ASYNC_GENERATOR) != 0 => Run::AtOnce,
          Some(_) => Run::InThread,
          None => {
            let is_async = support::get(py)
              .and_then(|support| support.call_method1(intern!(py, "is_async"), (function,)))
              .and_then(|answer| answer.is_truthy());
            if is_async.unwrap_or(false) {
              Run::OnLoop
            } else {
              Run::InThread
            }
          }
        }
      }
      Self::Next(iterator) => {
        if has(py, iterator, "__anext__") {
          Run::OnLoop
        } else {
          Run::InThread
        }
      }
      Self::Return(iterator) => {
        if has(py, iterator, "aclose") {
          Run::OnLoop
        } else {
          Run::InThread
        }
      }
      Self::Await(_) => Run::OnLoop,
      Self::Iterate(_) => Run::AtOnce,
      Self::Import(_) | Self::Get(..) | Self::Item(..) => Run::InThread,
    }
  }

  /// Has the loop's thread await what this leads to.
  fn await_later(self, asked: Asked) {
    on_loop(move |py| {
      report(py, context::enter(py, asked.owner.index));
      self.await_on_loop(py, asked);
    });
  }

  /// On the loop's thread, in the owner's context: awaits what this leads to, in a task that has taken its first step.
  fn await_on_loop(self, py: Python<'_>, asked: Asked) {
    let started = (|| {
      let awaited = match self {
        Self::Call {
          function,
          arguments,
          keywords,
        } => Awaited::Call {
          function,
          arguments,
          keywords,
        },
        Self::Next(iterator) => Awaited::Next(iterator),
        Self::Return(iterator) => Awaited::Return(iterator),
        Self::Await(awaitable) => Awaited::Awaitable(awaitable),
        Self::Import(_) | Self::Get(..) | Self::Iterate(_) | Self::Item(..) => return Ok(()),
      };
      let running = Bound::new(py, Running::new(asked.clone(), awaited))?;
      let task = event_loop::start(py, running.as_any())?;
      if !running.get().is_done() {
        running.get().keep(task);
      }
      Ok(())
    })();
    if let Err(error) = started {
      asked.raised(py, error);
    }
  }

  /// On this thread, to its end.
  fn answer(self, py: Python<'_>, asked: &Asked) {
    let result = match self {
      Self::Import(name) => {
        match importer::import_by_name(py, &name, &asked.owner.app_dir) {
          Ok(module) => asked.module(py, &module),
          Err(error) => asked.failed(py, &error),
        }
        return;
      }
      Self::Call {
        function,
        arguments,
        keywords,
      } => function.bind(py).call(
        arguments.bind(py),
        keywords.as_ref().map(|keywords| keywords.bind(py)),
      ),
      Self::Get(object, name) => member(object.bind(py), &name),
      Self::Item(object, key) => object.bind(py).get_item(key),
      Self::Iterate(iterable) => support::get(py)
        .and_then(|support| support.call_method1(intern!(py, "iterator_of"), (iterable,))),
      Self::Next(iterator) => {
        let next = support::get(py)
          .and_then(|support| support.call_method1(intern!(py, "next_of"), (iterator,)))
          .and_then(|next| Ok(next.cast_into::<PyTuple>()?));
        match next {
          Ok(next) if next.is_empty() => {
            asked.end(py);
            return;
          }
          Ok(next) => next.get_item(0),
          Err(error) => Err(error),
        }
      }
      Self::Return(iterator) => match iterator.bind(py).getattr_opt(intern!(py, "close")) {
        Ok(Some(close)) => close.call0(),
        Ok(None) => Ok(py.None().into_bound(py)),
        Err(error) => Err(error),
      },
      Self::Await(_) => Err(PyTypeError::new_err("it is awaited on the event loop only")),
    };
    match result {
      // A `def` that returns what an `async def` made.
      Ok(result) if !asked.by_handle && is_coroutine(&result) => {
        Self::Await(result.unbind()).await_later(asked.clone());
      }
      Ok(result) => asked.value(py, &result),
      Err(error) => asked.raised(py, error),
    }
  }
}

#[derive(PartialEq, Eq)]
enum Run {
  OnLoop,
  AtOnce,
  InThread,
}

fn has(py: Python<'_>, object: &Py<PyAny>, name: &str) -> bool {
  object.bind(py).get_type().hasattr(name).unwrap_or(false)
}

fn is_coroutine(value: &Bound<'_, PyAny>) -> bool {
  let py = value.py();
  let class = value.get_type();
  class.hasattr(intern!(py, "__await__")).unwrap_or(false)
    && !proxy::is_proxy(value).unwrap_or(true)
}

fn object_of(py: Python<'_>, owner: &Owner, number: u64) -> PyResult<Py<PyAny>> {
  u32::try_from(number)
    .ok()
    .and_then(|number| lock(&owner.exports).get(py, number))
    .ok_or_else(|| PyValueError::new_err("this handle was released"))
}

/// Has the loop's thread do something.
pub fn on_loop(job: impl FnOnce(Python<'_>) + Send + 'static) {
  bridge::get()
    .inbox()
    .push(|batch| batch.commands.push(Command::Run(Box::new(job))));
}

/// JavaScript gives up a call; on the loop's thread. What runs in a thread goes on, and nobody hears of it.
pub fn cancel(py: Python<'_>, owner: u32, call: u32) {
  let task = owner::get(owner).and_then(|owner| owner.task(py, call));
  if let Some(task) = task {
    report(py, task.call_method0(py, intern!(py, "cancel")).map(drop));
  }
}

/// Objects that JavaScript no longer has: numbers and how often it was given them, in turn; on the loop's thread.
pub fn free(owner: u32, numbers: &[u8]) {
  let Some(owner) = owner::get(owner) else {
    return;
  };
  for pair in numbers.chunks_exact(8) {
    let (number, given) = pair.split_at(4);
    let read = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
    let freed = lock(&owner.exports).free(read(number), u64::from(read(given)));
    // Without the lock: what goes may run code of the app.
    drop(freed);
  }
}
