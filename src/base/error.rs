//! What can go wrong, in the words and with the stable codes that users see.
//!
//! A [`HandlerError`] travels to JavaScript as one line of ASCII JSON, where `lib/base/errors.ts` turns it
//! into an `AmphisError` or, when it carries a traceback, a `PythonError`.

use thiserror::Error;

/// Why `module:attribute` did not lead to an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppErrorKind {
  /// The target is not of the form `module:attribute`.
  Invalid,
  /// There is no such module.
  NotFound,
  /// The module exists and raised while it was imported.
  Import,
  /// The module has no such attribute.
  Attribute,
  /// The attribute can't be called as an ASGI app.
  NotCallable,
  /// The factory raised or returned something that is not an app.
  Factory,
  /// A module of that name is already imported from another folder.
  Collision,
  /// It is WSGI, and the adapter that serves such apps can't be imported.
  WsgiAdapter,
}

/// A Python exception as `report` of `_traceback.py` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
  /// The name of its type.
  pub kind: String,
  pub message: String,
  /// The whole traceback.
  pub traceback: String,
  /// What it is made of, as ASCII JSON.
  pub exceptions: String,
}

/// Every failure that the addon reports. `code()` is part of the public interface.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum HandlerError {
  /// CPython refused to start.
  #[error("Python could not be started: {0}")]
  PythonStart(String),
  /// The app could not be imported.
  #[error("{message}")]
  App {
    code: AppErrorKind,
    message: String,
    /// When Python raised.
    raised: Option<Box<Raised>>,
  },
  /// `lifespan.startup.failed`, or an exception in a lifespan that had to work.
  #[error("{message}")]
  LifespanFailed {
    message: String,
    raised: Option<Box<Raised>>,
  },
  /// Startup took longer than `timeoutStartup`.
  #[error(
    "The app did not finish its lifespan startup within {0} ms. Raise `timeoutStartup`, or look for what the startup waits for."
  )]
  StartupTimeout(u64),
  /// Another Python or another loop runs already.
  #[error("{0}")]
  PythonConflict(String),
  /// The handler was closed while the request ran, and its grace was over.
  #[error(
    "The handler was closed and its `timeoutGracefulShutdown` is over, so the app's task was cancelled."
  )]
  Cancelled,
  /// The handler was closed.
  #[error("The handler is closed. Create a new PythonHandler to serve more requests.")]
  Closed,
  /// A request whose head can't be put on the wire as it is.
  #[error("{0}")]
  InvalidRequest(String),
  /// The app returned and never started a response.
  #[error(
    "The ASGI app returned without sending a response. Send `http.response.start` and `http.response.body` before returning."
  )]
  NoResponse,
  /// The app returned and never answered a WebSocket's handshake.
  #[error(
    "The ASGI app returned without answering the WebSocket's handshake. Send `websocket.accept` or `websocket.close` before returning."
  )]
  NoHandshake,
  /// The app returned in the middle of a response.
  #[error(
    "The ASGI app returned before its response was complete. End the response with a `http.response.body` whose `more_body` is false, and with the trailers that it has announced."
  )]
  IncompleteResponse,
  /// The app was cancelled because its request took longer than `timeoutRequest`.
  #[error("The request took longer than `timeoutRequest`, so the app's task was cancelled.")]
  RequestTimeout,
  /// The exception of an app that ended its body before its content-length, described as JSON.
  #[error("{0}")]
  ShortBody(String),
  /// `ClientDisconnected` that the app let out, described as JSON: nothing is wrong.
  #[error("{0}")]
  ClientDisconnected(String),
  /// A value that the other language cannot have; names its place.
  #[allow(dead_code, reason = "the calls that use it are to come")]
  #[error("{0}")]
  Conversion(String),
  /// An exception of the app, already described by Python as JSON.
  #[error("{0}")]
  Python(String),
}

