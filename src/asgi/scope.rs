//! The HTTP and WebSocket connection scopes (ASGI `www` spec, "HTTP Connection Scope" and "WebSocket
//! Connection Scope"), made from a request's head.
//!
//! The head is latin-1 text whose fields are joined by NUL:
//! `method, target, mount prefix, HTTP version, scheme, client host, client port, server host,
//! server port, extensions, TLS`, then header names and values in turn. An empty host is `None`, an empty
//! port too. `asgi/extensions.rs` reads the fields of that name and TLS.

use std::borrow::Cow;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use super::extensions;

/// Fields before the headers.
pub const FIXED_FIELDS: usize = 11;

/// HTTP `spec_version`. From 2.4 on Starlette stops listening for `http.disconnect` while it streams, so
/// an idle generator would never learn that its client has left; uvicorn stays at 2.3 for that reason too.
const HTTP_SPEC_VERSION: &str = "2.3";

const WEBSOCKET_SPEC_VERSION: &str = "2.5";

/// What all scopes of one handler share.
pub struct ScopeConstants {
  http: Template,
  websocket: Template,
  /// The option `rootPath`, percent-decoded.
  root_path: String,
  /// Lifespan state: every scope gets a shallow copy. `None` where lifespan is off or unsupported.
  state: Option<Py<PyDict>>,
}

/// Keys that are the same for every scope of one type.
struct Template {
  /// Copied, then completed. It fixes the order of the keys, which is what a reader of a printed scope sees.
  scope: Py<PyDict>,
  asgi: Py<PyDict>,
}

impl Template {
  fn new(py: Python<'_>, kind: &str, spec_version: &str, keys: &[&str]) -> PyResult<Self> {
    let asgi = PyDict::new(py);
    asgi.set_item(intern!(py, "version"), intern!(py, "3.0"))?;
    asgi.set_item(intern!(py, "spec_version"), spec_version)?;
    let scope = PyDict::new(py);
    scope.set_item(intern!(py, "type"), PyString::intern(py, kind))?;
    for key in keys {
      scope.set_item(PyString::intern(py, key), py.None())?;
    }
    Ok(Self {
      scope: scope.unbind(),
      asgi: asgi.unbind(),
    })
  }

  fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
    let scope = self.scope.bind(py).copy()?;
    scope.set_item(intern!(py, "asgi"), self.asgi.bind(py).copy()?)?;
    Ok(scope)
  }
}

impl ScopeConstants {
  pub fn new(py: Python<'_>, root_path: &str, state: Option<Py<PyDict>>) -> PyResult<Self> {
    let keys = ["asgi", "http_version", "server", "client", "scheme"];
    let http = [&keys[..], &["method", "root_path", "path"]].concat();
    let websocket = [&keys[..], &["root_path", "path"]].concat();
    Ok(Self {
      http: Template::new(py, "http", HTTP_SPEC_VERSION, &http)?,
      websocket: Template::new(py, "websocket", WEBSOCKET_SPEC_VERSION, &websocket)?,
      root_path: decode_path(root_path.as_bytes()).into_owned(),
      state,
    })
  }
}

/// Builds the scope of a request, and returns the letters of its extensions with it. `head` has been checked:
/// at least [`FIXED_FIELDS`] fields, headers in pairs.
pub fn http_scope<'py, 'a>(
  py: Python<'py>,
  constants: &ScopeConstants,
  head: &'a [u8],
) -> PyResult<(Bound<'py, PyDict>, &'a [u8])> {
  let scope = constants.http.copy(py)?;
  let mut fields = Fields(head);
  let method = fields.next();
  scope.set_item(
    intern!(py, "method"),
    known(py, method, METHODS, &METHOD_STRINGS),
  )?;
  let connection = connection(py, &scope, constants, &mut fields)?;
  scope.set_item(
    intern!(py, "scheme"),
    known(py, connection.scheme, SCHEMES, &SCHEME_STRINGS),
  )?;
  if let Some(extensions) = extensions::http(py, connection.extensions, connection.tls)? {
    scope.set_item(intern!(py, "extensions"), extensions)?;
  }
  scope.set_item(intern!(py, "headers"), headers(py, fields)?)?;
  constants.add_state(py, &scope)?;
  Ok((scope, connection.extensions))
}

