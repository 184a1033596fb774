//! Python's strings as the tape has them, and back.

use std::slice;
use std::str;

use pyo3::ffi;
use pyo3::prelude::*;

/// A string in the shorter of the tape's two ways.
pub enum Units<'a> {
  /// Every character is ASCII.
  Ascii(&'a [u8]),
  /// Every character fits into a byte; the count of them. The bytes are UTF-8.
  Latin1(&'a str, usize),
  /// The count of units.
  Utf16(&'a str, usize),
  /// With lone surrogates, which UTF-8 cannot have: little-endian units.
  Surrogates(Vec<u8>),
}

impl Units<'_> {
  /// Of characters, or of units where each takes two bytes.
  pub fn count(&self) -> usize {
    match self {
      Self::Ascii(bytes) => bytes.len(),
      Self::Latin1(_, count) | Self::Utf16(_, count) => *count,
      Self::Surrogates(bytes) => bytes.len() / 2,
    }
  }

  pub fn is_utf16(&self) -> bool {
    matches!(self, Self::Utf16(..) | Self::Surrogates(_))
  }

  /// In bytes.
  pub fn size(&self) -> usize {
    if self.is_utf16() {
      self.count() * 2
    } else {
      self.count()
    }
  }

  pub fn append_to(&self, target: &mut Vec<u8>) {
    match self {
      Self::Ascii(bytes) => target.extend_from_slice(bytes),
      Self::Latin1(text, _) => {
        target.extend(text.chars().map(|c| u8::try_from(c).unwrap_or_default()));
      }
      Self::Utf16(text, count) => {
        target.reserve(count * 2);
        for unit in text.encode_utf16() {
          target.extend_from_slice(&unit.to_le_bytes());
        }
      }
      Self::Surrogates(bytes) => target.extend_from_slice(bytes),
    }
  }
}

/// The units of UTF-8 text.
pub fn units_of(text: &str) -> Units<'_> {
  let bytes = text.as_bytes();
  if text.is_ascii() {
    return Units::Ascii(bytes);
  }
  let characters = bytes.iter().filter(|byte| !is_continuation(**byte)).count();
  // Up to U+00FF the first byte is 0xC3 at most.
  if bytes.iter().all(|byte| *byte <= 0xc3) {
    return Units::Latin1(text, characters);
  }
  // Those beyond U+FFFF begin with 0xF0 or more, and are two units.
  let pairs = bytes.iter().filter(|byte| **byte >= 0xf0).count();
  Units::Utf16(text, characters + pairs)
}

fn is_continuation(byte: u8) -> bool {
  byte & 0xc0 == 0x80
}

/// The units of a `str`, or of an object of a class that extends it.
///
/// # Errors
///
/// What Python raises.
pub fn units<'a>(text: &'a Bound<'_, PyAny>) -> PyResult<Units<'a>> {
  let mut size = 0;
  // SAFETY: a `str`, as the caller has looked at.
  let data = unsafe { ffi::PyUnicode_AsUTF8AndSize(text.as_ptr(), &raw mut size) };
  if data.is_null() {
    return surrogates(text, &PyErr::fetch(text.py()));
  }
  // SAFETY: UTF-8 that the object keeps for as long as it lives.
  let bytes = unsafe { slice::from_raw_parts(data.cast::<u8>(), size.unsigned_abs()) };
  // SAFETY: a `str`.
  if unsafe { ffi::PyUnicode_GetLength(text.as_ptr()) } == size {
    return Ok(Units::Ascii(bytes));
  }
  // SAFETY: Python's UTF-8 has no surrogates.
  Ok(units_of(unsafe { str::from_utf8_unchecked(bytes) }))
}

#[cold]
fn surrogates<'a>(text: &Bound<'_, PyAny>, error: &PyErr) -> PyResult<Units<'a>> {
  let py = text.py();
  if !error.is_instance_of::<pyo3::exceptions::PyUnicodeEncodeError>(py) {
    return Err(error.clone_ref(py));
  }
  // SAFETY: a `str`, and names that end with NUL.
  let encoded = unsafe {
    ffi::PyUnicode_AsEncodedString(
      text.as_ptr(),
      c"utf-16-le".as_ptr(),
      c"surrogatepass".as_ptr(),
    )
  };
  // SAFETY: a new reference, or null with an exception set.
  let encoded = unsafe { Bound::from_owned_ptr_or_err(py, encoded) }?;
  Ok(Units::Surrogates(encoded.extract::<Vec<u8>>()?))
}

/// A `str` of characters of a byte each.
///
/// # Errors
///
/// What Python raises.
pub fn from_latin1<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
  let size = isize::try_from(bytes.len())?;
  // SAFETY: as many bytes as it says.
  let text = unsafe { ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), size, std::ptr::null()) };
  // SAFETY: a new reference, or null with an exception set.
  unsafe { Bound::from_owned_ptr_or_err(py, text) }
}

/// A `str` of little-endian units: pairs are joined, lone surrogates stay.
///
/// # Errors
///
/// What Python raises.
pub fn from_utf16<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
  let size = isize::try_from(bytes.len())?;
  let mut order = -1;
  // SAFETY: as many bytes as it says, and a name that ends with NUL.
  let text = unsafe {
    ffi::PyUnicode_DecodeUTF16(
      bytes.as_ptr().cast(),
      size,
      c"surrogatepass".as_ptr(),
      &raw mut order,
    )
  };
  // SAFETY: a new reference, or null with an exception set.
  unsafe { Bound::from_owned_ptr_or_err(py, text) }
}
