//! The HTTP and WebSocket connection scopes (ASGI `www` spec, "HTTP Connection Scope" and "WebSocket
//! Connection Scope"), made from a request's head.
//!
//! The head is latin-1 text whose fields are joined by NUL:
//! `context, method, target, mount prefix, HTTP version, scheme, client host, client port, server host,
//! server port, extensions, TLS`, then header names and values in turn. An empty host is `None`, an empty
//! port too. `asgi/extensions.rs` reads the context (JSON in ASCII, empty for none), the fields of that name and TLS.
//!
//! Where the extensions have the letter `x`, the first header is none: its value is JSON of further keys of the scope,
//! which only JavaScript of amphis' own can say (`aws.event` and `aws.context`).
//!
//! From the mount prefix to TLS they are the same for all requests of a connection, and so is what the scope says
//! of them: a request starts from a copy of what was made for the connection ([`Connections`]).

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Mutex;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use super::extensions;
use super::percent::decode_path;
use crate::base::lock::lock;

/// Fields before the headers.
pub const FIXED_FIELDS: usize = 12;
/// Of them, those before what the connection says.
const REQUEST_FIELDS: usize = 3;

/// Connections whose part of the scope is kept, and the longest description that is.
const CACHED_CONNECTIONS: usize = 1024;
const CACHED_LENGTH: usize = 512;

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
  connections: Connections,
}

/// Keys that are the same for every scope of one type.
struct Template {
  /// Copied, then completed. It fixes the order of the keys, which is what a reader of a printed scope sees, and has
  /// all of them, so that no copy has to grow.
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

  fn asgi<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
    self.asgi.bind(py).copy()
  }
}

