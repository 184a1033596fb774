//! The end of an app: its requests are drained, cancelled, given up; its lifespan is shut down.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pyo3::prelude::*;
use tokio::time::timeout;

use super::answer::{answer, spawn_task};
use super::jobs::on_python;
use crate::asgi::lifespan::Answer;
use crate::base::error::HandlerError;
use crate::base::lock::lock;
use crate::bridge::host::Host;
use crate::dispatch;
use crate::dispatch::handlers::{self, Handler};
use crate::python::collector;
use crate::python::exceptions::report;

/// How long cancelled tasks may take to clean up.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// Drain, cancel, shut down; answers `token`.
pub fn close(host: Arc<Host>, handler: Arc<Handler>, token: u32, grace: u32) {
  spawn_task(Arc::clone(&host), token, async move {
    let grace = Duration::from_millis(u64::from(grace));
    let outcome = close_app(&handler, grace, grace.max(CANCEL_LIMIT)).await;
    answer(&host, token, outcome.map(|()| "{}".to_owned()));
  });
}

/// The same for whoever waits for it.
///
/// # Errors
///
/// What the lifespan's shutdown says.
pub async fn close_app(
  handler: &Arc<Handler>,
  grace: Duration,
  shutdown_limit: Duration,
) -> Result<(), HandlerError> {
  // On the Python thread, behind all requests that were sent before.
  let owner = Arc::clone(handler);
  on_python(move |_| owner.state.start_closing()).await?;
  if timeout(grace, handler.state.drained()).await.is_err() {
    let owner = Arc::clone(handler);
    on_python(move |py| {
      for cycle in dispatch::of_app(py, &owner.state) {
        report(py, cycle.cancel(py, HandlerError::Cancelled));
      }
    })
    .await?;
    if timeout(CANCEL_LIMIT, handler.state.drained())
      .await
      .is_err()
    {
      // A task that swallows its cancellation is left to itself.
      let owner = Arc::clone(handler);
      on_python(move |py| {
        for cycle in dispatch::of_app(py, &owner.state) {
          cycle.abandon(py, &HandlerError::Cancelled);
        }
      })
      .await?;
    }
  }
  let outcome = shut_down(handler, shutdown_limit).await;
  handlers::forget(handler.state.index);
  let owner = Arc::clone(handler);
  on_python(move |py| {
    report(py, flush_streams(py));
    report(py, unfreeze(py, &owner));
  })
  .await?;
  outcome
}

async fn shut_down(handler: &Arc<Handler>, limit: Duration) -> Result<(), HandlerError> {
  let Some(cycle) = lock(&handler.lifespan).take() else {
    return Ok(());
  };
  if !handler.is_started() {
    // Its startup is given up; whoever waits for it is told that the handler is closed.
    return on_python(move |py| cycle.get().cancel(py)).await;
  }
  let (cycle, shutdown) = on_python(move |py| {
    let shutdown = cycle.get().shut_down(py);
    (cycle, shutdown)
  })
  .await?;
  let Some(shutdown) = shutdown else {
    return Ok(());
  };
  match timeout(limit, shutdown).await {
    Ok(outcome) => {
      let _: Answer = outcome.unwrap_or(Err(HandlerError::Closed))?;
      let ended = lock(&cycle.get().ended).take();
      if let Some(ended) = ended {
        // What the app does after `lifespan.shutdown.complete` belongs to its shutdown too.
        let _ = timeout(limit, ended).await;
      }
      Ok(())
    }
    Err(_) => {
      on_python(move |py| cycle.get().cancel(py)).await?;
      Err(HandlerError::LifespanFailed {
        message: format!(
          "The app's lifespan shutdown did not finish within {} ms, so it was cancelled.",
          limit.as_millis()
        ),
        raised: None,
      })
    }
  }
}

fn flush_streams(py: Python<'_>) -> PyResult<()> {
  let sys = py.import("sys")?;
  for name in ["stdout", "stderr"] {
    let stream = sys.getattr(name)?;
    if !stream.is_none() {
      stream.call_method0("flush")?;
    }
  }
  Ok(())
}

/// With the last app whose start was frozen, all of that can be collected again. Does nothing the second time.
fn unfreeze(py: Python<'_>, handler: &Handler) -> PyResult<()> {
  if handler.frozen.swap(false, Ordering::Relaxed) && !handlers::any_frozen() {
    collector::unfreeze(py)?;
  }
  Ok(())
}