impl HandlerError {
  /// The stable code, `AMPHIS_ERR_*`.
  pub fn code(&self) -> &'static str {
    match self {
      Self::PythonStart(_) => "AMPHIS_ERR_PYTHON_START",
      Self::App { code, .. } => match code {
        AppErrorKind::Invalid => "AMPHIS_ERR_INVALID_OPTIONS",
        AppErrorKind::NotFound => "AMPHIS_ERR_APP_NOT_FOUND",
        AppErrorKind::Import => "AMPHIS_ERR_APP_IMPORT",
        AppErrorKind::Attribute => "AMPHIS_ERR_APP_ATTRIBUTE",
        AppErrorKind::NotCallable => "AMPHIS_ERR_APP_NOT_CALLABLE",
        AppErrorKind::Factory => "AMPHIS_ERR_APP_FACTORY",
        AppErrorKind::Collision => "AMPHIS_ERR_APP_COLLISION",
        AppErrorKind::WsgiAdapter => "AMPHIS_ERR_WSGI_ADAPTER",
      },
      Self::LifespanFailed { .. } => "AMPHIS_ERR_LIFESPAN_FAILED",
      Self::StartupTimeout(_) => "AMPHIS_ERR_STARTUP_TIMEOUT",
      Self::PythonConflict(_) => "AMPHIS_ERR_PYTHON_CONFLICT",
      Self::Cancelled | Self::Closed => "AMPHIS_ERR_CLOSED",
      Self::InvalidRequest(_) => "AMPHIS_ERR_INVALID_REQUEST",
      Self::NoResponse | Self::NoHandshake => "AMPHIS_ERR_NO_RESPONSE",
      Self::IncompleteResponse | Self::ShortBody(_) => "AMPHIS_ERR_INCOMPLETE_RESPONSE",
      Self::RequestTimeout => "AMPHIS_ERR_REQUEST_TIMEOUT",
      Self::ClientDisconnected(_) => "AMPHIS_ERR_CLIENT_DISCONNECTED",
      Self::Conversion(_) => "AMPHIS_ERR_CONVERSION",
      Self::Python(_) => "AMPHIS_ERR_PYTHON",
    }
  }

  /// One line of ASCII JSON: `code`, `message` and, where Python raised, `type`, `traceback` and `exceptions`.
  pub fn to_json(&self) -> String {
    if let Self::Python(description) = self {
      return description.clone();
    }
    let mut json = String::from("{\"code\":");
    push_json_string(&mut json, self.code());
    if let Self::ShortBody(description) | Self::ClientDisconnected(description) = self {
      json.push(',');
      json.push_str(description.trim_start_matches('{'));
      return json;
    }
    json.push_str(",\"message\":");
    push_json_string(&mut json, &self.to_string());
    if let Self::App { raised, .. } | Self::LifespanFailed { raised, .. } = self
      && let Some(raised) = raised
    {
      for (key, value) in [("type", &raised.kind), ("traceback", &raised.traceback)] {
        json.push_str(&format!(",\"{key}\":"));
        push_json_string(&mut json, value);
      }
      json.push_str(",\"exceptions\":");
      json.push_str(&raised.exceptions);
    }
    json.push('}');
    json
  }
}

/// Appends `text` as a JSON string in pure ASCII, so that it can ride in latin-1 text.
pub fn push_json_string(out: &mut String, text: &str) {
  out.push('"');
  for unit in text.encode_utf16() {
    match u8::try_from(unit) {
      Ok(b'"') => out.push_str("\\\""),
      Ok(b'\\') => out.push_str("\\\\"),
      Ok(byte @ 0x20..=0x7e) => out.push(char::from(byte)),
      _ => out.push_str(&format!("\\u{unit:04x}")),
    }
  }
  out.push('"');
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn json_strings_are_ascii_and_escape_what_json_must() {
    let mut out = String::new();
    push_json_string(&mut out, "a\"\\\n\u{e9}\u{1f40d}");
    assert_eq!(out, "\"a\\\"\\\\\\u000a\\u00e9\\ud83d\\udc0d\"");
  }

  #[test]
  fn an_app_error_keeps_its_traceback() {
    let error = HandlerError::App {
      code: AppErrorKind::Import,
      message: "main raised".into(),
      raised: Some(Box::new(Raised {
        kind: "ValueError".into(),
        message: "no".into(),
        traceback: "Traceback".into(),
        exceptions: "[]".into(),
      })),
    };
    assert_eq!(
      error.to_json(),
      "{\"code\":\"AMPHIS_ERR_APP_IMPORT\",\"message\":\"main raised\",\"type\":\"ValueError\",\"traceback\":\"Traceback\",\"exceptions\":[]}"
    );
  }
}
