//! The end of an owner of calls, and of the calls of an environment that goes away.

use std::sync::Arc;

use pyo3::prelude::*;

use super::answer::{answer, spawn_task};
use super::jobs::on_python;
use crate::bridge;
use crate::bridge::command::Command;
use crate::bridge::host::Host;
use crate::calls::owner::{self, Owner};
use crate::calls::{outgoing, waiters};

/// Drops what JavaScript had; answers `token`.
pub fn close(host: Arc<Host>, owner: Arc<Owner>, token: u32) {
  spawn_task(Arc::clone(&host), token, async move {
    let outcome = on_python(move |py| owner::close(py, &owner)).await;
    answer(&host, token, outcome.map(|()| "{}".to_owned()));
  });
}

/// An environment goes away: its owners are closed, and whoever waits for its answers is told. On JavaScript's thread.
pub fn host_goes(host: u32) {
  let tasks = waiters::host_goes(host);
  let owners = owner::of_host(host);
  if tasks.is_empty() && owners.is_empty() {
    return;
  }
  bridge::get().inbox().push(|batch| {
    batch
      .commands
      .push(Command::Run(Box::new(move |py: Python<'_>| {
        outgoing::abandon(py, tasks);
        for owner in owners {
          owner::close(py, &owner);
        }
      })));
  });
}
