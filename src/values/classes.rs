//! What the instances of a class are to JavaScript. Looked up once a payload for each class.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyAnyMethods, PyString, PyType};

use super::known::{class_of, is_a};
use super::py_buffer::has_buffer;

/// What is done with an instance.
pub enum Class {
  Integer,
  Float,
  Text,
  Bytes,
  List,
  Tuple,
  Dict,
  /// What is made a list of first.
  Sequence,
  /// Sets of either kind.
  Set,
  /// A member of an enumeration: its value.
  Member,
  /// An aware one is a Date, a naive one its text.
  Datetime,
  Timedelta,
  /// What `isoformat()` gives.
  Iso,
  /// What `str()` gives.
  Shown,
  Exception,
  /// These attributes.
  Fields(Vec<Py<PyString>>),
  Pydantic(Pydantic),
  /// A number of numpy's: what `item()` gives.
  NumpyScalar,
  Buffer,
  /// No data.
  Other,
  /// What looks like data and is not, or is more than what it looks like: why.
  Refused(&'static str),
}

pub struct Pydantic {
  /// Without those that are excluded.
  pub fields: Vec<Py<PyString>>,
  /// Its one value instead of an object.
  pub is_root: bool,
}

const LONG: u64 = 1 << 24;
const LIST: u64 = 1 << 25;
const TUPLE: u64 = 1 << 26;
const BYTES: u64 = 1 << 27;
const TEXT: u64 = 1 << 28;
const DICT: u64 = 1 << 29;
const EXCEPTION: u64 = 1 << 30;
const TYPE: u64 = 1 << 31;

impl Class {
  /// What `value` is, which is an instance of `class`.
  ///
  /// # Errors
  ///
  /// What Python raises.
  pub fn of(class: &Bound<'_, PyType>, value: &Bound<'_, PyAny>) -> PyResult<Self> {
    // SAFETY: a type, with the GIL held.
    let flags = unsafe { ffi::PyType_GetFlags(class.as_type_ptr()) };
    #[allow(
      clippy::useless_conversion,
      reason = "it has 32 bits on some platforms"
    )]
    let flags = u64::from(flags);
    let has = |flag: u64| flags & flag != 0;
    if has(TYPE) {
      return Ok(Self::Other);
    }
    if is_a(class, "enum", "Enum") {
      return Ok(Self::Member);
    }
    if let Some(class) = Self::of_flags(flags) {
      return Ok(class);
    }
    Self::of_library(class, value)
  }

  fn of_flags(flags: u64) -> Option<Self> {
    let kinds = [
      (LONG, Self::Integer),
      (TEXT, Self::Text),
      (BYTES, Self::Bytes),
      (LIST, Self::List),
      (TUPLE, Self::Tuple),
      (DICT, Self::Dict),
      (EXCEPTION, Self::Exception),
    ];
    kinds
      .into_iter()
      .find_map(|(flag, class)| (flags & flag != 0).then_some(class))
  }

  fn of_library(class: &Bound<'_, PyType>, value: &Bound<'_, PyAny>) -> PyResult<Self> {
    let known = [
      ("builtins", "float", Self::Float),
      ("builtins", "set", Self::Set),
      ("builtins", "frozenset", Self::Set),
      ("builtins", "range", Self::Sequence),
      ("collections", "deque", Self::Sequence),
      ("datetime", "datetime", Self::Datetime),
      ("datetime", "date", Self::Iso),
      ("datetime", "time", Self::Iso),
      ("datetime", "timedelta", Self::Timedelta),
      ("uuid", "UUID", Self::Shown),
      ("pathlib", "PurePath", Self::Shown),
      ("decimal", "Decimal", Self::Shown),
      ("fractions", "Fraction", Self::Shown),
      (
        "numpy",
        "datetime64",
        Self::Refused("Convert it to a datetime: `.item()` of a `datetime64[us]`."),
      ),
      (
        "numpy",
        "timedelta64",
        Self::Refused("Convert it to a timedelta: `.item()` of a `timedelta64[us]`."),
      ),
      (
        "numpy",
        "longdouble",
        Self::Refused("Convert it by `float(…)`."),
      ),
      (
        "numpy",
        "void",
        Self::Refused("Convert it to a tuple or a dict."),
      ),
      ("numpy", "generic", Self::NumpyScalar),
      (
        "numpy.ma",
        "MaskedArray",
        Self::Refused("Fill it first: `.filled(…)`."),
      ),
    ];
    for (module, name, found) in known {
      if is_a(class, module, name) {
        return Ok(found);
      }
    }
    if let Some(pydantic) = Pydantic::of(class)? {
      return Ok(Self::Pydantic(pydantic));
    }
    if let Some(fields) = fields(class)? {
      return Ok(Self::Fields(fields));
    }
    Ok(if has_buffer(value) {
      Self::Buffer
    } else {
      Self::Other
    })
  }
}