impl ScopeConstants {
  pub fn new(py: Python<'_>, root_path: &str, state: Option<Py<PyDict>>) -> PyResult<Self> {
    let before = ["asgi", "http_version", "server", "client", "scheme"];
    let target = [
      "root_path",
      "path",
      "raw_path",
      "query_string",
      "extensions",
    ];
    let after = if state.is_some() {
      &["headers", "state"][..]
    } else {
      &["headers"]
    };
    let http = [&before[..], &["method"], &target, after].concat();
    let websocket = [&before[..], &target, &["subprotocols"], after].concat();
    Ok(Self {
      http: Template::new(py, "http", HTTP_SPEC_VERSION, &http)?,
      websocket: Template::new(py, "websocket", WEBSOCKET_SPEC_VERSION, &websocket)?,
      root_path: decode_path(root_path.as_bytes()).into_owned(),
      state,
      connections: Connections::default(),
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
  let mut head = Head::parse(head);
  let connection = match constants.connections.find(py, head.connection) {
    Some(connection) => connection,
    None => constants.connections.add(py, constants, head.connection)?,
  };
  let scope = connection.scope.bind(py).copy()?;
  scope.set_item(intern!(py, "asgi"), constants.http.asgi(py)?)?;
  scope.set_item(
    intern!(py, "method"),
    known(py, head.method, METHODS, &METHOD_STRINGS),
  )?;
  set_path(py, &scope, head.target, head.prefix())?;
  let letters = connection.letters(head.connection);
  if let Some(extensions) =
    extensions::http(py, letters, connection.tls(head.connection), head.context)?
  {
    scope.set_item(intern!(py, "extensions"), extensions)?;
  }
  let more = letters
    .contains(&extensions::MORE_KEYS)
    .then(|| (head.headers.next(), head.headers.next()).1);
  scope.set_item(intern!(py, "headers"), headers(py, head.headers)?)?;
  constants.set_state(py, &scope)?;
  if let Some(more) = more {
    add_keys(py, &scope, more)?;
  }
  Ok((scope, letters))
}

/// Adds what JavaScript says of the invocation of AWS Lambda that the request has come by.
fn add_keys(py: Python<'_>, scope: &Bound<'_, PyDict>, json: &[u8]) -> PyResult<()> {
  let module = py.import(intern!(py, "amphis.aws_lambda"))?;
  module
    .getattr(intern!(py, "_add_keys"))?
    .call1((scope, PyBytes::new(py, json)))
    .map(drop)
}

/// Whether a request wants no body in its response.
pub fn asks_for_head(head: &[u8]) -> bool {
  let mut fields = Fields(head);
  // The context.
  fields.next();
  fields.next() == b"HEAD"
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
  let head = Head::parse(head);
  let connection = Connection::new(py, &constants.websocket, constants, head.connection)?;
  let scope = connection.scope.bind(py).clone();
  scope.set_item(intern!(py, "asgi"), constants.websocket.asgi(py)?)?;
  let scheme = match connection.scheme(head.connection) {
    b"https" | b"wss" => intern!(py, "wss"),
    _ => intern!(py, "ws"),
  };
  scope.set_item(intern!(py, "scheme"), scheme)?;
  set_path(py, &scope, head.target, head.prefix())?;
  let extensions = extensions::websocket(py, connection.tls(head.connection), head.context)?;
  scope.set_item(intern!(py, "extensions"), extensions)?;
  let subprotocols = subprotocols(Fields(head.headers.0));
  scope.set_item(intern!(py, "subprotocols"), PyList::new(py, &subprotocols)?)?;
  scope.set_item(intern!(py, "headers"), headers(py, head.headers)?)?;
  constants.set_state(py, &scope)?;
  let offer = Offer {
    subprotocols,
    is_http2: connection.is_http2,
  };
  Ok((scope, offer))
}

impl ScopeConstants {
  fn set_state(&self, py: Python<'_>, scope: &Bound<'_, PyDict>) -> PyResult<()> {
    match &self.state {
      Some(state) => scope.set_item(intern!(py, "state"), state.bind(py).copy()?),
      None => Ok(()),
    }
  }
}

/// A head, cut into what the request says and what its connection does.
struct Head<'a> {
  /// What the host knows of the request.
  context: &'a [u8],
  method: &'a [u8],
  target: &'a [u8],
  /// From the mount prefix to TLS.
  connection: &'a [u8],
  headers: Fields<'a>,
}

impl<'a> Head<'a> {
  fn parse(head: &'a [u8]) -> Self {
    let mut fields = Fields(head);
    let context = fields.next();
    let (method, target) = (fields.next(), fields.next());
    let rest = fields.0;
    let end = memchr::memchr_iter(0, rest).nth(FIXED_FIELDS - REQUEST_FIELDS - 1);
    let (connection, headers) = match end {
      Some(end) => rest.split_at(end),
      None => (rest, &[][..]),
    };
    Self {
      context,
      method,
      target,
      connection,
      headers: Fields(headers.get(1..).unwrap_or_default()),
    }
  }

  fn prefix(&self) -> &'a [u8] {
    Fields(self.connection).next()
  }
}

/// What a connection says of all its scopes. Its text is not kept: whoever has one has it.
struct Connection {
  /// Complete but for what each request says, and what the app may change.
  scope: Py<PyDict>,
  is_http2: bool,
  scheme: Range<usize>,
  letters: Range<usize>,
  tls: Range<usize>,
}

impl Connection {
  fn new(
    py: Python<'_>,
    template: &Template,
    constants: &ScopeConstants,
    text: &[u8],
  ) -> PyResult<Self> {
    let mut fields = Fields(text);
    let prefix = fields.next();
    let version = fields.next();
    let scheme = fields.next_range(text);
    let client = address(py, fields.next(), fields.next())?;
    let server = address(py, fields.next(), fields.next())?;
    let letters = fields.next_range(text);
    let tls = fields.next_range(text);
    let scope = template.scope.bind(py).copy()?;
    let root_path = if prefix.is_empty() {
      Cow::Borrowed(constants.root_path.as_str())
    } else {
      Cow::Owned(format!("{}{}", constants.root_path, decode_path(prefix)))
    };
    scope.set_item(intern!(py, "http_version"), http_version(py, version))?;
    scope.set_item(intern!(py, "server"), server)?;
    scope.set_item(intern!(py, "client"), client)?;
    scope.set_item(intern!(py, "root_path"), root_path)?;
    let named = text.get(scheme.clone()).unwrap_or_default();
    scope.set_item(
      intern!(py, "scheme"),
      known(py, named, SCHEMES, &SCHEME_STRINGS),
    )?;
    if letters.is_empty() && tls.is_empty() {
      scope.del_item(intern!(py, "extensions"))?;
    }
    Ok(Self {
      scope: scope.unbind(),
      is_http2: version.first() == Some(&b'2'),
      scheme,
      letters,
      tls,
    })
  }

