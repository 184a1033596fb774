//! A tape to Python objects.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PySet};

use super::dtype::{BYTES, Dtype};
use super::exporter::memory_view;
use super::handles::ReadHandles;
use super::limits::{MAX_DEPTH, MAX_SAFE_INTEGER};
use super::moments::datetime;
use super::place::{Outcome, Trouble, Within, index_step, key_step, placed, unfit};
use super::tag;
use super::text::{from_latin1, from_utf16};
use super::undefined::undefined;
use crate::bridge::bytes::Memory;

/// Reads one payload, whatever its bytes are: what is not well-formed is an error.
pub struct Reader<'a, 'py> {
  py: Python<'py>,
  bytes: &'a [u8],
  at: usize,
  buffers: &'a mut [Option<Memory>],
  handles: &'a mut dyn ReadHandles,
  keys: Vec<Bound<'py, PyAny>>,
  /// `None` for one that is not made yet, which nothing can refer to.
  objects: Vec<Option<Bound<'py, PyAny>>>,
}

impl<'a, 'py> Reader<'a, 'py> {
  /// `buffers` are this payload's; each is taken by the value that refers to it.
  pub fn new(
    py: Python<'py>,
    bytes: &'a [u8],
    buffers: &'a mut [Option<Memory>],
    handles: &'a mut dyn ReadHandles,
  ) -> Self {
    Self {
      py,
      bytes,
      at: 0,
      buffers,
      handles,
      keys: Vec::new(),
      objects: Vec::new(),
    }
  }

  /// # Errors
  ///
  /// `ConversionError` where nothing is left.
  pub fn byte(&mut self) -> PyResult<u8> {
    self.next().map_err(|trouble| self.outside(trouble))
  }

  /// A number of at most 53 bits.
  ///
  /// # Errors
  ///
  /// `ConversionError` where there is none.
  pub fn varint(&mut self) -> PyResult<u64> {
    self.number().map_err(|trouble| self.outside(trouble))
  }

  /// A string as handles have them: no value.
  ///
  /// # Errors
  ///
  /// `ConversionError` where there is none.
  pub fn string(&mut self) -> PyResult<String> {
    self.plain_name().map_err(|trouble| self.outside(trouble))
  }

