//! The start of an app: its import and its lifespan's startup.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::answer::{answer, notify, spawn_task};
use super::jobs::on_python;
use crate::asgi::lifespan::{self, Answer, LifespanCycle, Outcome};
use crate::asgi::scope::ScopeConstants;
use crate::base::error::{AppErrorKind, HandlerError};
use crate::base::lock::lock;
use crate::base::options::LifespanMode;
use crate::bridge::host::Host;
use crate::dispatch::handlers::{self, App, Handler};
use crate::python::importer::{self, Asked, Imported, Interface, Source};
use crate::python::{collector, exceptions, logging};

/// Imports the app and runs its startup; answers `token`.
pub fn start(host: Arc<Host>, handler: Arc<Handler>, token: u32, limit: u32) {
  spawn_task(Arc::clone(&host), token, async move {
    let outcome = start_app(&host, &handler, u64::from(limit)).await;
    if outcome.is_err() {
      handlers::forget(handler.state.index);
    }
    let json = |unsupported: Option<String>| {
      format!(
        "{{\"unsupported\":{}}}",
        unsupported.as_deref().unwrap_or("null")
      )
    };
    answer(&host, token, outcome.map(json));
  });
}

/// What the import leads to: an app, and a lifespan whose startup is to be awaited.
struct Begun {
  callable: Py<PyAny>,
  lifespan: Option<Lifespan>,
}

struct Lifespan {
  cycle: Py<LifespanCycle>,
  state: Py<PyDict>,
  startup: oneshot::Receiver<Outcome>,
}

/// Returns the description of why the app has no lifespan, if it raised.
async fn start_app(
  host: &Arc<Host>,
  handler: &Arc<Handler>,
  limit: u64,
) -> Result<Option<String>, HandlerError> {
  let (host, owner) = (Arc::clone(host), Arc::clone(handler));
  let Begun { callable, lifespan } = on_python(move |py| import(py, &host, &owner)).await??;
  let Some(Lifespan {
    cycle,
    state,
    startup,
  }) = lifespan
  else {
    complete(handler, callable, None).await?;
    return Ok(None);
  };
  let outcome = if limit == 0 {
    startup.await
  } else {
    match timeout(Duration::from_millis(limit), startup).await {
      Ok(outcome) => outcome,
      Err(_) => {
        drop(lock(&handler.lifespan).take());
        on_python(move |py| cycle.get().cancel(py)).await?;
        return Err(HandlerError::StartupTimeout(limit));
      }
    }
  };
  if handler.state.is_closing() {
    return Err(HandlerError::Closed);
  }
  // The sender goes away only with the interpreter.
  match outcome.unwrap_or(Err(HandlerError::Closed))? {
    Answer::Complete => {
      complete(handler, callable, Some(state)).await?;
      Ok(None)
    }
    Answer::Unsupported(why) => {
      drop(lock(&handler.lifespan).take());
      complete(handler, callable, Some(state)).await?;
      Ok(why)
    }
  }
}

/// Python thread: the app and, unless it is off, its lifespan.
fn import(py: Python<'_>, host: &Arc<Host>, handler: &Handler) -> Result<Begun, HandlerError> {
  let options = &handler.options;
  logging::configure(py, options)?;
  let Imported {
    callable,
    interface,
  } = importer::import_app(
    py,
    Source {
      target: &options.target,
      app_dir: &options.app_dir,
      factory: options.factory,
      interface: Asked::parse(&options.interface),
      wsgi_threads: options.wsgi_threads,
    },
  )?;
  if interface == Interface::Wsgi && options.lifespan == LifespanMode::On {
    return Err(HandlerError::App {
      code: AppErrorKind::Invalid,
      message: format!(
        "The app \"{}\" is WSGI, which has no lifespan. Set `lifespan` to 'auto' or 'off'.",
        options.target
      ),
      raised: None,
    });
  }
  if interface == Interface::Wsgi || options.lifespan == LifespanMode::Off {
    return Ok(Begun {
      callable,
      lifespan: None,
    });
  }
  let state = PyDict::new(py).unbind();
  let (host, index) = (Arc::clone(host), handler.state.index);
  let notice = Box::new(move |error: &HandlerError| notify(&host, index, error));
  let (cycle, startup) = lifespan::begin(py, &callable, options.lifespan, &state, notice)
    .map_err(|error| exceptions::python_error(py, error))?;
  // From here on closing can reach it.
  *lock(&handler.lifespan) = Some(cycle.clone_ref(py));
  Ok(Begun {
    callable,
    lifespan: Some(Lifespan {
      cycle,
      state,
      startup,
    }),
  })
}

async fn complete(
  handler: &Arc<Handler>,
  callable: Py<PyAny>,
  state: Option<Py<PyDict>>,
) -> Result<(), HandlerError> {
  let handler = Arc::clone(handler);
  on_python(move |py| {
    let constants = ScopeConstants::new(py, &handler.options.root_path, state)
      .map_err(|error| exceptions::python_error(py, error))?;
    handler.set_app(App {
      callable,
      constants,
    });
    freeze(py, &handler).map_err(|error| exceptions::python_error(py, error))
  })
  .await?
}

/// Keeps what the start has made from the collector, where that is asked for. An app that is being closed may have been
/// unfrozen already.
fn freeze(py: Python<'_>, handler: &Handler) -> PyResult<()> {
  if handler.options.gc_freeze
    && !handler.state.is_closing()
    && collector::freeze(py, handlers::any_frozen())?
  {
    handler.frozen.store(true, Ordering::Relaxed);
  }
  Ok(())
}
