//! ASGI event dictionaries ⇄ Rust. Every malformed one is named, in words the app's author can act on.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyInt, PyList, PyMemoryView, PyString, PyTuple};

use crate::bridge::body::Payload;

/// Far more than any client takes, and little enough for any batch.
const MAX_HEAD: usize = 1 << 20;

/// The head of a response, ready for the outbox.
pub struct ResponseHead {
  pub status: u16,
  /// `name NUL value NUL name NUL value`, latin-1.
  pub text: Vec<u8>,
  /// The body length that the app declared.
  pub content_length: Option<u64>,
  /// Trailers follow the body.
  pub trailers: bool,
  /// Its content is `text/event-stream`.
  pub is_event_stream: bool,
}

impl ResponseHead {
  /// Adds the length of a body that the app sent whole without one: cheaper than chunks, for all.
  pub fn set_content_length(&mut self, length: u64) {
    if !self.text.is_empty() {
      self.text.push(0);
    }
    self.text.extend_from_slice(b"content-length\0");
    self.text.extend_from_slice(length.to_string().as_bytes());
    self.content_length = Some(length);
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

/// Parses `http.response.start` or `websocket.http.response.start`, whichever is the `kind`.
pub fn response_start(message: &Bound<'_, PyAny>, kind: &str) -> PyResult<ResponseHead> {
  let py = message.py();
  let Some(status) = optional(message, intern!(py, "status"))? else {
    return Err(PyValueError::new_err(format!(
      "'{kind}' must have a 'status'"
    )));
  };
  let status = status_code(&status, kind)?;
  let mut head = HeadWriter::new(kind);
  head.read(message)?;
  let trailers = flag(message, intern!(py, "trailers"))?;
  // RFC 9110 8.6: a 204 response has no content-length.
  let text = if status == 204 && head.content_length.is_some() {
    head.content_length = None;
    head.without_content_length()
  } else if trailers && head.content_length.is_some() {
    // On HTTP/1.1 trailers need chunks; the length that was declared is still held the app to.
    head.without_content_length()
  } else {
    head.text
  };
  Ok(ResponseHead {
    status,
    text,
    content_length: head.content_length,
    trailers,
    is_event_stream: head.is_event_stream,
  })
}

/// Parses `http.response.body` into its non-empty bytes and `more_body`.
pub fn response_body<'py>(
  message: &Bound<'py, PyAny>,
  kind: &str,
) -> PyResult<(Option<Bound<'py, PyBytes>>, bool)> {
  let py = message.py();
  let body = match optional(message, intern!(py, "body"))? {
    Some(body) => Some(bytes_like(body, "body", kind)?).filter(|body| !body.as_bytes().is_empty()),
    None => None,
  };
  Ok((body, flag(message, intern!(py, "more_body"))?))
}

/// Parses `http.response.trailers` into its fields, joined by NUL, and `more_trailers`.
pub fn trailers(message: &Bound<'_, PyAny>) -> PyResult<(Vec<u8>, bool)> {
  let mut trailers = HeadWriter::new("http.response.trailers");
  trailers.read(message)?;
  let more = flag(message, intern!(message.py(), "more_trailers"))?;
  Ok((trailers.text, more))
}

/// Parses `http.response.early_hint` into its links, joined by NUL.
pub fn early_hint(message: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
  let py = message.py();
  let mut text = Vec::new();
  let links = optional(message, intern!(py, "links"))?.filter(|links| !links.is_none());
  let Some(links) = links else {
    return Ok(text);
  };
  let malformed = |what: &Bound<'_, PyAny>| {
    PyTypeError::new_err(format!(
      "'links' of 'http.response.early_hint' must be an iterable of bytes, not {}",
      type_name(what)
    ))
  };
  if links.is_instance_of::<PyBytes>() || links.is_instance_of::<PyString>() {
    return Err(malformed(&links));
  }
  for link in links.try_iter().map_err(|_| malformed(&links))? {
    let link = link?;
    let link = link.cast::<PyBytes>().map_err(|_| {
      PyTypeError::new_err(format!(
        "each link of 'http.response.early_hint' must be bytes, not {}",
        type_name(&link)
      ))
    })?;
    let link = link.as_bytes();
    if !is_link(link) {
      return Err(PyValueError::new_err(format!(
        "{} is no link header value; expected one such as b'</style.css>; rel=preload; as=style'",
        quoted(link)
      )));
    }
    if !text.is_empty() {
      text.push(0);
    }
    text.extend_from_slice(link);
  }
  within_limit(&text, "links")?;
  Ok(text)
}

