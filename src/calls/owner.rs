//! Whose calls are: one `Python` or `PythonHandler` of an environment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use pyo3::intern;
use pyo3::prelude::*;

use super::exports::Exports;
use crate::base::lock::lock;
use crate::bridge::host::Host;
use crate::python::exceptions::report;
use crate::python::pacing;

/// See the module's text.
pub struct Owner {
  pub index: u32,
  pub host: Arc<Host>,
  /// Absolute folder that modules are looked for in first, of either language.
  pub app_dir: String,
  /// Nothing is called any more.
  closed: AtomicBool,
  /// The objects of Python's that JavaScript has.
  pub exports: Mutex<Exports>,
  /// Tasks of JavaScript's calls, by the call.
  tasks: Mutex<HashMap<u32, Py<PyAny>>>,
}

impl Owner {
  pub fn is_closed(&self) -> bool {
    self.closed.load(Ordering::Acquire)
  }

  /// Keeps the task of a call that is under way, so that it can be cancelled.
  pub fn keep_task(&self, call: u32, task: Py<PyAny>) {
    drop(lock(&self.tasks).insert(call, task));
    pacing::run_begins();
  }

  /// Lets go of it.
  pub fn forget_task(&self, call: u32) -> Option<Py<PyAny>> {
    let task = lock(&self.tasks).remove(&call);
    if task.is_some() {
      pacing::run_ends();
    }
    task
  }

  /// The task of a call that is under way.
  pub fn task(&self, py: Python<'_>, call: u32) -> Option<Py<PyAny>> {
    lock(&self.tasks).get(&call).map(|task| task.clone_ref(py))
  }
}

/// All owners of the process by index; locked for a look-up only. An index is never used again.
static OWNERS: Mutex<Vec<Option<Arc<Owner>>>> = Mutex::new(Vec::new());

/// Adds an owner of an environment.
pub fn add(host: Arc<Host>, app_dir: String) -> Arc<Owner> {
  let mut owners = lock(&OWNERS);
  let owner = Arc::new(Owner {
    index: u32::try_from(owners.len()).unwrap_or(u32::MAX),
    host,
    app_dir,
    closed: AtomicBool::new(false),
    exports: Mutex::default(),
    tasks: Mutex::default(),
  });
  owners.push(Some(Arc::clone(&owner)));
  drop(owners);
  ADDED.notify_all();
  owner
}

static ADDED: Condvar = Condvar::new();

/// Waits until there is one; without the GIL.
pub fn wait_for_one(limit: Duration) -> Option<Arc<Owner>> {
  let is_empty = |owners: &mut Vec<Option<Arc<Owner>>>| owners.iter().flatten().next().is_none();
  let (owners, _) = ADDED
    .wait_timeout_while(lock(&OWNERS), limit, is_empty)
    .unwrap_or_else(PoisonError::into_inner);
  owners.iter().flatten().next().cloned()
}

pub fn get(index: u32) -> Option<Arc<Owner>> {
  lock(&OWNERS).get(index as usize).cloned().flatten()
}

/// The one that code belongs to which nobody has called: the oldest that there is, of the main thread where it has any.
pub fn default() -> Option<Arc<Owner>> {
  let owners = lock(&OWNERS);
  let mut there = owners.iter().flatten();
  let first = there.clone().next();
  there.find(|owner| owner.host.is_main).or(first).cloned()
}

/// Closes an owner: nothing is called by it any more. What JavaScript had is dropped; Python thread.
pub fn close(py: Python<'_>, owner: &Owner) {
  owner.closed.store(true, Ordering::Release);
  drop(
    lock(&OWNERS)
      .get_mut(owner.index as usize)
      .and_then(Option::take),
  );
  let exports = std::mem::take(&mut *lock(&owner.exports));
  let tasks = std::mem::take(&mut *lock(&owner.tasks));
  // Without the locks: what is called, and what goes with them, may run code of the app.
  for task in tasks.values() {
    pacing::run_ends();
    report(py, task.call_method0(py, intern!(py, "cancel")).map(drop));
  }
  drop((exports, tasks));
}

/// The owners of an environment that goes away.
pub fn of_host(host: u32) -> Vec<Arc<Owner>> {
  lock(&OWNERS)
    .iter()
    .flatten()
    .filter(|owner| owner.host.index == host)
    .cloned()
    .collect()
}