  /// A value. `root` is what its place is called in errors.
  ///
  /// # Errors
  ///
  /// `ConversionError` where it is malformed or nothing that Python can have, or what Python raises meanwhile.
  pub fn value(&mut self, root: &str) -> PyResult<Bound<'py, PyAny>> {
    self
      .read(0)
      .map_err(|trouble| placed(self.py, trouble, root))
  }

  /// How many bytes were read.
  #[cfg(test)]
  pub fn position(&self) -> usize {
    self.at
  }

  fn outside(&self, trouble: Trouble) -> PyErr {
    placed(self.py, trouble, "payload")
  }

  #[cold]
  fn malformed(&self, what: &str) -> Trouble {
    unfit(format!(
      "Malformed at byte {}: {what}. Please report this as a bug of amphis.",
      self.at
    ))
  }

  #[inline]
  fn next(&mut self) -> Outcome<u8> {
    let Some(byte) = self.bytes.get(self.at) else {
      return Err(self.malformed("it ends too early"));
    };
    self.at += 1;
    Ok(*byte)
  }

  /// An unsigned LEB128 of at most eight bytes.
  #[inline]
  fn leb(&mut self) -> Outcome<u64> {
    let first = self.next()?;
    if first < 0x80 {
      return Ok(u64::from(first));
    }
    self.long_leb(first)
  }

  fn long_leb(&mut self, first: u8) -> Outcome<u64> {
    let mut value = u64::from(first & 0x7f);
    for count in 1..8 {
      let byte = self.next()?;
      value |= u64::from(byte & 0x7f) << (7 * count);
      if byte < 0x80 {
        return Ok(value);
      }
    }
    Err(self.malformed("a number that is too large"))
  }

  fn number(&mut self) -> Outcome<u64> {
    let value = self.leb()?;
    if value > MAX_SAFE_INTEGER {
      return Err(self.malformed("a number that is too large"));
    }
    Ok(value)
  }

  /// How many things follow, each of at least `least` bytes.
  fn count(&mut self, least: usize) -> Outcome<usize> {
    let count = self.number()?;
    let left = self.bytes.len() - self.at;
    match usize::try_from(count) {
      Ok(count) if count <= left / least => Ok(count),
      _ => Err(self.malformed(&format!("{count} things, which is more than there is"))),
    }
  }

  fn take(&mut self, count: usize) -> Outcome<&'a [u8]> {
    let taken = self
      .at
      .checked_add(count)
      .and_then(|end| self.bytes.get(self.at..end));
    let Some(taken) = taken else {
      return Err(self.malformed("it ends too early"));
    };
    self.at += count;
    Ok(taken)
  }

  fn block(&mut self) -> Outcome<&'a [u8]> {
    let count = self.count(1)?;
    self.take(count)
  }

  fn float(&mut self) -> Outcome<f64> {
    let bytes = self.take(8)?.first_chunk().copied().unwrap_or_default();
    Ok(f64::from_le_bytes(bytes))
  }

  /// The bytes of a name, and whether each two are a unit.
  fn raw_name(&mut self) -> Outcome<(&'a [u8], bool)> {
    let head = self.number()?;
    let is_utf16 = head & 1 == 1;
    let Ok(count) = usize::try_from(head >> 1) else {
      return Err(self.malformed("it ends too early"));
    };
    let bytes = self.take(if is_utf16 {
      count.saturating_mul(2)
    } else {
      count
    })?;
    Ok((bytes, is_utf16))
  }

  fn plain_name(&mut self) -> Outcome<String> {
    let (bytes, is_utf16) = self.raw_name()?;
    if !is_utf16 {
      return Ok(bytes.iter().map(|byte| char::from(*byte)).collect());
    }
    let units = bytes
      .chunks_exact(2)
      .map(|unit| u16::from_le_bytes(unit.first_chunk().copied().unwrap_or_default()));
    Ok(
      char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect(),
    )
  }

  fn read(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    let py = self.py;
    let tag = self.next()?;
    match tag {
      tag::NULL => Ok(py.None().into_bound(py)),
      tag::FALSE => Ok(PyBool::new(py, false).to_owned().into_any()),
      tag::TRUE => Ok(PyBool::new(py, true).to_owned().into_any()),
      tag::INT => self.integer(),
      tag::FLOAT => Ok(PyFloat::new(py, self.float()?).into_any()),
      tag::LATIN1 => {
        let bytes = self.block()?;
        Ok(from_latin1(py, bytes)?)
      }
      tag::UTF16 => {
        let count = self.count(2)?;
        Ok(from_utf16(py, self.take(2 * count)?)?)
      }
      tag::ARRAY => self.array(depth),
      tag::OBJECT => Ok(self.object(depth)?.into_any()),
      _ => self.other(tag, depth),
    }
  }

  fn other(&mut self, tag: u8, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    let py = self.py;
    match tag {
      tag::UNDEFINED => Ok(undefined(py)?),
      tag::BIGINT => self.bigint(),
      tag::BYTES => {
        let bytes = self.block()?;
        let bytes = PyBytes::new(py, bytes).into_any();
        if bytes.len()? > 0 {
          self.objects.push(Some(bytes.clone()));
        }
        Ok(bytes)
      }
      tag::BUFFER | tag::TYPED => {
        let place = self.reserve();
        let (bytes, dtype) = match self.elements(tag, None)? {
          (bytes, Some(dtype)) => (bytes, dtype),
          (mut bytes, None) => return Ok(self.fill(place, bytes_of(py, &mut bytes).into_any())),
        };
        let count = isize::try_from(bytes.len() / dtype.size()).map_err(PyErr::from)?;
        let view = memory_view(py, bytes, dtype, Box::new([count]))?;
        Ok(self.fill(place, view))
      }
      tag::MAP => self.map(depth),
      tag::SET => self.set(depth),
      tag::DATE => {
        let place = self.reserve();
        let moment = datetime(py, self.float()?)?;
        Ok(self.fill(place, moment))
      }
      tag::REF => {
        let number = self.number()?;
        let known = usize::try_from(number)
          .ok()
          .and_then(|number| self.objects.get(number)?.clone());
        known.ok_or_else(|| self.malformed("a reference to nothing"))
      }
      tag::JS | tag::PY => self.handle(tag),
      tag::ERROR => self.error(depth),
      tag::NDARRAY => self.ndarray(),
      _ => Err(self.malformed(&format!("a tag {tag}"))),
    }
  }

  /// A number for an object that is still to be made.
  fn reserve(&mut self) -> usize {
    self.objects.push(None);
    self.objects.len() - 1
  }

  fn fill(&mut self, place: usize, object: Bound<'py, PyAny>) -> Bound<'py, PyAny> {
    if let Some(place) = self.objects.get_mut(place) {
      *place = Some(object.clone());
    }
    object
  }

  fn integer(&mut self) -> Outcome<Bound<'py, PyAny>> {
    let value = self.leb()?;
    let magnitude = value >> 1;
    if magnitude + (value & 1) > MAX_SAFE_INTEGER {
      return Err(self.malformed("a number that is too large"));
    }
    // All bits of the mask are the sign.
    let number = (magnitude ^ (value & 1).wrapping_neg()).cast_signed();
    // SAFETY: no precondition.
    let number = unsafe { ffi::PyLong_FromLongLong(number) };
    // SAFETY: a new reference, or null with an exception set.
    Ok(unsafe { Bound::from_owned_ptr_or_err(self.py, number) }?)
  }

  fn bigint(&mut self) -> Outcome<Bound<'py, PyAny>> {
    let sign = self.next()?;
    let bytes = self.block()?;
    if sign > 1 {
      return Err(self.malformed("a sign that is none"));
    }
    let int = self.py.get_type::<PyInt>();
    let magnitude = int.call_method1("from_bytes", (PyBytes::new(self.py, bytes), "little"))?;
    Ok(if sign == 1 {
      magnitude.neg()?
    } else {
      magnitude
    })
  }

  fn array(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    descend(depth)?;
    let count = self.count(1)?;
    let list = PyList::empty(self.py);
    self.objects.push(Some(list.clone().into_any()));
    for index in 0..count {
      let item = self.read(depth + 1).within(|| index_step(index))?;
      list.append(item)?;
    }
    Ok(list.into_any())
  }

  fn object(&mut self, depth: usize) -> Outcome<Bound<'py, PyDict>> {
    descend(depth)?;
    let count = self.count(2)?;
    let dict = PyDict::new(self.py);
    self.objects.push(Some(dict.clone().into_any()));
    for _ in 0..count {
      let key = self.key()?;
      let value = self.read(depth + 1).within(|| key_step(&key.to_string()))?;
      dict.set_item(key, value)?;
    }
    Ok(dict)
  }

  fn key(&mut self) -> Outcome<Bound<'py, PyAny>> {
    let number = self.number()?;
    if number > 0 {
      let known = usize::try_from(number - 1)
        .ok()
        .and_then(|number| self.keys.get(number).cloned());
      return known.ok_or_else(|| self.malformed("a key that was not named"));
    }
    let (bytes, is_utf16) = self.raw_name()?;
    let key = if is_utf16 {
      from_utf16(self.py, bytes)
    } else {
      from_latin1(self.py, bytes)
    }?;
    self.keys.push(key.clone());
    Ok(key)
  }

  fn map(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    descend(depth)?;
    let count = self.count(2)?;
    let dict = PyDict::new(self.py);
    self.objects.push(Some(dict.clone().into_any()));
    for index in 0..count {
      let key = self.read(depth + 1).within(|| format!(" (key {index})"))?;
      let value = self
        .read(depth + 1)
        .within(|| format!(" (value {index})"))?;
      dict
        .set_item(&key, value)
        .map_err(|error| self.unhashable(error, &key, "key of a dict"))
        .within(|| format!(" (key {index})"))?;
      if dict.len() <= index {
        return Err(same("keys of this Map", "dict")).within(|| format!(" (key {index})"));
      }
    }
    Ok(dict.into_any())
  }

  fn set(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    descend(depth)?;
    let count = self.count(1)?;
    let set = PySet::empty(self.py)?;
    self.objects.push(Some(set.clone().into_any()));
    for index in 0..count {
      let item = self
        .read(depth + 1)
        .within(|| format!(" (member {index})"))?;
      set
        .add(&item)
        .map_err(|error| self.unhashable(error, &item, "member of a set"))
        .within(|| format!(" (member {index})"))?;
      if set.len() <= index {
        return Err(same("members of this Set", "set")).within(|| format!(" (member {index})"));
      }
    }
    Ok(set.into_any())
  }

  /// What went wrong with a key.
  fn unhashable(&self, error: PyErr, key: &Bound<'py, PyAny>, what: &str) -> Trouble {
    if !error.is_instance_of::<PyTypeError>(self.py) {
      return error.into();
    }
    let class = super::classes::class_name(&key.get_type());
    unfit(format!(
      "A {class} cannot be a {what}. Pass the Map or Set as an Array: `[...it]`."
    ))
  }

  fn handle(&mut self, tag: u8) -> Outcome<Bound<'py, PyAny>> {
    let kind = self.next()?;
    let id = self.number()?;
    let name = self.plain_name()?;
    Ok(if tag == tag::JS {
      self.handles.javascript(self.py, kind, id, &name)?
    } else {
      self.handles.python(self.py, id, &name)?
    })
  }

  fn error(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    descend(depth)?;
    let original = match self.next()? {
      tag::NULL => None,
      tag @ (tag::JS | tag::PY) => Some(self.handle(tag)?),
      _ => return Err(self.malformed("an error of nothing")),
    };
    if self.next()? != tag::OBJECT {
      return Err(self.malformed("an error without fields"));
    }
    let fields = self.object(depth + 1)?;
    Ok(self.handles.error(self.py, original, fields)?)
  }

  fn ndarray(&mut self) -> Outcome<Bound<'py, PyAny>> {
    /// What `memoryview` has.
    const MAX_DIMENSIONS: usize = 64;
    let place = self.reserve();
    let dtype = self.dtype()?;
    let dimensions = self.count(1)?;
    if dimensions > MAX_DIMENSIONS {
      return Err(unfit(format!(
        "Python's arrays have {MAX_DIMENSIONS} dimensions at most, and this one has {dimensions}."
      )));
    }
    let mut shape = Vec::with_capacity(dimensions);
    let mut count = Some(1_usize);
    for _ in 0..dimensions {
      let size = self.number()?;
      count = usize::try_from(size)
        .ok()
        .and_then(|size| count?.checked_mul(size));
      shape.push(isize::try_from(size).map_err(PyErr::from)?);
    }
    let tag = self.next()?;
    if tag != tag::BUFFER && tag != tag::TYPED {
      return Err(self.malformed("an array without elements"));
    }
    let (bytes, _) = self.elements(tag, Some(dtype))?;
    if count != Some(bytes.len() / dtype.size()) {
      return Err(self.malformed("an array of another shape"));
    }
    let view = memory_view(self.py, bytes, dtype, shape.into_boxed_slice())?;
    Ok(self.fill(place, view))
  }

  fn dtype(&mut self) -> Outcome<Dtype> {
    let byte = self.next()?;
    Dtype::from_byte(byte).ok_or_else(|| self.malformed(&format!("elements of type {byte}")))
  }

  /// The elements of an array and their type, which only a string of bytes has not; `expected` is what the array around
  /// them says they are.
  fn elements(&mut self, tag: u8, expected: Option<Dtype>) -> Outcome<(Memory, Option<Dtype>)> {
    let beside = (tag == tag::BUFFER).then(|| self.buffer()).transpose()?;
    if beside.is_some() && expected.is_none() && self.bytes.get(self.at) == Some(&BYTES) {
      self.at += 1;
      return Ok((
        beside.unwrap_or_else(|| Memory::Owned(Box::default())),
        None,
      ));
    }
    let dtype = self.dtype()?;
    let bytes = match beside {
      Some(bytes) => bytes,
      None => Memory::Owned(self.block()?.into()),
    };
    if bytes.len() % dtype.size() != 0 || expected.is_some_and(|expected| expected != dtype) {
      return Err(self.malformed("elements of another size"));
    }
    Ok((bytes, Some(dtype)))
  }

  fn buffer(&mut self) -> Outcome<Memory> {
    let index = self.number()?;
    let length = self.number()?;
    let part = usize::try_from(index)
      .ok()
      .and_then(|index| self.buffers.get_mut(index)?.take());
    match part {
      Some(memory) if memory.len() as u64 == length => Ok(memory),
      _ => Err(self.malformed("a buffer that is not there")),
    }
  }
}

/// A string of bytes has memory of its own in Python.
fn bytes_of<'py>(py: Python<'py>, memory: &mut Memory) -> Bound<'py, PyBytes> {
  let (start, len) = (memory.start(), memory.len());
  // SAFETY: the memory is ours until it is dropped, and nobody else knows of it yet.
  PyBytes::new(py, unsafe { std::slice::from_raw_parts(start, len) })
}

fn descend(depth: usize) -> Outcome<()> {
  if depth < MAX_DEPTH {
    return Ok(());
  }
  Err(unfit("What is passed is more than 1,000 levels deep."))
}

#[cold]
fn same(what: &str, target: &str) -> Trouble {
  unfit(format!(
    "Two {what} are the same to a {target} of Python's, as 1, 1n and true are. Pass it as an Array: `[...it]`."
  ))
}