/// The `path` of `http.response.pathsend`.
pub fn pathsend(message: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
  let py = message.py();
  let path = optional(message, intern!(py, "path"))?.filter(|path| !path.is_none());
  let Some(path) = path else {
    return Err(PyValueError::new_err(
      "'http.response.pathsend' must have a 'path'",
    ));
  };
  // The spec asks apps for an absolute path that is a str. They pass on what they were given: the working
  // directory completes it as it does for `open()`, which also takes bytes and `os.PathLike`.
  let path = py
    .import(intern!(py, "os"))?
    .call_method1(intern!(py, "fspath"), (&path,))
    .map_err(|error| {
      if !error.is_instance_of::<PyTypeError>(py) {
        return error;
      }
      PyTypeError::new_err(format!(
        "'path' of 'http.response.pathsend' must be a str, bytes or os.PathLike, not {}",
        type_name(&path)
      ))
    })?;
  let path: PathBuf = match path.cast::<PyBytes>() {
    Ok(bytes) => PathBuf::from(OsStr::from_bytes(bytes.as_bytes())),
    Err(_) => path.extract()?,
  };
  if path.as_os_str().as_bytes().contains(&0) {
    return Err(PyValueError::new_err(
      "'path' of 'http.response.pathsend' has a NUL character",
    ));
  }
  Ok(path)
}

/// What `websocket.accept` says.
pub struct Accept {
  /// One of those that the client has offered.
  pub subprotocol: Option<String>,
  /// Further headers of the response: `name NUL value NUL name NUL value`, latin-1.
  pub headers: Vec<u8>,
}

/// Parses `websocket.accept`.
pub fn websocket_accept(message: &Bound<'_, PyAny>, offered: &[String]) -> PyResult<Accept> {
  let py = message.py();
  let subprotocol = optional(message, intern!(py, "subprotocol"))?.filter(|name| !name.is_none());
  let subprotocol = match subprotocol {
    None => None,
    Some(name) => {
      let name = name
        .cast::<PyString>()
        .map_err(|_| {
          PyTypeError::new_err(format!(
            "'subprotocol' of 'websocket.accept' must be a str, not {}",
            type_name(&name)
          ))
        })?
        .to_string_lossy()
        .into_owned();
      if !offered.contains(&name) {
        return Err(PyValueError::new_err(format!(
          "the client has not offered the subprotocol {name:?}, so it would break off the connection; offered were {offered:?}"
        )));
      }
      Some(name)
    }
  };
  let mut headers = HeadWriter::new("websocket.accept");
  headers.read(message)?;
  Ok(Accept {
    subprotocol,
    headers: headers.text,
  })
}

/// Parses `websocket.send`. Where both are there, `bytes` wins, as in other servers.
pub fn websocket_send<'py>(message: &Bound<'py, PyAny>) -> PyResult<Payload<'py>> {
  let py = message.py();
  let bytes = optional(message, intern!(py, "bytes"))?.filter(|bytes| !bytes.is_none());
  if let Some(bytes) = bytes {
    return bytes_like(bytes, "bytes", "websocket.send").map(Payload::Bytes);
  }
  let text = optional(message, intern!(py, "text"))?.filter(|text| !text.is_none());
  let Some(text) = text else {
    return Err(PyValueError::new_err(
      "'websocket.send' must have 'bytes' or 'text'",
    ));
  };
  let text = text.cast_into::<PyString>().map_err(|error| {
    PyTypeError::new_err(format!(
      "'text' of 'websocket.send' must be a str, not {}",
      type_name(&error.into_inner())
    ))
  })?;
  Ok(Payload::Text(text))
}

/// Longest reason of a close frame, in bytes of UTF-8 (RFC 6455 5.5 and 5.5.1).
const MAX_REASON: usize = 123;

/// Parses `websocket.close` into code and reason.
pub fn websocket_close(message: &Bound<'_, PyAny>) -> PyResult<(u16, String)> {
  let py = message.py();
  let code = match optional(message, intern!(py, "code"))?.filter(|code| !code.is_none()) {
    None => 1000,
    Some(code) if !code.is_instance_of::<PyInt>() => {
      return Err(PyTypeError::new_err(format!(
        "'code' of 'websocket.close' must be an int, not {}",
        shown(&code)
      )));
    }
    Some(code) => code
      .extract::<u16>()
      .ok()
      .filter(|code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999))
      .ok_or_else(|| {
        PyValueError::new_err(format!(
          "{} can't be sent as a WebSocket close code; use one of 1000 to 1003, 1007 to 1014 or 3000 to 4999",
          shown(&code)
        ))
      })?,
  };
  let reason = match optional(message, intern!(py, "reason"))?.filter(|reason| !reason.is_none()) {
    None => String::new(),
    Some(reason) => reason
      .cast::<PyString>()
      .map_err(|_| {
        PyTypeError::new_err(format!(
          "'reason' of 'websocket.close' must be a str, not {}",
          type_name(&reason)
        ))
      })?
      .to_str()
      .map_err(|error| {
        PyValueError::new_err(format!(
          "the 'reason' of 'websocket.close' is no Unicode text: {error}"
        ))
      })?
      .to_owned(),
  };
  if reason.len() > MAX_REASON {
    return Err(PyValueError::new_err(format!(
      "the 'reason' of 'websocket.close' is {} bytes long in UTF-8; a close frame has room for {MAX_REASON}",
      reason.len()
    )));
  }
  Ok((code, reason))
}

