//! Work for the Python thread, from tokio's threads.

use pyo3::prelude::*;
use tokio::sync::oneshot;

use crate::base::error::HandlerError;
use crate::bridge;
use crate::bridge::command::Command;

/// Runs `job` on the Python thread and waits for its result.
///
/// # Errors
///
/// `Closed` when the process ends.
pub async fn on_python<R: Send + 'static>(
  job: impl FnOnce(Python<'_>) -> R + Send + 'static,
) -> Result<R, HandlerError> {
  let (sender, receiver) = oneshot::channel();
  bridge::get().inbox().push(|batch| {
    batch.commands.push(Command::Run(Box::new(move |py| {
      // Nobody listens when the process is ending.
      let _ = sender.send(job(py));
    })));
  });
  receiver.await.map_err(|_| HandlerError::Closed)
}
