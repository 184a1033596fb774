//! ASGI event dictionaries ⇄ Rust. Every malformed one is named, in words the app's author can act on.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyInt, PyList, PyMemoryView, PyString, PyTuple};

/// Far more than any client takes, and little enough for any batch.
const MAX_HEAD: usize = 1 << 20;

/// The head of a response, ready for the outbox.
pub struct ResponseHead {
  pub status: u16,
  /// `name NUL value NUL name NUL value`, latin-1.
  pub text: Vec<u8>,
  /// The body length that the app declared.
  pub content_length: Option<u64>,
}

impl ResponseHead {
  /// Adds the length of a body that the app sent whole without one: cheaper than chunks, for all.
  pub fn set_content_length(&mut self, length: usize) {
    if !self.text.is_empty() {
      self.text.push(0);
    }
    self.text.extend_from_slice(b"content-length\0");
    self.text.extend_from_slice(length.to_string().as_bytes());
    self.content_length = Some(length as u64);
  }
}

/// The event's `type`.
pub fn event_type<'py>(message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
  let py = message.py();
  let value = match message.cast::<PyDict>() {
    Ok(dict) => dict.get_item(intern!(py, "type"))?,
    Err(_) => message.get_item(intern!(py, "type")).ok(),
  };
  let Some(value) = value else {
    return Err(PyTypeError::new_err(format!(
      "an ASGI event must be a dict with a 'type', but send() was given {}",
      type_name(message)
    )));
  };
  value.cast_into::<PyString>().map_err(|error| {
    PyTypeError::new_err(format!(
      "the 'type' of an ASGI event must be a str, not {}",
      type_name(&error.into_inner())
    ))
  })
}

/// Parses `http.response.start`.
pub fn response_start(message: &Bound<'_, PyAny>) -> PyResult<ResponseHead> {
  let py = message.py();
  let Some(status) = optional(message, intern!(py, "status"))? else {
    return Err(PyValueError::new_err(
      "'http.response.start' must have a 'status'",
    ));
  };
  let status = status_code(&status)?;
  let mut head = HeadWriter {
    text: Vec::with_capacity(256),
    ..HeadWriter::default()
  };
  if let Some(headers) = optional(message, intern!(py, "headers"))?.filter(|value| !value.is_none())
  {
    if let Ok(list) = headers.cast::<PyList>() {
      for item in list {
        head.item(&item)?;
      }
    } else {
      let items = headers.try_iter().map_err(|_| {
        PyTypeError::new_err(format!(
          "'headers' of 'http.response.start' must be an iterable of (name, value) pairs, not {}",
          type_name(&headers)
        ))
      })?;
      for item in items {
        head.item(&item?)?;
      }
    }
  }
  if head.text.len() > MAX_HEAD {
    return Err(PyValueError::new_err(format!(
      "the response's headers are {} bytes long; at most {MAX_HEAD} can be sent",
      head.text.len()
    )));
  }
  if head.transfer_encoding && head.content_length.is_some() {
    return Err(PyValueError::new_err(
      "a response can't have both 'content-length' and 'transfer-encoding'; leave out 'transfer-encoding'",
    ));
  }
  // RFC 9110 8.6: a 204 response has no content-length.
  if status == 204 && head.content_length.is_some() {
    head.drop_content_length();
  }
  Ok(ResponseHead {
    status,
    text: head.text,
    content_length: head.content_length,
  })
}

/// Parses `http.response.body` into its non-empty bytes and `more_body`.
pub fn response_body<'py>(
  message: &Bound<'py, PyAny>,
) -> PyResult<(Option<Bound<'py, PyBytes>>, bool)> {
  let py = message.py();
  let body = match optional(message, intern!(py, "body"))? {
    Some(body) => bytes_like(body)?,
    None => None,
  };
  let more_body = match optional(message, intern!(py, "more_body"))? {
    Some(more) => more.is_truthy()?,
    None => false,
  };
  Ok((body, more_body))
}