/// What a WebSocket's handshake says that matters to its cycle.
pub struct Offer {
  pub subprotocols: Vec<String>,
  /// There a status of 2xx accepts it (RFC 8441 5).
  pub is_http2: bool,
}

/// Builds the scope of a WebSocket, and returns what the client offers with it.
pub fn websocket_scope<'py>(
  py: Python<'py>,
  constants: &ScopeConstants,
  head: &[u8],
) -> PyResult<(Bound<'py, PyDict>, Offer)> {
  let scope = constants.websocket.copy(py)?;
  let mut fields = Fields(head);
  let _method = fields.next();
  let connection = connection(py, &scope, constants, &mut fields)?;
  let scheme = match connection.scheme {
    b"https" | b"wss" => intern!(py, "wss"),
    _ => intern!(py, "ws"),
  };
  scope.set_item(intern!(py, "scheme"), scheme)?;
  let extensions = extensions::websocket(py, connection.tls)?;
  scope.set_item(intern!(py, "extensions"), extensions)?;
  let subprotocols = subprotocols(Fields(fields.0));
  scope.set_item(intern!(py, "subprotocols"), PyList::new(py, &subprotocols)?)?;
  scope.set_item(intern!(py, "headers"), headers(py, fields)?)?;
  constants.add_state(py, &scope)?;
  let offer = Offer {
    subprotocols,
    is_http2: connection.is_http2,
  };
  Ok((scope, offer))
}

impl ScopeConstants {
  fn add_state(&self, py: Python<'_>, scope: &Bound<'_, PyDict>) -> PyResult<()> {
    match &self.state {
      Some(state) => scope.set_item(intern!(py, "state"), state.bind(py).copy()?),
      None => Ok(()),
    }
  }
}

/// Fields whose meaning depends on the type of the scope.
struct Connection<'a> {
  is_http2: bool,
  scheme: &'a [u8],
  extensions: &'a [u8],
  tls: &'a [u8],
}

/// Sets what both types of scope have in common, from the fields after the method to those before the headers.
fn connection<'a>(
  py: Python<'_>,
  scope: &Bound<'_, PyDict>,
  constants: &ScopeConstants,
  fields: &mut Fields<'a>,
) -> PyResult<Connection<'a>> {
  let target = fields.next();
  let prefix = fields.next();
  let version = fields.next();
  let scheme = fields.next();
  let client = address(py, fields.next(), fields.next())?;
  let server = address(py, fields.next(), fields.next())?;
  scope.set_item(intern!(py, "http_version"), http_version(py, version))?;
  scope.set_item(intern!(py, "server"), server)?;
  scope.set_item(intern!(py, "client"), client)?;

  let (rest, query) = split_target(target);
  if prefix.is_empty() {
    scope.set_item(intern!(py, "root_path"), constants.root_path.as_str())?;
    scope.set_item(intern!(py, "path"), decode_path(rest))?;
    scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, rest))?;
  } else {
    let root_path = format!("{}{}", constants.root_path, decode_path(prefix));
    let raw_path = [prefix, rest].concat();
    scope.set_item(intern!(py, "root_path"), root_path)?;
    scope.set_item(intern!(py, "path"), decode_path(&raw_path))?;
    scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, &raw_path))?;
  }
  scope.set_item(intern!(py, "query_string"), PyBytes::new(py, query))?;
  Ok(Connection {
    is_http2: version.first() == Some(&b'2'),
    scheme,
    extensions: fields.next(),
    tls: fields.next(),
  })
}

