//! All tests share one interpreter. What they say of Python they say in Python: `support.py` has the names.

mod fuzz;
mod vectors;
mod written;

use std::ffi::CString;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::{Handle, Limits, ReadHandles, Reader, Tape, WriteHandles, Writer, undefined, wire};
use crate::bridge::bytes::Memory;
use crate::python::interpreter::tests::start_python;

/// Knows the class `Handles` of the tests.
struct Stub;

impl WriteHandles for Stub {
  fn export(&mut self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Option<Handle>> {
    if !value.is_instance(&names(py)?.get_item("Handles")?.expect("the tests have it"))? {
      return Ok(None);
    }
    let (tag, kind, id, name) = value.getattr("parts")?.extract()?;
    Ok(Some(Handle {
      tag,
      kind,
      id,
      name,
    }))
  }

  fn error_fields<'py>(
    &mut self,
    py: Python<'py>,
    exception: &Bound<'py, PyAny>,
  ) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("message", exception.str()?)?;
    fields.set_item("cause", exception.getattr("__cause__")?)?;
    Ok(fields)
  }
}

impl ReadHandles for Stub {
  fn javascript<'py>(
    &mut self,
    py: Python<'py>,
    kind: u8,
    id: u64,
    name: &str,
  ) -> PyResult<Bound<'py, PyAny>> {
    call(py, "Handles", (18, kind, id, name))
  }

  fn python<'py>(
    &mut self,
    py: Python<'py>,
    id: u64,
    _member: &str,
  ) -> PyResult<Bound<'py, PyAny>> {
    call(py, "Handles", (19, 0, id, "\u{20ac}"))
  }

  fn error<'py>(
    &mut self,
    py: Python<'py>,
    original: Option<Bound<'py, PyAny>>,
    fields: Bound<'py, PyDict>,
  ) -> PyResult<Bound<'py, PyAny>> {
    call(py, "failure", (original, fields))
  }
}

fn call<'py>(
  py: Python<'py>,
  name: &str,
  arguments: impl pyo3::call::PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
  names(py)?
    .get_item(name)?
    .expect("the tests have it")
    .call1(arguments)
}

/// The globals of `support.py`.
fn names(py: Python<'_>) -> PyResult<&Bound<'_, PyDict>> {
  static NAMES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
  let names = NAMES.get_or_try_init(py, || {
    let module = PyModule::new(py, "support")?;
    // Dataclasses look for the module of their class.
    py.import("sys")?
      .getattr("modules")?
      .set_item("support", &module)?;
    let globals = module.dict();
    globals.set_item("undefined", undefined(py)?)?;
    py.run(
      &CString::new(include_str!("support.py"))?,
      Some(&globals),
      None,
    )?;
    PyResult::Ok(globals.unbind())
  })?;
  Ok(names.bind(py))
}

/// Runs `test` with the GIL, on a thread whose stack has the size of those that Python makes here.
fn with_python<T: Send>(test: impl FnOnce(Python<'_>) -> PyResult<T> + Send) -> T {
  start_python();
  std::thread::scope(|scope| {
    std::thread::Builder::new()
      .stack_size(16 * 1024 * 1024)
      .spawn_scoped(scope, || {
        Python::attach(|py| {
          test(py).unwrap_or_else(|error| {
            error.display(py);
            panic!("{error}")
          })
        })
      })
      .expect("a thread")
      .join()
      .expect("the test holds")
  })
}

fn eval<'py>(py: Python<'py>, code: &str) -> PyResult<Bound<'py, PyAny>> {
  py.eval(&CString::new(code)?, Some(names(py)?), None)
}

fn write(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Tape> {
  let mut stub = Stub;
  let mut writer = Writer::new(py, &mut stub);
  writer.value(value, "result")?;
  Ok(writer.finish())
}

fn read<'py>(
  py: Python<'py>,
  bytes: &[u8],
  parts: &mut [Option<Memory>],
) -> PyResult<Bound<'py, PyAny>> {
  let mut stub = Stub;
  let mut reader = Reader::new(py, bytes, parts, &mut stub);
  let value = reader.value("args")?;
  assert_eq!(reader.position(), bytes.len(), "all of it is read");
  Ok(value)
}

fn canon(value: &Bound<'_, PyAny>) -> PyResult<String> {
  call(value.py(), "canon", (value,))?.extract()
}

/// What comes of a value of Python's that goes over and returns.
fn returned<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
  let tape = write(value.py(), value)?;
  let mut parts: Vec<Option<Memory>> = tape
    .buffers
    .iter()
    // SAFETY: the owner keeps the memory, and nobody writes.
    .map(|body| unsafe { std::slice::from_raw_parts(body.data, body.len) })
    .map(|bytes| Some(Memory::Owned(bytes.into())))
    .collect();
  read(value.py(), &tape.bytes, &mut parts)
}

fn there_and_back(code: &str) -> String {
  with_python(|py| canon(&returned(&eval(py, code)?)?))
}

/// What is said of a value of Python's that cannot go over: class, message, path.
fn refusal(code: &str) -> String {
  with_python(|py| {
    let error = write(py, &eval(py, code)?)
      .map(|_| ())
      .expect_err("it cannot go over");
    let error = error.value(py);
    let path: String = error
      .getattr("path")
      .and_then(|path| path.extract())
      .unwrap_or_default();
    let class = error.get_type().fully_qualified_name()?.to_string();
    let message = error.str()?.to_string();
    assert!(message.starts_with(&format!("{path}: ")), "{message}");
    Ok(format!("{class}: {message}"))
  })
}

fn hex(bytes: &[u8]) -> String {
  let digit = |value: u8| char::from_digit(u32::from(value), 16).expect("four bits");
  bytes
    .iter()
    .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
    .collect()
}

fn from_hex(text: &str) -> Vec<u8> {
  text
    .as_bytes()
    .chunks(2)
    .map(|pair| {
      let pair = std::str::from_utf8(pair).expect("ASCII");
      u8::from_str_radix(pair, 16).expect("two hex digits")
    })
    .collect()
}
