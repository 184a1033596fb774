//! What V8's `ValueSerializer` writes, to Python objects: how isolated runtimes give their results, for V8 writes it four
//! times as fast as it can be asked for each property.
//!
//! The format has a version, and none of the supported V8 has changed what is read here (13 to 15). As with the tape,
//! readers trust nothing: whatever the bytes are, the outcome is a value or an error.
//!
//! Bytes are a tag and its data; numbers are unsigned LEB128. Objects are counted in the order of their tags, from 0, and
//! `^` refers to one by its number. What comes before a two-byte string may be padding.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PySet, PyString};

use super::dtype::Dtype;
use super::exporter::memory_view;
use super::handles::ReadHandles;
use super::limits::{Limits, MAX_SAFE_INTEGER};
use super::moments::datetime;
use super::place::{Outcome, Trouble, Within, index_step, key_step, placed, unfit};
use super::text::{from_latin1, from_utf16};
use super::undefined::undefined;
use crate::bridge::bytes::Memory;

/// What the bytes of a payload begin with.
const VERSION: u8 = 0xff;
const OLDEST: u64 = 13;
const NEWEST: u64 = 15;

/// Names of properties come again and again: so many of the last ones are kept.
const KNOWN_KEYS: usize = 64;
/// Longer ones are not.
const SHORT: usize = 32;

/// Reads one payload.
///
/// # Errors
///
/// `ConversionError` with the place of what Python cannot have, or of what is malformed; what Python raises meanwhile.
pub fn read<'py>(
  py: Python<'py>,
  bytes: &[u8],
  limits: Limits,
  handles: &mut dyn ReadHandles,
) -> PyResult<Bound<'py, PyAny>> {
  let mut reader = WireReader {
    py,
    bytes,
    at: 0,
    limits,
    room: limits.bytes,
    handles,
    objects: Vec::new(),
    buffers: Vec::new(),
    keys: [const { None }; KNOWN_KEYS],
  };
  reader
    .payload()
    .map_err(|trouble| placed(py, trouble, "result"))
}

struct WireReader<'a, 'py> {
  py: Python<'py>,
  bytes: &'a [u8],
  at: usize,
  limits: Limits,
  /// What holes of arrays may still take, which no bytes stand for.
  room: usize,
  handles: &'a mut dyn ReadHandles,
  /// `None` for one that is not made yet.
  objects: Vec<Option<Bound<'py, PyAny>>>,
  /// Array buffers: their numbers, and what is in them.
  buffers: Vec<(usize, &'a [u8])>,
  keys: [Option<(&'a [u8], Bound<'py, PyAny>)>; KNOWN_KEYS],
}

impl<'a, 'py> WireReader<'a, 'py> {
  fn payload(&mut self) -> Outcome<Bound<'py, PyAny>> {
    if self.byte()? != VERSION {
      return Err(self.malformed("no version"));
    }
    let version = self.varint()?;
    if !(OLDEST..=NEWEST).contains(&version) {
      return Err(self.malformed(&format!("version {version}")));
    }
    self.value(0)
  }

  #[cold]
  fn malformed(&self, what: &str) -> Trouble {
    unfit(format!(
      "Malformed at byte {}: {what}. Please report this as a bug of amphis.",
      self.at
    ))
  }

  fn byte(&mut self) -> Outcome<u8> {
    let Some(byte) = self.bytes.get(self.at) else {
      return Err(self.malformed("it ends too early"));
    };
    self.at += 1;
    Ok(*byte)
  }

  /// The next tag, behind the padding.
  fn tag(&mut self) -> Outcome<u8> {
    loop {
      let tag = self.byte()?;
      if tag != 0 {
        return Ok(tag);
      }
    }
  }

  /// Takes the next tag if it is this one.
  fn ends(&mut self, tag: u8) -> Outcome<bool> {
    let before = self.at;
    if self.tag()? == tag {
      return Ok(true);
    }
    self.at = before;
    Ok(false)
  }