/// The members of all `sec-websocket-protocol` headers, in order (RFC 6455 4.2.1).
fn subprotocols(mut headers: Fields<'_>) -> Vec<String> {
  let mut offered = Vec::new();
  while !headers.0.is_empty() {
    let (name, value) = (headers.next(), headers.next());
    if name.eq_ignore_ascii_case(b"sec-websocket-protocol") {
      offered.extend(
        value
          .split(|byte| *byte == b',')
          .map(<[u8]>::trim_ascii)
          .filter(|member| !member.is_empty())
          .map(|member| String::from_utf8_lossy(member).into_owned()),
      );
    }
  }
  offered
}

/// The NUL-joined fields, one after the other; empty ones past the end.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
  fn next(&mut self) -> &'a [u8] {
    if let Some(end) = memchr::memchr(0, self.0) {
      let (field, rest) = self.0.split_at(end);
      self.0 = rest.get(1..).unwrap_or_default();
      field
    } else {
      std::mem::take(&mut self.0)
    }
  }
}

/// Path and query of a request target. The path of an absolute-form target is what follows its authority.
fn split_target(target: &[u8]) -> (&[u8], &[u8]) {
  let target = if target.first() == Some(&b'/') {
    target
  } else {
    strip_authority(target)
  };
  match memchr::memchr(b'?', target) {
    Some(at) => (
      target.get(..at).unwrap_or_default(),
      target.get(at + 1..).unwrap_or_default(),
    ),
    None => (target, b""),
  }
}

/// `http://host/path` → `/path`; `*` and anything else stays as it is.
fn strip_authority(target: &[u8]) -> &[u8] {
  let Some(scheme_end) = target.windows(3).position(|bytes| bytes == b"://") else {
    return target;
  };
  let after = target.get(scheme_end + 3..).unwrap_or_default();
  match after.iter().position(|byte| matches!(byte, b'/' | b'?')) {
    Some(at) if after.get(at) == Some(&b'/') => after.get(at..).unwrap_or_default(),
    _ => b"/",
  }
}

/// Percent-decodes as UTF-8; what is not UTF-8 becomes U+FFFD, what is not an escape stays.
pub fn decode_path(raw: &[u8]) -> Cow<'_, str> {
  if memchr::memchr(b'%', raw).is_none() {
    return String::from_utf8_lossy(raw);
  }
  let mut decoded = Vec::with_capacity(raw.len());
  let mut rest = raw;
  while let Some((&byte, tail)) = rest.split_first() {
    let escape = (byte == b'%')
      .then(|| Some((hex(*tail.first()?)? << 4) | hex(*tail.get(1)?)?))
      .flatten();
    if let Some(value) = escape {
      decoded.push(value);
      rest = tail.get(2..).unwrap_or_default();
    } else {
      decoded.push(byte);
      rest = tail;
    }
  }
  Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
  char::from(digit)
    .to_digit(16)
    .and_then(|value| u8::try_from(value).ok())
}

fn address<'py>(
  py: Python<'py>,
  host: &[u8],
  port: &[u8],
) -> PyResult<Option<Bound<'py, PyTuple>>> {
  if host.is_empty() {
    return Ok(None);
  }
  let port: Option<u16> = std::str::from_utf8(port)
    .ok()
    .and_then(|port| port.parse().ok());
  (String::from_utf8_lossy(host), port)
    .into_pyobject(py)
    .map(Some)
}

/// Header names lowercased, values as sent, order and duplicates kept.
fn headers<'py>(py: Python<'py>, mut fields: Fields<'_>) -> PyResult<Bound<'py, PyList>> {
  let list = PyList::empty(py);
  let mut lower = [0_u8; 64];
  while !fields.0.is_empty() {
    let name = fields.next();
    let value = PyBytes::new(py, fields.next());
    let name = match lower.get_mut(..name.len()) {
      Some(lower) => {
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        PyBytes::new(py, lower)
      }
      None => PyBytes::new(py, &name.to_ascii_lowercase()),
    };
    list.append((name, value))?;
  }
  Ok(list)
}