/// `websocket.receive`, with the one key that the message has.
pub fn websocket_receive<'py>(
  py: Python<'py>,
  payload: Payload<'py>,
) -> PyResult<Bound<'py, PyDict>> {
  let event = PyDict::new(py);
  event.set_item(intern!(py, "type"), intern!(py, "websocket.receive"))?;
  match payload {
    Payload::Bytes(bytes) => event.set_item(intern!(py, "bytes"), bytes)?,
    Payload::Text(text) => event.set_item(intern!(py, "text"), text)?,
  }
  Ok(event)
}

/// `websocket.disconnect`
pub fn websocket_disconnect<'py>(
  py: Python<'py>,
  code: u16,
  reason: &str,
) -> PyResult<Bound<'py, PyDict>> {
  let event = bare(py, "websocket.disconnect")?;
  event.set_item(intern!(py, "code"), code)?;
  event.set_item(intern!(py, "reason"), reason)?;
  Ok(event)
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

/// A boolean key; false where it is missing.
fn flag(message: &Bound<'_, PyAny>, key: &Bound<'_, PyString>) -> PyResult<bool> {
  match optional(message, key)? {
    Some(value) => value.is_truthy(),
    None => Ok(false),
  }
}

fn status_code(value: &Bound<'_, PyAny>, kind: &str) -> PyResult<u16> {
  if !value.is_instance_of::<PyInt>() {
    return Err(PyTypeError::new_err(format!(
      "'status' of '{kind}' must be an int from 200 to 999, not {}",
      shown(value)
    )));
  }
  value
    .extract::<u16>()
    .ok()
    .filter(|status| (200..=999).contains(status))
    .ok_or_else(|| {
      PyValueError::new_err(format!(
        "'status' of '{kind}' must be a final status code from 200 to 999, not {}",
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

/// `bytes` as they are; other buffers that a server may be given are copied.
fn bytes_like<'py>(
  value: Bound<'py, PyAny>,
  key: &str,
  kind: &str,
) -> PyResult<Bound<'py, PyBytes>> {
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
          "'{key}' of '{kind}' must be bytes, not {}",
          type_name(&value)
        )));
      }
    }
  };
  Ok(bytes)
}

/// Collects a list of header fields, and what they mean for the framing.
struct HeadWriter<'a> {
  /// The event that they belong to.
  kind: &'a str,
  text: Vec<u8>,
  content_length: Option<u64>,
  is_event_stream: bool,
}

impl<'a> HeadWriter<'a> {
  fn new(kind: &'a str) -> Self {
    Self {
      kind,
      text: Vec::with_capacity(256),
      content_length: None,
      is_event_stream: false,
    }
  }

  /// Reads the event's `headers`.
  fn read(&mut self, message: &Bound<'_, PyAny>) -> PyResult<()> {
    let key = intern!(message.py(), "headers");
    let headers = optional(message, key)?.filter(|value| !value.is_none());
    if let Some(headers) = headers {
      if let Ok(list) = headers.cast::<PyList>() {
        for item in list {
          self.item(&item)?;
        }
      } else {
        let items = headers.try_iter().map_err(|_| {
          PyTypeError::new_err(format!(
            "'headers' of '{}' must be an iterable of (name, value) pairs, not {}",
            self.kind,
            type_name(&headers)
          ))
        })?;
        for item in items {
          self.item(&item?)?;
        }
      }
    }
    within_limit(&self.text, "headers")
  }

  fn item(&mut self, item: &Bound<'_, PyAny>) -> PyResult<()> {
    let (name, value) = pair(item)?;
    self.field(header_bytes(&name, "name")?, header_bytes(&value, "value")?)
  }

  fn may_close(&self) -> bool {
    self.kind != "websocket.accept" && self.kind != "http.response.trailers"
  }

