//! Python's memory on its way to JavaScript, which looks at it where it lies.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::py_buffer::Buffer;
use crate::bridge::bytes::LargeBody;

/// Keeps a buffer for as long as JavaScript has an array over it. Python frees it, with the GIL held.
#[pyclass(name = "SharedMemory", module = "amphis", frozen)]
struct Held {
  _buffer: Buffer,
}

/// The memory of a buffer, in place.
///
/// # Errors
///
/// What Python raises.
pub fn shared(py: Python<'_>, buffer: Buffer) -> PyResult<LargeBody> {
  let (data, len) = (buffer.data(), buffer.len());
  let owner = Py::new(py, Held { _buffer: buffer })?.into_any();
  Ok(LargeBody { owner, data, len })
}

/// A copy of a buffer's elements in C order.
///
/// # Errors
///
/// What Python raises.
pub fn copied<'py>(py: Python<'py>, buffer: &Buffer) -> PyResult<Bound<'py, PyBytes>> {
  let bytes = unwritten(py, buffer.len())?;
  // SAFETY: the bytes are as many as the buffer's, new, and nobody has seen them.
  unsafe { buffer.copy_to(py, ffi::PyBytes_AsString(bytes.as_ptr()).cast()) }?;
  Ok(bytes)
}

/// A copy that JavaScript may write into: no other `bytes` share their memory with it.
///
/// # Errors
///
/// What Python raises.
pub fn private(py: Python<'_>, content: &[u8]) -> PyResult<LargeBody> {
  let bytes = unwritten(py, content.len())?;
  // SAFETY: as many bytes, new, and nobody has seen them.
  unsafe {
    std::ptr::copy_nonoverlapping(
      content.as_ptr(),
      ffi::PyBytes_AsString(bytes.as_ptr()).cast::<u8>(),
      content.len(),
    );
  }
  Ok(owned(bytes))
}

/// What [`copied`] has made.
pub fn owned(bytes: Bound<'_, PyBytes>) -> LargeBody {
  let content = bytes.as_bytes();
  let (data, len) = (content.as_ptr(), content.len());
  LargeBody {
    owner: bytes.into_any().unbind(),
    data,
    len,
  }
}

/// Bytes that are to be written by whoever holds the only reference; more than one, as Python has short ones only once.
fn unwritten(py: Python<'_>, len: usize) -> PyResult<Bound<'_, PyBytes>> {
  let size = isize::try_from(len)?;
  // SAFETY: without a source this makes bytes whose content is not set.
  let made = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), size) };
  // SAFETY: a new reference, or null with an exception set.
  let bytes = unsafe { Bound::from_owned_ptr_or_err(py, made) }?;
  Ok(bytes.cast_into()?)
}