fn http_version<'py>(py: Python<'py>, version: &[u8]) -> Bound<'py, PyString> {
  match version {
    b"1.1" => intern!(py, "1.1").clone(),
    b"1.0" => intern!(py, "1.0").clone(),
    // Node says "2.0"; the spec knows "2".
    b"2.0" | b"2" => intern!(py, "2").clone(),
    other => PyString::new(py, &String::from_utf8_lossy(other)),
  }
}

const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
static METHOD_STRINGS: PyOnceLock<Vec<Py<PyString>>> = PyOnceLock::new();
const SCHEMES: &[&str] = &["http", "https"];
static SCHEME_STRINGS: PyOnceLock<Vec<Py<PyString>>> = PyOnceLock::new();

/// The Python string of one of a few usual values, made once.
fn known<'py>(
  py: Python<'py>,
  value: &[u8],
  values: &[&str],
  cache: &PyOnceLock<Vec<Py<PyString>>>,
) -> Bound<'py, PyString> {
  let strings = cache.get_or_init(py, || {
    values
      .iter()
      .map(|value| PyString::intern(py, value).unbind())
      .collect()
  });
  values
    .iter()
    .position(|known| known.as_bytes() == value)
    .and_then(|at| strings.get(at))
    .map_or_else(
      || PyString::new(py, &String::from_utf8_lossy(value)),
      |string| string.bind(py).clone(),
    )
}

/// Says whether `head` may be cut at its NULs: it has just as many fields as JavaScript joined, and no
/// line break. A code unit above 0xFF that was narrowed to NUL, CR or LF is found here too.
pub fn check_head(head: &[u8], fields: usize) -> bool {
  let mut separators = 0;
  let mut breaks = 0;
  for byte in head {
    separators += usize::from(*byte == 0);
    breaks += usize::from(*byte == b'\r' || *byte == b'\n');
  }
  breaks == 0
    && separators + 1 == fields
    && fields >= FIXED_FIELDS
    && (fields - FIXED_FIELDS).is_multiple_of(2)
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn paths_are_decoded_as_utf8_and_never_fail() {
    assert_eq!(decode_path(b"/caf%C3%A9%2Fx"), "/caf\u{e9}/x");
    assert_eq!(decode_path(b"/a%00b"), "/a\0b");
    assert_eq!(decode_path(b"/%ff%zz%4"), "/\u{fffd}%zz%4");
    assert_eq!(decode_path(b"/plain"), "/plain");
  }

  #[test]
  fn targets_are_split_at_the_first_question_mark() {
    assert_eq!(
      split_target(b"/a?b?c"),
      (b"/a".as_slice(), b"b?c".as_slice())
    );
    assert_eq!(
      split_target(b"http://h:1/a?b"),
      (b"/a".as_slice(), b"b".as_slice())
    );
    assert_eq!(split_target(b"http://h"), (b"/".as_slice(), b"".as_slice()));
    assert_eq!(split_target(b"*"), (b"*".as_slice(), b"".as_slice()));
  }

  #[test]
  fn subprotocols_come_from_all_headers_of_the_name() {
    let headers = b"host\0a\0Sec-WebSocket-Protocol\0chat, superchat\0sec-websocket-protocol\0 ,v2";
    assert_eq!(subprotocols(Fields(headers)), ["chat", "superchat", "v2"]);
  }

  #[test]
  fn a_head_with_a_forged_separator_is_refused() {
    let head = b"GET\0/\0\x001.1\0http\0\0\0\0\0\0\0host\0a";
    assert!(check_head(head, 13));
    assert!(!check_head(head, 12));
    assert!(!check_head(
      b"GET\0/\r\0\x001.1\0http\0\0\0\0\0\0\0host\0a",
      13
    ));
    assert!(!check_head(b"GET\0/", 2));
  }
}