  /// Fields that belong to the server in this kind of message.
  fn check_owner(&self, name: &[u8]) -> PyResult<()> {
    match self.kind {
      "websocket.accept"
        if name
          .get(..14)
          .is_some_and(|start| start.eq_ignore_ascii_case(b"sec-websocket-")) =>
      {
        Err(PyValueError::new_err(format!(
          "'headers' of 'websocket.accept' can't have {}, which the server sends itself; a subprotocol is chosen with 'subprotocol'",
          quoted(name)
        )))
      }
      // RFC 9110 6.5.1: what frames or routes the message comes before it.
      "http.response.trailers"
        if [
          &b"content-length"[..],
          b"transfer-encoding",
          b"trailer",
          b"host",
        ]
        .iter()
        .any(|owned| name.eq_ignore_ascii_case(owned)) =>
      {
        Err(PyValueError::new_err(format!(
          "{} can't be a trailer: it says how the message is to be read",
          quoted(name)
        )))
      }
      _ => Ok(()),
    }
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
    self.check_owner(name)?;
    match name.len() {
      2 if name.eq_ignore_ascii_case(b"te") => return Ok(()),
      7 if name.eq_ignore_ascii_case(b"upgrade") => return Ok(()),
      // The connection belongs to the server; an app may only ask for its end, with the response.
      10 if name.eq_ignore_ascii_case(b"connection") && !(self.may_close() && is_close(value)) => {
        return Ok(());
      }
      // An accepted handshake has no body (RFC 9110 8.6).
      14 if self.kind == "websocket.accept" && name.eq_ignore_ascii_case(b"content-length") => {
        return Ok(());
      }
      12 if is_event_stream(value) && name.eq_ignore_ascii_case(b"content-type") => {
        self.is_event_stream = true;
      }
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
      // ASGI, "Response Start": the server ignores it, whatever it says and whatever stands beside it.
      17 if name.eq_ignore_ascii_case(b"transfer-encoding") => return Ok(()),
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

  /// The fields without `content-length`.
  fn without_content_length(&self) -> Vec<u8> {
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
    kept.join(&0)
  }
}

/// Whether a media type is that of server-sent events, with parameters or without.
fn is_event_stream(value: &[u8]) -> bool {
  const EVENTS: &[u8] = b"text/event-stream";
  value
    .split_at_checked(EVENTS.len())
    .is_some_and(|(kind, rest)| {
      kind.eq_ignore_ascii_case(EVENTS) && matches!(rest.first(), None | Some(b';' | b' ' | b'\t'))
    })
}

fn within_limit(text: &[u8], what: &str) -> PyResult<()> {
  if text.len() > MAX_HEAD {
    return Err(PyValueError::new_err(format!(
      "the response's {what} are {} bytes long; at most {MAX_HEAD} can be sent",
      text.len()
    )));
  }
  Ok(())
}

/// RFC 8288 3: `<target>` and parameters, of what Node lets through to `writeEarlyHints`.
fn is_link(link: &[u8]) -> bool {
  let Some(close) = link.iter().position(|byte| *byte == b'>') else {
    return false;
  };
  let (target, rest) = link.split_at(close);
  target.first() == Some(&b'<')
    && link.iter().all(|byte| is_field_value(*byte))
    && rest
      .get(1..)
      .unwrap_or_default()
      .split(|byte| *byte == b';')
      .enumerate()
      .all(|(at, parameter)| {
        let parameter = parameter.trim_ascii();
        // Before the first semicolon is nothing.
        if at == 0 {
          parameter.is_empty()
        } else {
          is_link_parameter(parameter)
        }
      })
}

/// `name`, `name=value` or `name="value"`, without spaces and quotes in between.
fn is_link_parameter(parameter: &[u8]) -> bool {
  let value = |value: &[u8]| {
    value
      .iter()
      .all(|byte| byte.is_ascii_graphic() && *byte != b'"')
  };
  match parameter.iter().position(|byte| *byte == b'=') {
    _ if parameter.is_empty() => false,
    None => value(parameter),
    Some(equals) => {
      let (name, rest) = parameter.split_at(equals);
      let rest = rest.get(1..).unwrap_or_default();
      let quoted = rest
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
      !name.is_empty() && value(name) && value(quoted.unwrap_or(rest))
    }
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

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn links_are_those_that_node_takes() {
    for link in [
      &b"</a.css>; rel=preload; as=style"[..],
      b"<https://a/b>;rel=\"preload\"",
      b"</a>",
      b"</a>; crossorigin",
    ] {
      assert!(is_link(link), "{}", quoted(link));
    }
    for link in [
      &b""[..],
      b"/a.css; rel=preload",
      b"</a.css; rel=preload",
      b"</a> rel=preload",
      b"</a>; rel=\"a b\"",
      b"</a>; rel=preload\r\nx: y",
      b"</a>; rel=preload\r\n",
      b"</a\r\nx: y>",
      b"</a>; ",
      b"</a>, </b>",
    ] {
      assert!(!is_link(link), "{}", quoted(link));
    }
  }
}