  fn scheme<'a>(&self, text: &'a [u8]) -> &'a [u8] {
    text.get(self.scheme.clone()).unwrap_or_default()
  }

  fn letters<'a>(&self, text: &'a [u8]) -> &'a [u8] {
    text.get(self.letters.clone()).unwrap_or_default()
  }

  fn tls<'a>(&self, text: &'a [u8]) -> &'a [u8] {
    text.get(self.tls.clone()).unwrap_or_default()
  }

  fn clone_ref(&self, py: Python<'_>) -> Self {
    Self {
      scope: self.scope.clone_ref(py),
      is_http2: self.is_http2,
      scheme: self.scheme.clone(),
      letters: self.letters.clone(),
      tls: self.tls.clone(),
    }
  }
}

/// A connection, with its text.
type Known = (Box<[u8]>, Connection);

/// Connections of HTTP that were seen lately, each in the one place that its text has: those that share a place take
/// turns, which costs what it would cost without. Locked for a look or a change only.
#[derive(Default)]
struct Connections(Mutex<Vec<Option<Known>>>);

impl Connections {
  fn find(&self, py: Python<'_>, text: &[u8]) -> Option<Connection> {
    let places = lock(&self.0);
    let (known, connection) = places.get(place_of(text))?.as_ref()?;
    (**known == *text).then(|| connection.clone_ref(py))
  }

  fn add(&self, py: Python<'_>, constants: &ScopeConstants, text: &[u8]) -> PyResult<Connection> {
    let connection = Connection::new(py, &constants.http, constants, text)?;
    if text.len() > CACHED_LENGTH {
      return Ok(connection);
    }
    let kept = Some((Box::from(text), connection.clone_ref(py)));
    let earlier = {
      let mut places = lock(&self.0);
      if places.is_empty() {
        places.resize_with(CACHED_CONNECTIONS, || None);
      }
      places
        .get_mut(place_of(text))
        .and_then(|place| std::mem::replace(place, kept))
    };
    // Not under the lock: dropping an object may run code.
    drop(earlier);
    Ok(connection)
  }
}

/// Where a connection of this text is kept.
fn place_of(text: &[u8]) -> usize {
  let hash = text.chunks(8).fold(text.len() as u64, |hash, chunk| {
    let mut word = [0; 8];
    if let Some(bytes) = word.get_mut(..chunk.len()) {
      bytes.copy_from_slice(chunk);
    }
    (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
  });
  // The upper bits are the mixed ones.
  usize::try_from(hash >> 32).unwrap_or_default() % CACHED_CONNECTIONS
}

/// Sets what the request's target says. `prefix` is where the app is mounted.
fn set_path(
  py: Python<'_>,
  scope: &Bound<'_, PyDict>,
  target: &[u8],
  prefix: &[u8],
) -> PyResult<()> {
  let (rest, query) = split_target(target);
  let raw_path = if prefix.is_empty() {
    Cow::Borrowed(rest)
  } else {
    Cow::Owned([prefix, rest].concat())
  };
  scope.set_item(intern!(py, "path"), decode_path(&raw_path))?;
  scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, &raw_path))?;
  scope.set_item(intern!(py, "query_string"), PyBytes::new(py, query))
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

  /// Where in `text`, of which these are the last ones, the next field is.
  fn next_range(&mut self, text: &[u8]) -> Range<usize> {
    let start = text.len() - self.0.len();
    start..start + self.next().len()
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
    let head = b"\0GET\0/\0\x001.1\0http\0\0\0\0\0\0\0host\0a";
    assert!(check_head(head, 14));
    assert!(!check_head(head, 13));
    assert!(!check_head(
      b"\0GET\0/\r\0\x001.1\0http\0\0\0\0\0\0\0host\0a",
      14
    ));
    assert!(!check_head(b"GET\0/", 2));
  }
}
