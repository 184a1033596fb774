//! The handles of one owner: what values leave where it is, and how it is known again.

use std::sync::Arc;

use pyo3::exceptions::{PyBaseException, PyReferenceError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::attribute::member;
use super::owner::Owner;
use super::proxy;
use super::remote::Remote;
use super::support;
use crate::base::lock::lock;
use crate::python::exceptions;
use crate::values::{ConversionError, Handle, ReadHandles, WriteHandles, tag};

/// Kinds of objects; `lib/calls/kinds.ts` has the same.
pub mod kind {
  pub const OBJECT: u8 = 0;
  pub const FUNCTION: u8 = 1;
  pub const ASYNC_FUNCTION: u8 = 2;
  pub const ITERABLE: u8 = 3;
  pub const CLASS: u8 = 4;
  pub const AWAITABLE: u8 = 6;
}

/// Causes of causes of an exception that JavaScript is told of.
const CAUSES: usize = 8;

/// For one payload.
pub struct Handles<'a> {
  owner: &'a Arc<Owner>,
  /// Proxies that are made block those who call them, instead of being awaited.
  is_sync: bool,
  causes: usize,
  /// Numbers of objects that are being given.
  given: Vec<u32>,
}

impl<'a> Handles<'a> {
  pub fn new(owner: &'a Arc<Owner>, is_sync: bool) -> Self {
    Self {
      owner,
      is_sync,
      causes: 0,
      given: Vec::new(),
    }
  }

  /// The handle of any object of Python's, whether it could be copied or not.
  pub fn give(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Handle> {
    let kind = kind_of(value)?.unwrap_or(kind::OBJECT);
    let name = name_of(value);
    let number = lock(&self.owner.exports).give(value);
    self.given.push(number);
    Ok(Handle {
      tag: tag::PY,
      kind,
      id: u64::from(number),
      name,
    })
  }
}

impl Handles<'_> {
  /// What was written is not sent: JavaScript never hears of the objects that it was to be given.
  pub fn take_back(self) {
    for number in self.given {
      let freed = lock(&self.owner.exports).free(number, 1);
      // Without the lock: what goes may run code of the app.
      drop(freed);
    }
  }
}

/// What kind of object JavaScript is told that it is; `None` for one that is given by value or not at all.
fn kind_of(value: &Bound<'_, PyAny>) -> PyResult<Option<u8>> {
  let py = value.py();
  if value.is_instance_of::<PyType>() {
    return Ok(Some(kind::CLASS));
  }
  if let Some(flags) = code_flags(value) {
    return Ok(Some(if flags & CO_COROUTINE != 0 {
      kind::ASYNC_FUNCTION
    } else {
      kind::FUNCTION
    }));
  }
  let class = value.get_type();
  if class.hasattr(intern!(py, "__anext__"))? || class.hasattr(intern!(py, "__next__"))? {
    return Ok(Some(kind::ITERABLE));
  }
  if class.hasattr(intern!(py, "__await__"))? {
    return Ok(Some(kind::AWAITABLE));
  }
  if class.hasattr(intern!(py, "__aiter__"))? {
    return Ok(Some(kind::ITERABLE));
  }
  if value.is_callable() {
    let is_async = support::get(py)?
      .call_method1(intern!(py, "is_async"), (value,))?
      .is_truthy()?;
    return Ok(Some(if is_async {
      kind::ASYNC_FUNCTION
    } else {
      kind::FUNCTION
    }));
  }
  Ok(None)
}

pub const CO_GENERATOR: u32 = 0x20;
pub const CO_COROUTINE: u32 = 0x80;
pub const CO_ASYNC_GENERATOR: u32 = 0x200;

/// The flags of the code of a plain function or method.
pub fn code_flags(function: &Bound<'_, PyAny>) -> Option<u32> {
  let py = function.py();
  let code = function.getattr_opt(intern!(py, "__code__")).ok()??;
  code
    .getattr_opt(intern!(py, "co_flags"))
    .ok()??
    .extract()
    .ok()
}

fn name_of(value: &Bound<'_, PyAny>) -> String {
  let py = value.py();
  let own = value
    .getattr_opt(intern!(py, "__qualname__"))
    .ok()
    .flatten();
  let name = own.or_else(|| value.get_type().qualname().ok().map(Bound::into_any));
  name
    .and_then(|name| name.extract().ok())
    .unwrap_or_default()
}

/// The remote object behind a proxy.
pub fn remote_of<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, Remote>>> {
  let py = value.py();
  let attribute = if proxy::is_error(value)? {
    intern!(py, "_original")
  } else if proxy::is_proxy(value)? {
    intern!(py, "_remote")
  } else {
    return Ok(None);
  };
  Ok(value.getattr(attribute)?.cast_into().ok())
}

impl WriteHandles for Handles<'_> {
  fn export(&mut self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Option<Handle>> {
    if let Some(remote) = remote_of(value)? {
      let remote = remote.get();
      if Arc::ptr_eq(&remote.owner, self.owner) {
        let member = if proxy::is_proxy(value)? {
          value
            .call_method0(intern!(py, "_name_of"))?
            .extract::<String>()?
        } else {
          String::new()
        };
        return Ok(Some(Handle {
          tag: tag::JS,
          kind: kind::OBJECT,
          id: u64::from(remote.number),
          name: member,
        }));
      }
      if !value.is_instance_of::<PyBaseException>() {
        return Err(PyReferenceError::new_err(format!(
          "{} belongs to another handler or worker thread of Node.js; it can only be given back there",
          value.repr()?
        )));
      }
    }
    if value.is_instance_of::<PyBaseException>() {
      return self.give(value).map(Some);
    }
    // What JavaScript has already comes home to its handle.
    let is_there = kind_of(value)?.is_some() || lock(&self.owner.exports).has(value);
    is_there.then(|| self.give(value)).transpose()
  }

  fn error_fields<'py>(
    &mut self,
    py: Python<'py>,
    exception: &Bound<'py, PyAny>,
  ) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item(
      intern!(py, "description"),
      exceptions::describe(py, exception),
    )?;
    if exception.is_instance_of::<ConversionError>() {
      fields.set_item(intern!(py, "code"), "AMPHIS_ERR_CONVERSION")?;
    }
    let cause = exception.getattr(intern!(py, "__cause__"))?;
    if !cause.is_none() && self.causes < CAUSES {
      self.causes += 1;
      fields.set_item(intern!(py, "cause"), cause)?;
    }
    Ok(fields)
  }
}

impl ReadHandles for Handles<'_> {
  fn javascript<'py>(
    &mut self,
    py: Python<'py>,
    kind: u8,
    id: u64,
    name: &str,
  ) -> PyResult<Bound<'py, PyAny>> {
    let number = u32::try_from(id).map_err(|_| unknown())?;
    let remote = Remote::new(Arc::clone(self.owner), kind, number, name.to_owned());
    proxy::proxy(py, remote, self.is_sync)
  }

  fn python<'py>(&mut self, py: Python<'py>, id: u64, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let number = u32::try_from(id).map_err(|_| unknown())?;
    let object = lock(&self.owner.exports).get(py, number);
    member(&object.ok_or_else(unknown)?.into_bound(py), name)
  }

  fn error<'py>(
    &mut self,
    py: Python<'py>,
    original: Option<Bound<'py, PyAny>>,
    fields: Bound<'py, PyDict>,
  ) -> PyResult<Bound<'py, PyAny>> {
    proxy::error(py, original, fields)
  }
}

fn unknown() -> PyErr {
  PyRuntimeError::new_err("JavaScript has sent an object that Python has released")
}