/// `http.request`
pub fn http_request<'py>(
  py: Python<'py>,
  body: &Bound<'py, PyBytes>,
  more_body: bool,
) -> PyResult<Bound<'py, PyDict>> {
  let event = PyDict::new(py);
  event.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
  event.set_item(intern!(py, "body"), body)?;
  event.set_item(intern!(py, "more_body"), more_body)?;
  Ok(event)
}

/// An event that is nothing but its type.
pub fn bare<'py>(py: Python<'py>, kind: &str) -> PyResult<Bound<'py, PyDict>> {
  let event = PyDict::new(py);
  event.set_item(intern!(py, "type"), PyString::intern(py, kind))?;
  Ok(event)
}

/// A key's value, of a dict or of any other mapping.
pub fn optional<'py>(
  message: &Bound<'py, PyAny>,
  key: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
  match message.cast::<PyDict>() {
    Ok(dict) => dict.get_item(key),
    Err(_) => Ok(message.get_item(key).ok()),
  }
}

pub fn type_name(value: &Bound<'_, PyAny>) -> String {
  value.get_type().name().map_or_else(
    |_| "an unnamed type".to_owned(),
    |name| name.to_string_lossy().into_owned(),
  )
}

fn status_code(value: &Bound<'_, PyAny>) -> PyResult<u16> {
  if !value.is_instance_of::<PyInt>() {
    return Err(PyTypeError::new_err(format!(
      "'status' of 'http.response.start' must be an int from 200 to 999, not {}",
      shown(value)
    )));
  }
  value
    .extract::<u16>()
    .ok()
    .filter(|status| (200..=999).contains(status))
    .ok_or_else(|| {
      PyValueError::new_err(format!(
        "'status' of 'http.response.start' must be a final status code from 200 to 999, not {}",
        shown(value)
      ))
    })
}

/// `repr(value)`, or its type where that fails.
fn shown(value: &Bound<'_, PyAny>) -> String {
  value.repr().map_or_else(
    |_| type_name(value),
    |repr| repr.to_string_lossy().into_owned(),
  )
}

/// `bytes` as they are; other buffers that a server may be given are copied. Empty becomes `None`.
fn bytes_like(value: Bound<'_, PyAny>) -> PyResult<Option<Bound<'_, PyBytes>>> {
  let py = value.py();
  let bytes = match value.cast_into::<PyBytes>() {
    Ok(bytes) => bytes,
    Err(error) => {
      let value = error.into_inner();
      if let Ok(array) = value.cast::<PyByteArray>() {
        PyBytes::new(py, &array.to_vec())
      } else if let Ok(view) = value.cast::<PyMemoryView>() {
        view
          .call_method0(intern!(py, "tobytes"))?
          .cast_into::<PyBytes>()?
      } else {
        return Err(PyTypeError::new_err(format!(
          "'body' of 'http.response.body' must be bytes, not {}",
          type_name(&value)
        )));
      }
    }
  };
  Ok((!bytes.as_bytes().is_empty()).then_some(bytes))
}

/// Collects the header list, and what its fields mean for the framing.
#[derive(Default)]
struct HeadWriter {
  text: Vec<u8>,
  content_length: Option<u64>,
  transfer_encoding: bool,
}

impl HeadWriter {
  fn item(&mut self, item: &Bound<'_, PyAny>) -> PyResult<()> {
    let (name, value) = pair(item)?;
    self.field(header_bytes(&name, "name")?, header_bytes(&value, "value")?)
  }

  fn field(&mut self, name: &[u8], value: &[u8]) -> PyResult<()> {
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
      return Err(PyValueError::new_err(format!(
        "a response header has the name {}, which is not a valid field name",
        quoted(name)
      )));
    }
    if !value.iter().all(|byte| is_field_value(*byte)) {
      return Err(PyValueError::new_err(format!(
        "response header {} has a value with a control character (such as CR, LF or NUL): {}",
        quoted(name),
        quoted(value)
      )));
    }
    match name.len() {
      2 if name.eq_ignore_ascii_case(b"te") => return Ok(()),
      7 if name.eq_ignore_ascii_case(b"upgrade") => return Ok(()),
      // The connection belongs to the server; an app may only ask for its end.
      10 if name.eq_ignore_ascii_case(b"connection") && !is_close(value) => return Ok(()),
      10 if name.eq_ignore_ascii_case(b"keep-alive") => return Ok(()),
      14 if name.eq_ignore_ascii_case(b"content-length") => {
        let length = content_length(value)?;
        if let Some(earlier) = self.content_length {
          if earlier != length {
            return Err(PyValueError::new_err(format!(
              "the response has two different 'content-length' headers: {earlier} and {length}"
            )));
          }
          return Ok(());
        }
        self.content_length = Some(length);
      }
      16 if name.eq_ignore_ascii_case(b"proxy-connection") => return Ok(()),
      17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
        self.transfer_encoding = true;
        return Ok(());
      }
      _ => {}
    }
    if !self.text.is_empty() {
      self.text.push(0);
    }
    self.text.extend_from_slice(name);
    self.text.push(0);
    self.text.extend_from_slice(value);
    Ok(())
  }

  fn drop_content_length(&mut self) {
    self.content_length = None;
    let fields: Vec<&[u8]> = self.text.split(|byte| *byte == 0).collect();
    let kept: Vec<&[u8]> = fields
      .chunks(2)
      .filter(|field| {
        !field
          .first()
          .is_some_and(|name| name.eq_ignore_ascii_case(b"content-length"))
      })
      .flatten()
      .copied()
      .collect();
    self.text = kept.join(&0);
  }
}

