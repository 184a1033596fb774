//! The `extensions` key of a scope: what this connection can do beyond the core of ASGI, the TLS
//! extension (ASGI `tls` spec 0.2), and what the host knows of the request.
//!
//! The first two come from two fields of the head. Extensions are letters, see [`http`]. TLS is empty without it, else
//! percent-encoded members joined by commas: `version, cipher suite, client certificate's name, its error,
//! server's certificate, client's chain…`; certificates are base64 DER, an empty member is `None`.

use std::collections::HashMap;
use std::sync::Mutex;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString};

use super::percent::decode_path;
use crate::base::lock::lock;

/// Connections whose TLS dict is kept, so that a request costs a look-up.
const CACHED_CONNECTIONS: usize = 256;

/// The letter of a head that says more keys of the scope; no extension of ASGI.
pub const MORE_KEYS: u8 = b'x';

/// Of an HTTP scope; `None` when there is none. `letters`: `p` pathsend, `t` trailers, `e` early hint.
pub fn http<'py>(
  py: Python<'py>,
  letters: &[u8],
  tls: &[u8],
  context: &[u8],
) -> PyResult<Option<Bound<'py, PyDict>>> {
  if letters.is_empty() && tls.is_empty() && context.is_empty() {
    return Ok(None);
  }
  let extensions = named(py, letters)?;
  add_tls(py, &extensions, tls)?;
  add_context(py, &extensions, context)?;
  Ok(Some(extensions))
}

fn named<'py>(py: Python<'py>, letters: &[u8]) -> PyResult<Bound<'py, PyDict>> {
  let extensions = PyDict::new(py);
  for letter in letters {
    let name = match letter {
      b'p' => intern!(py, "http.response.pathsend"),
      b't' => intern!(py, "http.response.trailers"),
      b'e' => intern!(py, "http.response.early_hint"),
      _ => continue,
    };
    extensions.set_item(name, PyDict::new(py))?;
  }
  Ok(extensions)
}

/// Of a WebSocket scope: a denial response is always possible.
pub fn websocket<'py>(py: Python<'py>, tls: &[u8], context: &[u8]) -> PyResult<Bound<'py, PyDict>> {
  let extensions = PyDict::new(py);
  extensions.set_item(intern!(py, "websocket.http.response"), PyDict::new(py))?;
  add_tls(py, &extensions, tls)?;
  add_context(py, &extensions, context)?;
  Ok(extensions)
}

/// What the host knows of this one request: read anew for each, so that the app may change it. It cannot come from the
/// client, of whom nothing is in this field.
fn add_context(py: Python<'_>, extensions: &Bound<'_, PyDict>, json: &[u8]) -> PyResult<()> {
  static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
  if json.is_empty() {
    return Ok(());
  }
  let context = LOADS
    .import(py, "json", "loads")?
    .call1((PyString::new(py, &String::from_utf8_lossy(json)),))?;
  extensions.set_item(intern!(py, "amphis.context"), context)
}

fn add_tls(py: Python<'_>, extensions: &Bound<'_, PyDict>, text: &[u8]) -> PyResult<()> {
  static CACHE: Mutex<Option<HashMap<Vec<u8>, Py<PyDict>>>> = Mutex::new(None);
  if text.is_empty() {
    return Ok(());
  }
  let cached = lock(&CACHE)
    .as_ref()
    .and_then(|cache| cache.get(text))
    .map(|tls| tls.clone_ref(py));
  let tls = if let Some(tls) = cached {
    tls
  } else {
    let tls = parse_tls(py, text)?.unbind();
    let outdated = {
      let mut cache = lock(&CACHE);
      let cache = cache.get_or_insert_default();
      let outdated = (cache.len() >= CACHED_CONNECTIONS).then(|| std::mem::take(cache));
      cache.insert(text.to_vec(), tls.clone_ref(py));
      outdated
    };
    drop(outdated);
    tls
  };
  let tls = tls.bind(py).copy()?;
  // The app may change what it is given, so nothing mutable is shared.
  let chain = tls.get_item(intern!(py, "client_cert_chain"))?;
  if let Some(chain) = chain {
    tls.set_item(
      intern!(py, "client_cert_chain"),
      PyList::new(py, chain.try_iter()?.collect::<PyResult<Vec<_>>>()?)?,
    )?;
  }
  extensions.set_item(intern!(py, "tls"), tls)
}

fn parse_tls<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyDict>> {
  let mut members = text.split(|byte| *byte == b',').map(|member| {
    let member = decode_path(member).into_owned();
    (!member.is_empty()).then_some(member)
  });
  let mut next = || members.next().flatten();
  let number = |text: Option<String>| text.and_then(|text| text.parse::<u32>().ok());
  let version = number(next());
  let cipher_suite = number(next());
  let client_name = next();
  let client_error = next();
  let server = next().map(|der| pem(&der));
  let chain: Vec<String> = members.flatten().map(|der| pem(&der)).collect();
  let tls = PyDict::new(py);
  tls.set_item("server_cert", server)?;
  tls.set_item("client_cert_chain", chain)?;
  tls.set_item("client_cert_name", client_name)?;
  tls.set_item("client_cert_error", client_error)?;
  tls.set_item("tls_version", version)?;
  tls.set_item("cipher_suite", cipher_suite)?;
  Ok(tls)
}

/// A certificate's base64 DER as PEM (RFC 7468).
fn pem(der: &str) -> String {
  let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
  for line in der.as_bytes().chunks(64) {
    pem.push_str(&String::from_utf8_lossy(line));
    pem.push('\n');
  }
  pem.push_str("-----END CERTIFICATE-----\n");
  pem
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn a_certificate_is_written_in_lines_of_64() {
    let der = "A".repeat(65);
    assert_eq!(
      pem(&der),
      format!(
        "-----BEGIN CERTIFICATE-----\n{}\nA\n-----END CERTIFICATE-----\n",
        "A".repeat(64)
      )
    );
  }
}