  fn varint(&mut self) -> Outcome<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
      let byte = self.byte()?;
      value |= u64::from(byte & 0x7f) << shift;
      if byte < 0x80 {
        return Ok(value);
      }
    }
    Err(self.malformed("a number that is too large"))
  }

  fn size(&mut self) -> Outcome<usize> {
    let size = self.varint()?;
    match usize::try_from(size) {
      Ok(size) if size <= self.bytes.len() - self.at => Ok(size),
      _ => Err(self.malformed("it ends too early")),
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
    let size = self.size()?;
    self.take(size)
  }

  fn double(&mut self) -> Outcome<f64> {
    let bytes = self.take(8)?.first_chunk().copied().unwrap_or_default();
    Ok(f64::from_le_bytes(bytes))
  }

  fn descend(&self, depth: usize) -> Outcome<()> {
    if depth < self.limits.depth {
      return Ok(());
    }
    Err(unfit(format!(
      "The value is more than {} levels deep, the limit max_serialization_depth. Pass it flat, or raise the limit.",
      self.limits.depth
    )))
  }

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

  fn value(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    let py = self.py;
    let tag = self.tag()?;
    match tag {
      b'"' => {
        let bytes = self.block()?;
        Ok(from_latin1(py, bytes)?)
      }
      b'c' => {
        let bytes = self.block()?;
        Ok(from_utf16(py, bytes)?)
      }
      b'I' => self.integer(),
      b'N' => {
        let number = self.double()?;
        self.number(number)
      }
      b'o' => self.object(depth),
      b'A' => self.dense(depth),
      b'T' => Ok(PyBool::new(py, true).to_owned().into_any()),
      b'F' => Ok(PyBool::new(py, false).to_owned().into_any()),
      b'0' => Ok(py.None().into_bound(py)),
      b'_' | b'-' => Ok(undefined(py)?),
      _ => self.other(tag, depth),
    }
  }

  fn other(&mut self, tag: u8, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    match tag {
      b'S' => {
        let bytes = self.block()?;
        Ok(PyString::new(self.py, &String::from_utf8_lossy(bytes)).into_any())
      }
      b'U' => {
        let number = self.varint()?;
        Ok(
          number
            .into_pyobject(self.py)
            .map_err(PyErr::from)?
            .into_any(),
        )
      }
      b'Z' => self.bigint(),
      b'a' => self.sparse(depth),
      b'D' => {
        let place = self.reserve();
        let moment = datetime(self.py, self.double()?)?;
        Ok(self.fill(place, moment))
      }
      b'^' => {
        let number = self.varint()?;
        self.reference(number)
      }
      b';' => self.map(depth),
      b'\'' => self.set(depth),
      b'B' | b'~' => self.buffer(tag == b'~'),
      b'r' => self.error(depth),
      b'R' => self.pattern(),
      b'y' | b'x' | b'n' | b'z' | b's' => self.wrapped(tag),
      _ => Err(self.malformed(&format!("a tag {tag}"))),
    }
  }

  fn integer(&mut self) -> Outcome<Bound<'py, PyAny>> {
    let bits = self.varint()?;
    // All bits of the mask are the sign.
    let number = ((bits >> 1) ^ (bits & 1).wrapping_neg()).cast_signed();
    // SAFETY: no precondition.
    let number = unsafe { ffi::PyLong_FromLongLong(number) };
    // SAFETY: a new reference, or null with an exception set.
    Ok(unsafe { Bound::from_owned_ptr_or_err(self.py, number) }?)
  }

  /// V8 writes as doubles what does not fit into 31 bits.
  fn number(&mut self, number: f64) -> Outcome<Bound<'py, PyAny>> {
    #[allow(clippy::cast_precision_loss, reason = "it is 2^53 - 1")]
    let is_safe = number.abs() <= MAX_SAFE_INTEGER as f64;
    let is_negative_zero = number == 0.0 && number.is_sign_negative();
    #[allow(clippy::float_cmp, reason = "whether it is whole")]
    if is_safe && number.trunc() == number && !is_negative_zero {
      #[allow(clippy::cast_possible_truncation, reason = "whole, and safe")]
      let whole = number as i64;
      return Ok(
        whole
          .into_pyobject(self.py)
          .map_err(PyErr::from)?
          .into_any(),
      );
    }
    Ok(PyFloat::new(self.py, number).into_any())
  }

  fn bigint(&mut self) -> Outcome<Bound<'py, PyAny>> {
    let field = self.varint()?;
    let Ok(length) = usize::try_from(field >> 1) else {
      return Err(self.malformed("it ends too early"));
    };
    let bytes = self.take(length)?;
    let int = self.py.get_type::<PyInt>();
    let magnitude = int.call_method1("from_bytes", (PyBytes::new(self.py, bytes), "little"))?;
    Ok(if field & 1 == 1 {
      magnitude.neg()?
    } else {
      magnitude
    })
  }

  fn key(&mut self) -> Outcome<Bound<'py, PyAny>> {
    let py = self.py;
    match self.tag()? {
      b'"' => {
        let bytes = self.block()?;
        self.name(bytes)
      }
      b'c' => {
        let bytes = self.block()?;
        Ok(from_utf16(py, bytes)?)
      }
      b'I' => {
        let number = self.integer()?;
        Ok(number.str()?.into_any())
      }
      b'U' => {
        let number = self.varint()?;
        Ok(PyString::new(py, &number.to_string()).into_any())
      }
      b'N' => {
        let number = self.double()?;
        Ok(self.number(number)?.str()?.into_any())
      }
      tag => Err(self.malformed(&format!("a key of tag {tag}"))),
    }
  }

  fn name(&mut self, bytes: &'a [u8]) -> Outcome<Bound<'py, PyAny>> {
    if bytes.len() > SHORT {
      return Ok(from_latin1(self.py, bytes)?);
    }
    let mut hash = bytes.len() as u64;
    for byte in bytes {
      hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let place = usize::try_from((hash >> 20) % KNOWN_KEYS as u64).unwrap_or_default();
    let slot = &mut self.keys[place];
    if let Some((known, key)) = slot
      && *known == bytes
    {
      return Ok(key.clone());
    }
    let key = from_latin1(self.py, bytes)?;
    *slot = Some((bytes, key.clone()));
    Ok(key)
  }

  fn object(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    self.descend(depth)?;
    let dict = PyDict::new(self.py);
    self.objects.push(Some(dict.clone().into_any()));
    while !self.ends(b'{')? {
      let key = self.key()?;
      let value = self
        .value(depth + 1)
        .within(|| key_step(&key.to_string()))?;
      dict.set_item(key, value)?;
    }
    self.varint()?;
    Ok(dict.into_any())
  }

  fn dense(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    self.descend(depth)?;
    let count = self.size()?;
    let list = PyList::empty(self.py);
    self.objects.push(Some(list.clone().into_any()));
    for index in 0..count {
      let item = self.value(depth + 1).within(|| index_step(index))?;
      list.append(item)?;
    }
    self.array_end(b'$', depth)?;
    Ok(list.into_any())
  }

  /// Properties beside the items, which Python's lists have no place for, and the counts.
  fn array_end(&mut self, tag: u8, depth: usize) -> Outcome<()> {
    while !self.ends(tag)? {
      self.key()?;
      self.value(depth + 1)?;
    }
    self.varint()?;
    self.varint()?;
    Ok(())
  }

  fn sparse(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    self.descend(depth)?;
    let count = self.varint()?;
    let size = usize::try_from(count)
      .ok()
      .and_then(|count| count.checked_mul(8));
    let Some(room) = size.and_then(|size| self.room.checked_sub(size)) else {
      return Err(unfit(format!(
        "An array of {count} items, most of them holes, is larger than {} bytes, the limit max_serialization_bytes. Pass its items.",
        self.limits.bytes
      )));
    };
    self.room = room;
    let list = PyList::empty(self.py);
    self.objects.push(Some(list.clone().into_any()));
    let hole = undefined(self.py)?;
    for _ in 0..count {
      list.append(&hole)?;
    }
    while !self.ends(b'@')? {
      let key = self.key()?;
      let text = key.to_string();
      let value = self.value(depth + 1).within(|| format!("[{text}]"))?;
      if let Ok(index) = text.parse::<usize>()
        && index < list.len()
      {
        list.set_item(index, value)?;
      }
    }
    self.varint()?;
    self.varint()?;
    Ok(list.into_any())
  }

  fn map(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    self.descend(depth)?;
    let dict = PyDict::new(self.py);
    self.objects.push(Some(dict.clone().into_any()));
    let mut index = 0;
    while !self.ends(b':')? {
      let key = self.value(depth + 1).within(|| format!(" (key {index})"))?;
      let value = self
        .value(depth + 1)
        .within(|| format!(" (value {index})"))?;
      dict
        .set_item(&key, value)
        .map_err(|error| self.unhashable(error, &key, "key of a dict"))
        .within(|| format!(" (key {index})"))?;
      index += 1;
      if dict.len() < index {
        return Err(same("keys of this Map", "dict")).within(|| format!(" (key {})", index - 1));
      }
    }
    self.varint()?;
    Ok(dict.into_any())
  }

  fn set(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    self.descend(depth)?;
    let set = PySet::empty(self.py)?;
    self.objects.push(Some(set.clone().into_any()));
    let mut index = 0;
    while !self.ends(b',')? {
      let item = self
        .value(depth + 1)
        .within(|| format!(" (member {index})"))?;
      set
        .add(&item)
        .map_err(|error| self.unhashable(error, &item, "member of a set"))
        .within(|| format!(" (member {index})"))?;
      index += 1;
      if set.len() < index {
        return Err(same("members of this Set", "set"))
          .within(|| format!(" (member {})", index - 1));
      }
    }
    self.varint()?;
    Ok(set.into_any())
  }

  fn unhashable(&self, error: PyErr, key: &Bound<'py, PyAny>, what: &str) -> Trouble {
    if !error.is_instance_of::<PyTypeError>(self.py) {
      return error.into();
    }
    let class = super::classes::class_name(&key.get_type());
    unfit(format!(
      "A {class} cannot be a {what}. Pass the Map or Set as an Array: `[...it]`."
    ))
  }

  /// An ArrayBuffer, and the view of it that follows where it was written for that.
  fn buffer(&mut self, is_resizable: bool) -> Outcome<Bound<'py, PyAny>> {
    let size = self.varint()?;
    if is_resizable {
      self.varint()?;
    }
    let Ok(size) = usize::try_from(size) else {
      return Err(self.malformed("it ends too early"));
    };
    let content = self.take(size)?;
    let whole = PyBytes::new(self.py, content).into_any();
    self.buffers.push((self.objects.len(), content));
    self.objects.push(Some(whole.clone()));
    self.perhaps_a_view(whole, content)
  }

  fn reference(&mut self, number: u64) -> Outcome<Bound<'py, PyAny>> {
    let place = usize::try_from(number).ok();
    let known = place.and_then(|place| self.objects.get(place)?.clone());
    let Some((place, known)) = place.zip(known) else {
      return Err(self.malformed("a reference to nothing"));
    };
    match self.buffers.iter().find(|(buffer, _)| *buffer == place) {
      Some((_, content)) => self.perhaps_a_view(known, content),
      None => Ok(known),
    }
  }

  /// A view comes behind its buffer, or behind a reference to that.
  fn perhaps_a_view(
    &mut self,
    whole: Bound<'py, PyAny>,
    content: &'a [u8],
  ) -> Outcome<Bound<'py, PyAny>> {
    let before = self.at;
    if before == self.bytes.len() || self.tag()? != b'V' {
      self.at = before;
      return Ok(whole);
    }
    let place = self.reserve();
    let view = self.view(content)?;
    Ok(self.fill(place, view))
  }

  fn view(&mut self, content: &'a [u8]) -> Outcome<Bound<'py, PyAny>> {
    let kind = self.varint()?;
    let offset = self.varint()?;
    let length = self.varint()?;
    self.varint()?;
    let range = usize::try_from(offset)
      .ok()
      .zip(usize::try_from(length).ok())
      .and_then(|(offset, length)| content.get(offset..offset.checked_add(length)?));
    let Some(bytes) = range else {
      return Err(self.malformed("a view of what is not there"));
    };
    let kind = u8::try_from(kind).unwrap_or_default();
    let dtype = match kind {
      b'B' | b'?' => return Ok(PyBytes::new(self.py, bytes).into_any()),
      b'b' => Dtype::Int8,
      b'C' => Dtype::Uint8Clamped,
      b'W' => Dtype::Uint16,
      b'w' => Dtype::Int16,
      b'D' => Dtype::Uint32,
      b'd' => Dtype::Int32,
      b'h' => Dtype::Float16,
      b'f' => Dtype::Float32,
      b'F' => Dtype::Float64,
      b'Q' => Dtype::Uint64,
      b'q' => Dtype::Int64,
      _ => return Err(self.malformed(&format!("a view of kind {kind}"))),
    };
    if bytes.len() % dtype.size() != 0 {
      return Err(self.malformed("elements of another size"));
    }
    let count = isize::try_from(bytes.len() / dtype.size()).map_err(PyErr::from)?;
    Ok(memory_view(
      self.py,
      Memory::Owned(bytes.into()),
      dtype,
      Box::new([count]),
    )?)
  }

  fn text(&mut self) -> Outcome<Bound<'py, PyAny>> {
    match self.tag()? {
      b'"' => {
        let bytes = self.block()?;
        Ok(from_latin1(self.py, bytes)?)
      }
      b'c' => {
        let bytes = self.block()?;
        Ok(from_utf16(self.py, bytes)?)
      }
      tag => Err(self.malformed(&format!("a text of tag {tag}"))),
    }
  }

  fn error(&mut self, depth: usize) -> Outcome<Bound<'py, PyAny>> {
    self.descend(depth)?;
    let place = self.reserve();
    let fields = PyDict::new(self.py);
    fields.set_item("name", "Error")?;
    loop {
      let tag = u8::try_from(self.varint()?).unwrap_or_default();
      let name = match tag {
        b'E' => "EvalError",
        b'R' => "RangeError",
        b'F' => "ReferenceError",
        b'S' => "SyntaxError",
        b'T' => "TypeError",
        b'U' => "URIError",
        b'm' => {
          let message = self.text()?;
          fields.set_item("message", message)?;
          continue;
        }
        b's' => {
          let stack = self.text()?;
          fields.set_item("stack", stack)?;
          continue;
        }
        b'c' => {
          let cause = self.value(depth + 1).within(|| ".cause".to_owned())?;
          fields.set_item("cause", cause)?;
          continue;
        }
        b'.' => break,
        _ => return Err(self.malformed(&format!("an error with {tag}"))),
      };
      fields.set_item("name", name)?;
    }
    let error = self.handles.error(self.py, None, fields)?;
    Ok(self.fill(place, error))
  }

  /// A RegExp: what Python compiles of it.
  fn pattern(&mut self) -> Outcome<Bound<'py, PyAny>> {
    /// The bits of d, g, i, l, m, s, u, v, y as V8 has them, and what Python has for them.
    const GLOBAL: u64 = 1;
    const IGNORE_CASE: u64 = 1 << 1;
    const MULTILINE: u64 = 1 << 2;
    const STICKY: u64 = 1 << 3;
    const UNICODE: u64 = 1 << 4;
    const DOT_ALL: u64 = 1 << 5;
    let place = self.reserve();
    let source = self.text()?;
    let flags = self.varint()?;
    let known = GLOBAL | IGNORE_CASE | MULTILINE | STICKY | UNICODE | DOT_ALL;
    let re = self.py.import("re")?;
    let mut options = 0;
    for (flag, name) in [
      (IGNORE_CASE, "IGNORECASE"),
      (MULTILINE, "MULTILINE"),
      (DOT_ALL, "DOTALL"),
    ] {
      if flags & flag != 0 {
        options |= re.getattr(name)?.extract::<u32>()?;
      }
    }
    let made = (flags & !known == 0).then(|| re.call_method1("compile", (source, options)));
    match made {
      Some(Ok(pattern)) => Ok(self.fill(place, pattern)),
      _ => Err(unfit(
        "Python has no such regular expression. Pass its `source`.",
      )),
    }
  }

  /// `new Number(1)` and the like: the primitive.
  fn wrapped(&mut self, tag: u8) -> Outcome<Bound<'py, PyAny>> {
    let place = self.reserve();
    let value = match tag {
      b'y' => PyBool::new(self.py, true).to_owned().into_any(),
      b'x' => PyBool::new(self.py, false).to_owned().into_any(),
      b'n' => {
        let number = self.double()?;
        self.number(number)?
      }
      b'z' => self.bigint()?,
      _ => self.text()?,
    };
    Ok(self.fill(place, value))
  }
}

#[cold]
fn same(what: &str, target: &str) -> Trouble {
  unfit(format!(
    "Two {what} are the same to a {target} of Python's, as 1, 1n and true are. Pass it as an Array: `[...it]`."
  ))
}
