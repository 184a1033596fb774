//! What JavaScript is told of the commands that it waits for, and of what nobody waits for.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::base::error::HandlerError;
use crate::bridge;
use crate::bridge::command::Command;
use crate::bridge::host::Host;
use crate::bridge::record::op;

/// Answers `token` on the Python thread, from its loop.
pub fn ping(host: Arc<Host>, token: u32) {
  bridge::get().inbox().push(|batch| {
    let job = move |_: Python<'_>| answer(&host, token, Ok("{}".to_owned()));
    batch.commands.push(Command::Run(Box::new(job)));
  });
}

/// Runs on tokio's threads what answers `token` in the end.
pub fn spawn_task(host: Arc<Host>, token: u32, task: impl Future<Output = ()> + Send + 'static) {
  match bridge::tokio() {
    Ok(runtime) => drop(runtime.spawn(task)),
    Err(error) => {
      let error =
        HandlerError::PythonStart(format!("the background threads did not start: {error}"));
      answer(&host, token, Err(error));
    }
  }
}

/// Sends an error that nobody waits for.
pub fn notify(host: &Host, handler: u32, error: &HandlerError) {
  let json = error.to_json();
  let length = i32::try_from(json.len()).unwrap_or(i32::MAX);
  host.outbox.push(|records| {
    records.text.extend_from_slice(json.as_bytes());
    records.push(op::NOTICE, handler, [length, 0, 0]);
  });
  host.wake();
}

/// Sends the answer to a command.
pub fn answer(host: &Host, token: u32, outcome: Result<String, HandlerError>) {
  let (ok, json) = match outcome {
    Ok(json) => (1, json),
    Err(error) => (0, error.to_json()),
  };
  let length = i32::try_from(json.len()).unwrap_or(i32::MAX);
  host.outbox.push(|records| {
    records.text.extend_from_slice(json.as_bytes());
    records.push(op::RESULT, token, [ok, length, 0]);
  });
  host.wake();
}