/// The two members of a header item: of a tuple, a list or any other iterable of two.
fn pair<'py>(item: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
  if let Ok(tuple) = item.cast::<PyTuple>()
    && tuple.len() == 2
  {
    return Ok((tuple.get_item(0)?, tuple.get_item(1)?));
  }
  let malformed = || {
    PyTypeError::new_err(format!(
      "each response header must be a (name, value) pair of bytes, not {}",
      item.repr().map_or_else(
        |_| type_name(item),
        |repr| repr.to_string_lossy().into_owned()
      )
    ))
  };
  if item.is_instance_of::<PyBytes>() || item.is_instance_of::<PyString>() {
    return Err(malformed());
  }
  let mut members = item.try_iter().map_err(|_| malformed())?;
  match (members.next(), members.next(), members.next()) {
    (Some(name), Some(value), None) => Ok((name?, value?)),
    _ => Err(malformed()),
  }
}

fn header_bytes<'a>(value: &'a Bound<'_, PyAny>, part: &str) -> PyResult<&'a [u8]> {
  value
    .cast::<PyBytes>()
    .map(PyBytesMethods::as_bytes)
    .map_err(|_| {
      PyTypeError::new_err(format!(
        "the {part} of a response header must be bytes, not {}: {}",
        type_name(value),
        value.repr().map_or_else(
          |_| String::new(),
          |repr| repr.to_string_lossy().into_owned()
        )
      ))
    })
}

fn content_length(value: &[u8]) -> PyResult<u64> {
  std::str::from_utf8(value)
    .ok()
    .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
    .and_then(|text| text.parse().ok())
    .ok_or_else(|| {
      PyValueError::new_err(format!(
        "'content-length' must be a decimal number, not {}",
        quoted(value)
      ))
    })
}

fn is_close(value: &[u8]) -> bool {
  value
    .split(|byte| *byte == b',')
    .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// RFC 9110 5.6.2 `tchar`.
const fn is_token(byte: u8) -> bool {
  matches!(byte,
    b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+'
    | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// RFC 9110 5.5: everything but control characters; a tab is allowed.
const fn is_field_value(byte: u8) -> bool {
  byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// Bytes as Python would print them, shortened.
fn quoted(bytes: &[u8]) -> String {
  let shown = bytes.get(..80).unwrap_or(bytes);
  let dots = if shown.len() < bytes.len() { "…" } else { "" };
  format!("b'{}'{dots}", shown.escape_ascii())
}
