//! Python objects to a tape.

use std::collections::hash_map::Entry;
use std::rc::Rc;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyList, PyString, PyTuple, PyType};

use super::classes::{Class, Pydantic, class_name};
use super::dtype::{BYTES, Dtype};
use super::handles::{Handle, WriteHandles};
use super::limits::{LARGE, Limits, MAX_BUFFER, MAX_SAFE_INTEGER, MAX_TAPE};
use super::memory::{copied, owned, private, shared};
use super::moments::{microseconds, milliseconds};
use super::place::{Outcome, Trouble, Within, index_step, key_step, placed, quoted, unfit};
use super::py_buffer::Buffer;
use super::seen::{ByAddress, Seen, address};
use super::tag;
use super::tape::Tape;
use super::text::{Units, units, units_of};
use super::undefined::undefined;
use crate::bridge::bytes::LargeBody;

/// Writes one payload. What it writes shares one table of keys and one of references.
pub struct Writer<'a, 'py> {
  py: Python<'py>,
  handles: &'a mut dyn WriteHandles,
  bytes: Vec<u8>,
  buffers: Vec<LargeBody>,
  /// Keys by their objects, not by what they say: one that comes as two objects is named twice, which costs nothing but
  /// its bytes.
  keys: Seen<'py>,
  objects: Seen<'py>,
  /// Each holds its class, so that no other one gets its address.
  classes: ByAddress<(Rc<Class>, Bound<'py, PyType>)>,
  /// Exceptions that are being written.
  exceptions: Vec<Bound<'py, PyAny>>,
  undefined: *mut ffi::PyObject,
  limits: Limits,
}

impl<'a, 'py> Writer<'a, 'py> {
  pub fn new(py: Python<'py>, handles: &'a mut dyn WriteHandles) -> Self {
    Self {
      py,
      handles,
      bytes: Vec::new(),
      buffers: Vec::new(),
      keys: Seen::default(),
      objects: Seen::default(),
      classes: ByAddress::default(),
      exceptions: Vec::new(),
      // Held by the module; without it nobody can have passed it.
      undefined: undefined(py).map_or(std::ptr::null_mut(), |only| only.as_ptr()),
      limits: Limits::default(),
    }
  }

  /// Lets it write less than it could.
  #[must_use]
  pub fn within(mut self, limits: Limits) -> Self {
    self.limits = limits;
    self
  }

  pub fn byte(&mut self, byte: u8) {
    self.bytes.push(byte);
  }

  /// A number of at most 53 bits.
  pub fn varint(&mut self, number: u64) {
    let mut left = number;
    while left >= 0x80 {
      self.bytes.push(low_byte(left) | 0x80);
      left >>= 7;
    }
    self.bytes.push(low_byte(left));
  }

  /// A string as handles have them: no value.
  pub fn string(&mut self, text: &str) {
    self.name(&units_of(text));
  }

  /// A value. `root` is what its place is called in errors: `result`, `args`.
  ///
  /// # Errors
  ///
  /// `ConversionError` naming the place and the type of what cannot be passed, or what Python raises meanwhile.
  pub fn value(&mut self, value: &Bound<'py, PyAny>, root: &str) -> PyResult<()> {
    self
      .write(value, 0)
      .map_err(|trouble| placed(self.py, trouble, root))
  }

  pub fn finish(self) -> Tape {
    Tape {
      bytes: self.bytes,
      buffers: self.buffers,
    }
  }