/// The fields of a dataclass or a class of attrs.
fn fields(class: &Bound<'_, PyType>) -> PyResult<Option<Vec<Py<PyString>>>> {
  let py = class.py();
  let described = if class.hasattr("__dataclass_fields__")? {
    py.import("dataclasses")?.call_method1("fields", (class,))?
  } else if let Some(described) = class.getattr_opt("__attrs_attrs__")? {
    described
  } else {
    return Ok(None);
  };
  let mut names = Vec::new();
  for field in described.try_iter()? {
    names.push(field?.getattr("name")?.cast_into::<PyString>()?.unbind());
  }
  Ok(Some(names))
}

impl Pydantic {
  fn of(class: &Bound<'_, PyType>) -> PyResult<Option<Self>> {
    if class_of(class.py(), "pydantic", "BaseModel").is_none() {
      return Ok(None);
    }
    let Some(described) = class.getattr_opt("__pydantic_fields__")? else {
      return Ok(None);
    };
    let is_root = class
      .getattr_opt("__pydantic_root_model__")?
      .is_some_and(|root| root.is_truthy().unwrap_or(false));
    let mut fields = Vec::new();
    for item in described.call_method0("items")?.try_iter()? {
      let (name, field): (Bound<'_, PyString>, Bound<'_, PyAny>) = item?.extract()?;
      // What a model leaves out of its own dumps is mostly a secret.
      let excluded = field.getattr_opt("exclude")?;
      if !excluded.is_some_and(|excluded| excluded.is_truthy().unwrap_or(false)) {
        fields.push(name.unbind());
      }
    }
    let decorators = class.getattr_opt("__pydantic_decorators__")?;
    if let Some(computed) = decorators
      .map(|decorators| decorators.getattr("computed_fields"))
      .transpose()?
    {
      for name in computed.try_iter()? {
        fields.push(name?.cast_into::<PyString>()?.unbind());
      }
    }
    Ok(Some(Self { fields, is_root }))
  }

  /// The values of a model that are beside its fields, if it takes any.
  ///
  /// # Errors
  ///
  /// What Python raises.
  pub fn extra<'py>(
    model: &Bound<'py, PyAny>,
  ) -> PyResult<Vec<(Bound<'py, PyString>, Bound<'py, PyAny>)>> {
    let Some(extra) = model.getattr_opt("__pydantic_extra__")? else {
      return Ok(Vec::new());
    };
    if extra.is_none() {
      return Ok(Vec::new());
    }
    let mut values = Vec::new();
    for item in extra.call_method0("items")?.try_iter()? {
      values.push(item?.extract()?);
    }
    Ok(values)
  }
}

/// The name of a class as people know it: with its module unless that is `builtins`.
pub fn class_name(class: &Bound<'_, PyType>) -> String {
  class.fully_qualified_name().map_or_else(
    |_| "object".into(),
    |name| name.to_string_lossy().into_owned(),
  )
}
