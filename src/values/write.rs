//! Python objects to a tape.

use pyo3::prelude::*;

use super::handles::WriteHandles;
use super::tape::Tape;
use crate::bridge::bytes::LargeBody;

/// Writes one payload. What it writes shares one table of keys and one of references.
pub struct Writer<'a, 'py> {
  py: Python<'py>,
  handles: &'a mut dyn WriteHandles,
  bytes: Vec<u8>,
  buffers: Vec<LargeBody>,
}

impl<'a, 'py> Writer<'a, 'py> {
  pub fn new(py: Python<'py>, handles: &'a mut dyn WriteHandles) -> Self {
    Self {
      py,
      handles,
      bytes: Vec::new(),
      buffers: Vec::new(),
    }
  }

  pub fn byte(&mut self, byte: u8) {
    self.bytes.push(byte);
  }

  /// A number of at most 53 bits.
  pub fn varint(&mut self, number: u64) {
    let mut left = number;
    while left >= 0x80 {
      self.bytes.push((left as u8) | 0x80);
      left >>= 7;
    }
    self.bytes.push(left as u8);
  }

  /// A string as handles have them: no value.
  pub fn string(&mut self, text: &str) {
    let _ = text;
  }

  /// A value. `root` is what its place is called in errors: `result`, `args`.
  ///
  /// # Errors
  ///
  /// `ConversionError` naming the place and the type of what cannot be passed, or what Python raises meanwhile.
  pub fn value(&mut self, value: &Bound<'py, PyAny>, root: &str) -> PyResult<()> {
    let _ = (root, self.handles.export(self.py, value)?);
    Ok(())
  }

  pub fn finish(self) -> Tape {
    Tape {
      bytes: self.bytes,
      buffers: self.buffers,
    }
  }
}