  fn write(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Outcome<()> {
    if self.bytes.len() > self.limits.bytes {
      return Err(self.too_large());
    }
    let object = value.as_ptr();
    // SAFETY: objects that are alive; these classes and the three singletons are static.
    unsafe {
      let class = ffi::Py_TYPE(object);
      if class == &raw mut ffi::PyUnicode_Type {
        self.text(value)
      } else if class == &raw mut ffi::PyLong_Type {
        self.integer(value)
      } else if class == &raw mut ffi::PyFloat_Type {
        self.float(ffi::PyFloat_AsDouble(object));
        Ok(())
      } else if class == &raw mut ffi::PyDict_Type {
        self.dict(value, depth)
      } else if class == &raw mut ffi::PyList_Type {
        self.list(value, depth)
      } else if object == ffi::Py_None() {
        self.bytes.push(tag::NULL);
        Ok(())
      } else if class == &raw mut ffi::PyBool_Type {
        let is_true = object == ffi::Py_True();
        self
          .bytes
          .push(if is_true { tag::TRUE } else { tag::FALSE });
        Ok(())
      } else if class == &raw mut ffi::PyTuple_Type {
        self.tuple(value, depth)
      } else if object == self.undefined {
        self.bytes.push(tag::UNDEFINED);
        Ok(())
      } else {
        self.other(value, depth)
      }
    }
  }

  /// What is of none of the commonest classes themselves.
  fn other(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Outcome<()> {
    let class = self.class(value)?;
    match class.as_ref() {
      Class::Integer => self.integer(value),
      Class::Float => {
        self.float(value.extract()?);
        Ok(())
      }
      Class::Text => self.text(value),
      Class::Bytes => self.byte_string(value),
      Class::List => self.list(value, depth),
      Class::Tuple => self.tuple(value, depth),
      Class::Dict => self.dict_of_class(value, depth),
      Class::Sequence => self.sequence(value, depth),
      Class::Set => self.set(value, depth),
      Class::Member => {
        let member = value.getattr("value")?;
        // An enumeration of its own members would have no end.
        self.inner(&member, depth)
      }
      Class::NumpyScalar => self.inner(&value.call_method0("item")?, depth),
      Class::Datetime => self.datetime(value),
      Class::Timedelta => self.timedelta(value),
      Class::Iso => self.text(
        value
          .call_method0("isoformat")?
          .cast::<PyString>()
          .map_err(PyErr::from)?,
      ),
      Class::Shown => self.text(value.str()?.as_any()),
      Class::Exception => self.exception(value, depth),
      Class::Fields(fields) => self.fields(value, fields, Vec::new(), depth),
      Class::Pydantic(Pydantic { fields, is_root }) => {
        if *is_root {
          return self.inner(&value.getattr("root")?, depth);
        }
        let extra = Pydantic::extra(value)?;
        self.fields(value, fields, extra, depth)
      }
      Class::Buffer => self.buffer(value),
      Class::Other => match self.handles.export(self.py, value)? {
        Some(handle) => {
          self.handle(&handle);
          Ok(())
        }
        None => Err(refused(value, self.handles.remedy())),
      },
      Class::Refused(remedy) => Err(refused(value, remedy)),
    }
  }

  fn class(&mut self, value: &Bound<'py, PyAny>) -> PyResult<Rc<Class>> {
    let class = value.get_type();
    if let Some((known, _)) = self.classes.get(&address(class.as_ptr())) {
      return Ok(Rc::clone(known));
    }
    let found = Rc::new(Class::of(&class, value)?);
    match self.classes.entry(address(class.as_ptr())) {
      Entry::Occupied(entry) => Ok(Rc::clone(&entry.get().0)),
      Entry::Vacant(entry) => Ok(Rc::clone(&entry.insert((found, class)).0)),
    }
  }

  /// What an object holds that is one level down without being a container to JavaScript.
  fn inner(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Outcome<()> {
    self.descend(depth)?;
    self.write(value, depth + 1)
  }

  fn integer(&mut self, value: &Bound<'py, PyAny>) -> Outcome<()> {
    let mut overflow = 0;
    // SAFETY: an integer, as the caller has looked at.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(value.as_ptr(), &raw mut overflow) };
    if overflow == 0 && number.unsigned_abs() <= MAX_SAFE_INTEGER {
      self.bytes.push(tag::INT);
      // All bits of `number >> 63` are the sign.
      self.varint(((number << 1) ^ (number >> 63)).cast_unsigned());
      return Ok(());
    }
    self.bigint(value)
  }

  #[cold]
  fn bigint(&mut self, value: &Bound<'py, PyAny>) -> Outcome<()> {
    // A class that extends `int` may have other methods of these names.
    let int = self.py.get_type::<PyInt>();
    let is_negative: bool = int.call_method1("__lt__", (value, 0))?.extract()?;
    let magnitude = int.call_method1("__abs__", (value,))?;
    let bits: usize = int.call_method1("bit_length", (&magnitude,))?.extract()?;
    let length = bits.div_ceil(8);
    if length > self.limits.bytes {
      return Err(self.too_large());
    }
    let bytes = int.call_method1("to_bytes", (&magnitude, length, "little"))?;
    let bytes = bytes.cast::<PyBytes>().map_err(PyErr::from)?;
    self.bytes.push(tag::BIGINT);
    self.bytes.push(u8::from(is_negative));
    self.varint(length as u64);
    self.bytes.extend_from_slice(bytes.as_bytes());
    Ok(())
  }

  fn float(&mut self, number: f64) {
    self.bytes.push(tag::FLOAT);
    self.bytes.extend_from_slice(&number.to_le_bytes());
  }

  fn text(&mut self, text: &Bound<'py, PyAny>) -> Outcome<()> {
    let units = units(text)?;
    self.room(units.size())?;
    self.bytes.push(if units.is_utf16() {
      tag::UTF16
    } else {
      tag::LATIN1
    });
    self.varint(units.count() as u64);
    units.append_to(&mut self.bytes);
    Ok(())
  }

  fn name(&mut self, units: &Units<'_>) {
    self.varint(((units.count() as u64) << 1) | u64::from(units.is_utf16()));
    units.append_to(&mut self.bytes);
  }

  fn key(&mut self, key: &Bound<'py, PyAny>) -> Outcome<()> {
    if let Some(known) = self.keys.number(key) {
      self.varint(known + 1);
      return Ok(());
    }
    let units = units(key)?;
    self.room(units.size())?;
    self.bytes.push(0);
    self.name(&units);
    Ok(())
  }

  /// Writes a reference to what has a number, and gives one to what has none.
  fn is_known(&mut self, object: &Bound<'py, PyAny>) -> bool {
    let Some(number) = self.objects.number(object) else {
      return false;
    };
    self.bytes.push(tag::REF);
    self.varint(number);
    true
  }

  fn begin(&mut self, tag: u8, count: usize) {
    self.bytes.push(tag);
    self.varint(count as u64);
  }

  fn list(&mut self, list: &Bound<'py, PyAny>, depth: usize) -> Outcome<()> {
    if self.is_known(list) {
      return Ok(());
    }
    self.descend(depth)?;
    // SAFETY: a list, as the caller has looked at.
    let list = unsafe { list.cast_unchecked::<PyList>() };
    let count = list.len();
    self.begin(tag::ARRAY, count);
    for index in 0..count {
      // What writing calls may have changed it.
      let Ok(item) = list.get_item(index) else {
        return Err(changed("list"));
      };
      self.write(&item, depth + 1).within(|| index_step(index))?;
    }
    if list.len() == count {
      Ok(())
    } else {
      Err(changed("list"))
    }
  }

  fn tuple(&mut self, tuple: &Bound<'py, PyAny>, depth: usize) -> Outcome<()> {
    if self.is_known(tuple) {
      return Ok(());
    }
    self.descend(depth)?;
    // SAFETY: a tuple, as the caller has looked at.
    let tuple = unsafe { tuple.cast_unchecked::<PyTuple>() };
    self.begin(tag::ARRAY, tuple.len());
    for (index, item) in tuple.iter().enumerate() {
      self.write(&item, depth + 1).within(|| index_step(index))?;
    }
    Ok(())
  }

  fn sequence(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Outcome<()> {
    if self.is_known(value) {
      return Ok(());
    }
    self.descend(depth)?;
    let items = self.listed(value)?;
    self.begin(tag::ARRAY, items.len());
    for (index, item) in items.iter().enumerate() {
      self.write(&item, depth + 1).within(|| index_step(index))?;
    }
    Ok(())
  }

  fn set(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Outcome<()> {
    if self.is_known(value) {
      return Ok(());
    }
    self.descend(depth)?;
    let items = self.listed(value)?;
    self.begin(tag::SET, items.len());
    for item in items.iter() {
      self
        .write(&item, depth + 1)
        .within(|| format!(" (member {})", shown(&item)))?;
    }
    Ok(())
  }

  /// What is in it now, whatever becomes of it.
  fn listed(&self, value: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyList>> {
    // Each item takes a byte at least.
    if value.len()? > self.limits.bytes {
      return Err(self.too_large());
    }
    // SAFETY: an object.
    let list = unsafe { ffi::PySequence_List(value.as_ptr()) };
    // SAFETY: a new list, or null with an exception set.
    let list = unsafe { Bound::from_owned_ptr_or_err(self.py, list) }?;
    Ok(list.cast_into().map_err(PyErr::from)?)
  }

  /// A dict of a class that may have an order, or items, of its own.
  fn dict_of_class(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Outcome<()> {
    if self.is_known(value) {
      return Ok(());
    }
    let plain = self.py.get_type::<PyDict>().call1((value,))?;
    self.items(&plain, depth)
  }

  fn dict(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Outcome<()> {
    if self.is_known(value) {
      return Ok(());
    }
    self.items(value, depth)
  }

  fn items(&mut self, dict: &Bound<'py, PyAny>, depth: usize) -> Outcome<()> {
    self.descend(depth)?;
    // SAFETY: a dict, as the callers have looked at.
    let count = unsafe { ffi::PyDict_Size(dict.as_ptr()) }.unsigned_abs();
    let is_object = has_text_keys(dict);
    self.begin(if is_object { tag::OBJECT } else { tag::MAP }, count);
    let mut items = Items::of(dict);
    let mut written = 0;
    while let Some((key, value)) = items.next(self.py) {
      written += 1;
      if written > count || is_object && !is_text(&key) {
        return Err(changed("dict"));
      }
      if is_object {
        self.key(&key)?;
      } else {
        self
          .write(&key, depth + 1)
          .within(|| format!(" (key {})", shown(&key)))?;
      }
      self.write(&value, depth + 1).within(|| step_of(&key))?;
    }
    if written == count {
      Ok(())
    } else {
      Err(changed("dict"))
    }
  }

  /// An object of attributes.
  fn fields(
    &mut self,
    value: &Bound<'py, PyAny>,
    fields: &[Py<PyString>],
    extra: Vec<(Bound<'py, PyString>, Bound<'py, PyAny>)>,
    depth: usize,
  ) -> Outcome<()> {
    if self.is_known(value) {
      return Ok(());
    }
    self.descend(depth)?;
    self.begin(tag::OBJECT, fields.len() + extra.len());
    for name in fields {
      let name = name.bind(self.py);
      let field = value.getattr(name)?;
      self.key(name)?;
      self.write(&field, depth + 1).within(|| step_of(name))?;
    }
    for (name, field) in extra {
      self.key(&name)?;
      self.write(&field, depth + 1).within(|| step_of(&name))?;
    }
    Ok(())
  }

  fn datetime(&mut self, value: &Bound<'py, PyAny>) -> Outcome<()> {
    if value.call_method0("utcoffset")?.is_none() {
      return self.text(
        value
          .call_method0("isoformat")?
          .cast::<PyString>()
          .map_err(PyErr::from)?,
      );
    }
    // Some libraries have a moment that is none.
    let moment = milliseconds(value).map_err(|_| refused(value, "It is no moment: pass None."))?;
    if !self.is_known(value) {
      self.bytes.push(tag::DATE);
      self.bytes.extend_from_slice(&moment.to_le_bytes());
    }
    Ok(())
  }

  fn timedelta(&mut self, value: &Bound<'py, PyAny>) -> Outcome<()> {
    let whole = microseconds(value)?;
    if whole % 1000 == 0 {
      let whole = (whole / 1000).into_pyobject(self.py).map_err(PyErr::from)?;
      return self.integer(whole.as_any());
    }
    #[allow(
      clippy::cast_precision_loss,
      reason = "JavaScript has no better number"
    )]
    self.float(whole as f64 / 1000.0);
    Ok(())
  }

  fn handle(&mut self, handle: &Handle) {
    self.bytes.push(handle.tag);
    self.bytes.push(handle.kind);
    self.varint(handle.id);
    self.string(&handle.name);
  }

  fn exception(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Outcome<()> {
    self.descend(depth)?;
    self.bytes.push(tag::ERROR);
    let handle = self.handles.export(self.py, value)?;
    match &handle {
      Some(handle) => self.handle(handle),
      None => self.bytes.push(tag::NULL),
    }
    let is_home = handle.is_some_and(|handle| handle.tag == tag::JS);
    // What is its own cause is told once.
    if is_home || self.exceptions.iter().any(|other| other.is(value)) {
      return self.dict(PyDict::new(self.py).as_any(), depth + 1);
    }
    let fields = self.handles.error_fields(self.py, value)?;
    self.exceptions.push(value.clone());
    let outcome = self.dict(fields.as_any(), depth + 1);
    self.exceptions.pop();
    outcome
  }

  fn byte_string(&mut self, value: &Bound<'py, PyAny>) -> Outcome<()> {
    // SAFETY: `bytes`, as the caller has looked at.
    let content = unsafe { value.cast_unchecked::<PyBytes>() }.as_bytes();
    if content.is_empty() {
      self.begin(tag::BYTES, 0);
    } else if !self.is_known(value) {
      if content.len() < LARGE || self.limits.is_inline {
        self.room(content.len())?;
        self.begin(tag::BYTES, content.len());
        self.bytes.extend_from_slice(content);
      } else {
        self.beside(private(self.py, content)?, BYTES)?;
      }
    }
    Ok(())
  }

  /// Refers to memory that goes beside the tape.
  fn beside(&mut self, memory: LargeBody, elements: u8) -> Outcome<()> {
    if memory.len > MAX_BUFFER {
      return Err(unfit(format!(
        "It has {} bytes, and a typed array of JavaScript 4 GiB at most. Pass it in parts.",
        memory.len
      )));
    }
    self.begin(tag::BUFFER, self.buffers.len());
    self.varint(memory.len as u64);
    self.bytes.push(elements);
    self.buffers.push(memory);
    Ok(())
  }

  fn buffer(&mut self, value: &Bound<'py, PyAny>) -> Outcome<()> {
    let buffer = Buffer::of(value).map_err(|error| self.no_elements(value, Some(&error), b""))?;
    let Some(dtype) = Dtype::from_format(buffer.format(), buffer.item_size()) else {
      return Err(self.no_elements(value, None, buffer.format()));
    };
    let is_bytes = dtype == Dtype::Uint8 && buffer.dimensions() == 1 && buffer.is_readonly();
    if is_bytes && buffer.len() == 0 {
      self.begin(tag::BYTES, 0);
      return Ok(());
    }
    if self.is_known(value) {
      return Ok(());
    }
    if buffer.dimensions() != 1 {
      let shape: Vec<u64> = buffer
        .shape()
        .iter()
        .map(|size| size.unsigned_abs() as u64)
        .collect();
      self.bytes.push(tag::NDARRAY);
      self.bytes.push(dtype.byte());
      self.varint(shape.len() as u64);
      for size in shape {
        self.varint(size);
      }
    }
    let is_aligned = buffer.data().align_offset(dtype.size()) == 0;
    let is_shareable =
      !buffer.is_readonly() && buffer.len() > 0 && is_aligned && buffer.is_contiguous();
    if is_shareable && !self.limits.is_inline {
      return self.beside(shared(self.py, buffer)?, dtype.byte());
    }
    // What may not be written into, or lies otherwise than JavaScript's arrays do, goes as a copy.
    self.room(if self.limits.is_inline {
      buffer.len()
    } else {
      0
    })?;
    let content = copied(self.py, &buffer)?;
    if buffer.len() >= LARGE && !self.limits.is_inline {
      return self.beside(owned(content), if is_bytes { BYTES } else { dtype.byte() });
    }
    if is_bytes {
      self.begin(tag::BYTES, buffer.len());
    } else {
      self.bytes.push(tag::TYPED);
      self.bytes.push(dtype.byte());
      self.varint(buffer.len() as u64);
    }
    self.bytes.extend_from_slice(content.as_bytes());
    Ok(())
  }

  /// For elements that JavaScript has no array for.
  #[cold]
  fn no_elements(
    &self,
    value: &Bound<'py, PyAny>,
    error: Option<&PyErr>,
    format: &[u8],
  ) -> Trouble {
    let dtype = value.getattr("dtype").and_then(|dtype| dtype.str());
    let what = match (dtype, error) {
      (Ok(dtype), _) => format!("of dtype `{}`", dtype.to_string_lossy()),
      (_, Some(error)) => format!("that gives no buffer ({})", error.value(self.py)),
      _ => format!("of format {}", quoted(&String::from_utf8_lossy(format))),
    };
    unfit(format!(
      "JavaScript has no array for this one {what}. Convert it, as by `.astype(\"float64\")` or `.tolist()`.",
    ))
  }

  fn descend(&self, depth: usize) -> Outcome<()> {
    if depth < self.limits.depth {
      return Ok(());
    }
    Err(unfit(format!(
      "What is passed is more than {} levels deep. Pass it flat, or as a handle.",
      grouped(self.limits.depth)
    )))
  }

  #[cold]
  fn too_large(&self) -> Trouble {
    let most = if self.limits.bytes == MAX_TAPE {
      "512 MiB".to_owned()
    } else {
      format!("{} bytes", grouped(self.limits.bytes))
    };
    unfit(format!(
      "With this, what is passed is larger than {most}. Pass less at once, a file of it, or an array."
    ))
  }

  fn room(&self, count: usize) -> Outcome<()> {
    if self.bytes.len() + count > self.limits.bytes {
      Err(self.too_large())
    } else {
      Ok(())
    }
  }
}

/// Goes through a dict, whatever becomes of it meanwhile.
struct Items<'a, 'py> {
  dict: &'a Bound<'py, PyAny>,
  position: isize,
}

impl<'a, 'py> Items<'a, 'py> {
  fn of(dict: &'a Bound<'py, PyAny>) -> Self {
    Self { dict, position: 0 }
  }

  fn next(&mut self, py: Python<'py>) -> Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let mut key = std::ptr::null_mut();
    let mut value = std::ptr::null_mut();
    // SAFETY: a dict. One that has changed gives fewer items or others, but always such that it has.
    let found = unsafe {
      ffi::PyDict_Next(
        self.dict.as_ptr(),
        &raw mut self.position,
        &raw mut key,
        &raw mut value,
      )
    };
    // SAFETY: the dict holds both.
    (found != 0).then(|| unsafe {
      (
        Bound::from_borrowed_ptr(py, key),
        Bound::from_borrowed_ptr(py, value),
      )
    })
  }
}

fn has_text_keys(dict: &Bound<'_, PyAny>) -> bool {
  let mut position = 0;
  let mut key = std::ptr::null_mut();
  // SAFETY: a dict, which nothing changes meanwhile: looking at a class calls nothing.
  while unsafe {
    ffi::PyDict_Next(
      dict.as_ptr(),
      &raw mut position,
      &raw mut key,
      std::ptr::null_mut(),
    )
  } != 0
  {
    // SAFETY: the dict holds its keys. Most are of the class itself, which shows without a call.
    let is_text = unsafe {
      ffi::Py_TYPE(key) == &raw mut ffi::PyUnicode_Type || ffi::PyUnicode_Check(key) != 0
    };
    if !is_text {
      return false;
    }
  }
  true
}

fn is_text(value: &Bound<'_, PyAny>) -> bool {
  // SAFETY: an object.
  unsafe { ffi::PyUnicode_Check(value.as_ptr()) != 0 }
}

fn low_byte(number: u64) -> u8 {
  number.to_le_bytes()[0]
}

/// A number with commas, as people read it.
fn grouped(number: usize) -> String {
  let digits = number.to_string();
  let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
  for (index, digit) in digits.chars().enumerate() {
    if index > 0 && (digits.len() - index).is_multiple_of(3) {
      shown.push(',');
    }
    shown.push(digit);
  }
  shown
}

#[cold]
fn refused(value: &Bound<'_, PyAny>, remedy: &str) -> Trouble {
  let class = value.get_type();
  unfit(format!(
    "JavaScript cannot have this, an object of the class `{}`. {remedy}",
    class_name(&class),
  ))
}

#[cold]
fn changed(what: &str) -> Trouble {
  unfit(format!(
    "This {what} was changed while it was read. Pass a copy of it."
  ))
}

/// The step to the value of a key.
fn step_of(key: &Bound<'_, PyAny>) -> String {
  match key.cast::<PyString>() {
    Ok(text) => key_step(&text.to_string_lossy()),
    Err(_) => format!("[{}]", shown(key)),
  }
}

/// A key or a member in an error. Calls nothing of the app's.
fn shown(value: &Bound<'_, PyAny>) -> String {
  if let Ok(text) = value.cast_exact::<PyString>() {
    return quoted(&text.to_string_lossy());
  }
  if let Ok(number) = value.extract::<i64>() {
    return number.to_string();
  }
  format!("of class {}", class_name(&value.get_type()))
}
