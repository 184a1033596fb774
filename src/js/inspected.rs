//! What JavaScript knows of a runtime that can be debugged, and what it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What JavaScript is told of a runtime.
pub enum Event {
  /// Debuggers may come: at which host and port, and what they are told of it (title, address).
  Open(String, u16, String, String),
  /// JSON for its debugger.
  Message(String),
  /// It has ended.
  Close,
}

/// A JavaScript environment that has sockets.
pub trait Sockets: Send + Sync {
  /// Never waits. Whether it is still there.
  fn tell(&self, runtime: u32, event: Event) -> bool;
}

/// Where a runtime is found: host and port, and its token.
pub type Place = (String, String);

/// A runtime that can be debugged.
pub struct Inspected {
  number: u32,
  sockets: Arc<dyn Sockets>,
  has_ended: AtomicBool,
  place: Place,
  title: String,
  url: String,
}

impl Inspected {
  pub fn new(
    number: u32,
    sockets: Arc<dyn Sockets>,
    place: Place,
    title: String,
    url: String,
  ) -> Self {
    Self {
      number,
      sockets,
      has_ended: AtomicBool::new(false),
      place,
      title,
      url,
    }
  }

  /// Has a message for its debugger, if there is one.
  pub fn say(&self, message: String) {
    self.sockets.tell(self.number, Event::Message(message));
  }

  pub fn has_ended(&self) -> bool {
    self.has_ended.load(Ordering::Acquire)
  }

  /// Its `InspectorEndpoints`.
  ///
  /// # Errors
  ///
  /// What Python raises.
  pub fn endpoints<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    let (host, token) = &self.place;
    let fields = PyDict::new(py);
    for (name, text) in [
      ("id", token.clone()),
      ("websocket_url", format!("ws://{host}/ws/{token}")),
      (
        "devtools_frontend_url",
        format!(
          "devtools://devtools/bundled/js_app.html?ws={host}/ws/{token}&experiments=true&v8only=true"
        ),
      ),
      ("title", self.title.clone()),
      ("description", "amphis.js".to_owned()),
      ("target_url", self.url.clone()),
      ("favicon_url", String::new()),
      ("host", host.clone()),
    ] {
      fields.set_item(name, text)?;
    }
    let class = py.import("amphis.js")?.getattr("InspectorEndpoints")?;
    class.call((), Some(&fields))
  }

  /// The session is over, and there is none any more.
  pub fn end(&self) {
    if self.has_ended.swap(true, Ordering::AcqRel) {
      return;
    }
    self.sockets.tell(self.number, Event::Close);
  }
}

impl Drop for Inspected {
  fn drop(&mut self) {
    self.end();
  }
}
