//! The answer to a call of JavaScript's.

use std::sync::Arc;

use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::handles::Handles;
use super::members;
use super::owner::Owner;
use crate::base::error::HandlerError;
use crate::bridge::body::TEXT_BODY;
use crate::bridge::bytes::LargeBody;
use crate::bridge::record::{flag, op};
use crate::python::exceptions::python_error;
use crate::python::pacing;
use crate::values::{ConversionError, Handle, Tape, Writer};

/// What an answer begins with, in both directions; `lib/calls/protocol.ts` has the same.
pub mod status {
  /// A value follows.
  pub const VALUE: u8 = 0;
  /// What was thrown follows.
  pub const RAISED: u8 = 1;
  /// An iterator is at its end.
  pub const END: u8 = 2;
  /// A description of an error of amphis' own follows, as JSON.
  pub const FAILED: u8 = 3;
}

/// Where an answer goes.
#[derive(Clone)]
pub struct Asked {
  pub owner: Arc<Owner>,
  pub call: u32,
  /// The result is to stay where it is.
  pub by_handle: bool,
  /// It is to stay there if it can't be copied.
  pub may_stay: bool,
}

impl Asked {
  /// Answers with a value, or with why it can't be given.
  pub fn value(&self, py: Python<'_>, value: &Bound<'_, PyAny>) {
    let written = self.written(py, self.by_handle.then_some(value), |writer, handle| {
      writer.byte(status::VALUE);
      match handle {
        Some(handle) => {
          writer.byte(handle.tag);
          writer.byte(handle.kind);
          writer.varint(handle.id);
          writer.string(&handle.name);
          Ok(())
        }
        None => writer.value(value, "result"),
      }
    });
    match written {
      Ok(tape) => self.send(py, tape),
      Err(error) if self.stays(py, &error) => {
        let staying = Self {
          by_handle: true,
          ..self.clone()
        };
        staying.value(py, value);
      }
      Err(error) => self.raised(py, error),
    }
  }

  /// Whether a result that can't be copied is one that stays where it is.
  fn stays(&self, py: Python<'_>, error: &PyErr) -> bool {
    self.may_stay && !self.by_handle && error.is_instance_of::<ConversionError>(py)
  }

  /// Answers with a module: itself, and what it has.
  pub fn module(&self, py: Python<'_>, module: &Bound<'_, PyAny>) {
    let written = self.written(py, Some(module), |writer, handle| {
      writer.byte(status::VALUE);
      writer.varint(handle.map_or(0, |handle| handle.id));
      members::describe(writer, module)
    });
    match written {
      Ok(tape) => self.send(py, tape),
      Err(error) => self.raised(py, error),
    }
  }

  fn written<'py>(
    &self,
    py: Python<'py>,
    given: Option<&Bound<'py, PyAny>>,
    write: impl FnOnce(&mut Writer<'_, 'py>, Option<Handle>) -> PyResult<()>,
  ) -> PyResult<Tape> {
    let mut handles = Handles::new(&self.owner, false);
    let handle = given.map(|object| handles.give(object)).transpose()?;
    let mut writer = Writer::new(py, &mut handles);
    match write(&mut writer, handle) {
      Ok(()) => Ok(writer.finish()),
      Err(error) => {
        handles.take_back();
        Err(error)
      }
    }
  }

  /// The iterator is at its end.
  pub fn end(&self, py: Python<'_>) {
    let mut handles = Handles::new(&self.owner, false);
    let mut writer = Writer::new(py, &mut handles);
    writer.byte(status::END);
    self.send(py, writer.finish());
  }

  /// Answers with an exception that Rust has caught.
  pub fn raised(&self, py: Python<'_>, error: PyErr) {
    // Before 3.12 only this joins it with its traceback.
    let exception = error.into_value(py).into_bound(py);
    self.exception(py, &exception);
  }

  /// Answers with an exception.
  pub fn exception(&self, py: Python<'_>, exception: &Bound<'_, PyBaseException>) {
    let mut handles = Handles::new(&self.owner, false);
    let mut writer = Writer::new(py, &mut handles);
    writer.byte(status::RAISED);
    match writer.value(exception.as_any(), "error") {
      Ok(()) => self.send(py, writer.finish()),
      // What it holds can't be given; what it says can.
      Err(_) => {
        let error = python_error(py, PyErr::from_value(exception.clone().into_any()));
        self.failed(py, &error);
      }
    }
  }

  /// Answers with an error of amphis' own.
  pub fn failed(&self, py: Python<'_>, error: &HandlerError) {
    let mut handles = Handles::new(&self.owner, false);
    let mut writer = Writer::new(py, &mut handles);
    writer.byte(status::FAILED);
    writer.string(&error.to_json());
    self.send(py, writer.finish());
  }

  fn send(&self, py: Python<'_>, tape: Tape) {
    send(py, &self.owner, op::REPLY, self.call, tape);
  }
}

/// Sends a payload to JavaScript, from any thread that holds the GIL: in the batch's text, or as a buffer over memory of
/// Python's.
pub fn send(py: Python<'_>, owner: &Owner, operation: i32, slot: u32, tape: Tape) {
  let host = &owner.host;
  let owner = owner.index.cast_signed();
  let Tape { bytes, buffers } = tape;
  let count = i32::try_from(buffers.len()).unwrap_or(i32::MAX);
  let large = (bytes.len() > TEXT_BODY).then(|| {
    let owner = PyBytes::new(py, &bytes);
    LargeBody {
      data: owner.as_bytes().as_ptr(),
      len: bytes.len(),
      owner: owner.into_any().unbind(),
    }
  });
  host.outbox.push(|records| {
    match large {
      Some(payload) => {
        records.bodies.push(payload);
        records.push(operation | flag::BUFFER, slot, [0, count, owner]);
      }
      None => {
        records.text.extend_from_slice(&bytes);
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        records.push(operation, slot, [length, count, owner]);
      }
    }
    records.bodies.extend(buffers);
  });
  pacing::flush_from_anywhere(py, host);
}
