//! The handlers of the process: how each app is served, and the app itself once it has started.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use pyo3::prelude::*;

use crate::asgi::lifespan::LifespanCycle;
use crate::asgi::scope::ScopeConstants;
use crate::base::lock::lock;
use crate::base::options::AppOptions;
use crate::bridge::app_state::AppState;

/// The imported app and what its scopes share.
pub struct App {
  pub callable: Py<PyAny>,
  pub constants: ScopeConstants,
}

/// A handler as Rust's threads share it.
pub struct Handler {
  pub state: Arc<AppState>,
  pub options: AppOptions,
  /// Set once, on the Python thread, when startup is complete.
  app: OnceLock<App>,
  /// The lifespan of the app, from the start of its startup on; taken by whoever ends it.
  pub lifespan: Mutex<Option<Py<LifespanCycle>>>,
  /// What its start has made is kept from the collector. Changed on the Python thread only.
  pub frozen: AtomicBool,
}

impl Handler {
  /// The app, while requests are taken.
  pub fn app(&self) -> Option<&App> {
    if self.state.is_closing() {
      None
    } else {
      self.app.get()
    }
  }

  pub fn is_started(&self) -> bool {
    self.app.get().is_some()
  }

  /// Startup is complete.
  pub fn set_app(&self, app: App) {
    // A handler is started once; a second value could only be the same app again.
    let _ = self.app.set(app);
  }
}

/// All handlers of the process by index; locked for a look-up only.
static HANDLERS: Mutex<Vec<Option<Arc<Handler>>>> = Mutex::new(Vec::new());

/// Adds a handler of an environment. An index is never used again.
pub fn add(host: u32, options: AppOptions) -> Arc<Handler> {
  let mut handlers = lock(&HANDLERS);
  let index = u32::try_from(handlers.len()).unwrap_or(u32::MAX);
  let handler = Arc::new(Handler {
    state: Arc::new(AppState::new(index, host)),
    options,
    app: OnceLock::new(),
    lifespan: Mutex::new(None),
    frozen: AtomicBool::new(false),
  });
  handlers.push(Some(Arc::clone(&handler)));
  handler
}

pub fn get(index: u32) -> Option<Arc<Handler>> {
  lock(&HANDLERS).get(index as usize).cloned().flatten()
}

/// The handlers of the process.
pub fn all() -> Vec<Arc<Handler>> {
  lock(&HANDLERS).iter().flatten().cloned().collect()
}

/// Whether what the start of any app has made is kept from the collector.
pub fn any_frozen() -> bool {
  all()
    .iter()
    .any(|handler| handler.frozen.load(Ordering::Relaxed))
}

/// The handlers of an environment.
pub fn of_host(host: u32) -> Vec<Arc<Handler>> {
  lock(&HANDLERS)
    .iter()
    .flatten()
    .filter(|handler| handler.state.host == host)
    .cloned()
    .collect()
}

pub fn forget(index: u32) {
  let forgotten = lock(&HANDLERS)
    .get_mut(index as usize)
    .and_then(Option::take);
  drop(forgotten);
}
