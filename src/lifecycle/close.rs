//! The end of an app: its requests are drained, cancelled, given up; its lifespan is shut down.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tokio::time::timeout;

use super::answer::{answer, spawn_task};
use super::jobs::on_python;
use crate::asgi::cycle::Cycle;
use crate::asgi::lifespan::Answer;
use crate::base::error::HandlerError;
use crate::base::lock::lock;
use crate::bridge;
use crate::bridge::command::Command;
use crate::bridge::host::Host;
use crate::dispatch;
use crate::dispatch::handlers::{self, Handler};
use crate::python::collector;
use crate::python::exceptions::report;

/// How long cancelled tasks may take to clean up.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// How long the parts of an orderly end may take.
pub struct Limits {
  /// For requests.
  pub grace: Duration,
  /// For those of them whose response has begun and may never end; no longer than `grace`.
  pub streams: Duration,
  /// For the lifespan's shutdown.
  pub shutdown: Duration,
}

impl Limits {
  /// Requests have no time at all.
  pub const fn none(shutdown: Duration) -> Self {
    Self {
      grace: Duration::ZERO,
      streams: Duration::ZERO,
      shutdown,
    }
  }
}

/// Drain, cancel, shut down; answers `token`.
pub fn close(host: Arc<Host>, handler: Arc<Handler>, token: u32, grace: u32, streams: u32) {
  spawn_task(Arc::clone(&host), token, async move {
    let grace = Duration::from_millis(u64::from(grace));
    let limits = Limits {
      grace,
      streams: Duration::from_millis(u64::from(streams)).min(grace),
      shutdown: grace.max(CANCEL_LIMIT),
    };
    let outcome = close_app(&handler, limits).await;
    answer(&host, token, outcome.map(|()| "{}".to_owned()));
  });
}

/// The same for whoever waits for it.
///
/// # Errors
///
/// What the lifespan's shutdown says.
pub async fn close_app(handler: &Arc<Handler>, limits: Limits) -> Result<(), HandlerError> {
  let Limits {
    grace,
    streams,
    shutdown,
  } = limits;
  // On the Python thread, behind all requests that were sent before.
  let owner = Arc::clone(handler);
  on_python(move |py| {
    owner.state.start_closing();
    stop_events(py, &owner);
  })
  .await?;
  let began = Instant::now();
  if !drains(handler, streams).await && streams < grace {
    let left = move || grace.saturating_sub(began.elapsed());
    if cancel(handler, Cycle::is_stream).await?
      && left() > CANCEL_LIMIT
      && !drains(handler, CANCEL_LIMIT).await
    {
      abandon(handler).await?;
    }
    drains(handler, left()).await;
  }
  if cancel(handler, |_| true).await? && !drains(handler, CANCEL_LIMIT).await {
    abandon(handler).await?;
  }
  let outcome = shut_down(handler, shutdown).await;
  handlers::forget(handler.state.index);
  let owner = Arc::clone(handler);
  on_python(move |py| {
    report(py, flush_streams(py));
    report(py, unfreeze(py, &owner));
  })
  .await?;
  outcome
}

/// Tells who sends events that the server is to stop, and whoever begins to from now on; requests are still taken.
pub fn end_events(handler: Arc<Handler>) {
  bridge::get().inbox().push(|batch| {
    batch.commands.push(Command::Run(Box::new(move |py| {
      handler.state.end_events();
      stop_events(py, &handler);
    })));
  });
}

fn stop_events(py: Python<'_>, handler: &Handler) {
  for cycle in dispatch::of_app(py, &handler.state) {
    cycle.stop_events(py);
  }
}

/// Whether all requests have ended within `limit`.
async fn drains(handler: &Handler, limit: Duration) -> bool {
  timeout(limit, handler.state.drained()).await.is_ok()
}

/// Cancels the tasks of those that are `meant`. Whether there were any.
async fn cancel(handler: &Arc<Handler>, meant: fn(&Cycle) -> bool) -> Result<bool, HandlerError> {
  let owner = Arc::clone(handler);
  on_python(move |py| {
    let mut cycles = dispatch::of_app(py, &owner.state);
    cycles.retain(meant);
    // One that cleans up since it was cut is left to it.
    for cycle in cycles.iter().filter(|cycle| !cycle.is_cut()) {
      report(py, cycle.cancel(py, HandlerError::Cancelled));
    }
    !cycles.is_empty()
  })
  .await
}

/// Tasks that swallow their cancellation are left to themselves.
async fn abandon(handler: &Arc<Handler>) -> Result<(), HandlerError> {
  let owner = Arc::clone(handler);
  on_python(move |py| {
    for cycle in dispatch::of_app(py, &owner.state) {
      if cycle.is_cut() {
        cycle.abandon(py, &HandlerError::Cancelled);
      }
    }
  })
  .await
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
