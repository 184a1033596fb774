//! What is under way in a runtime while nobody is inside of it: promises that Python waits for, functions of Python's that
//! have not come to their end, what is to be told to event loops.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::PyList;

use super::abi::Bytes;
use super::core::{Core, End};
use super::driver::Driver;
use super::owner::Owner;
use super::pending::{Pending, Settled};
use super::step;
use super::support;
use crate::base::lock::lock;

/// How many errors that nobody has handled are kept until they are told.
const MOST_REPORTS: usize = 64;

/// A future that is to be woken, and its loop.
pub struct Wake {
  pub event_loop: Py<PyAny>,
  pub future: Py<PyAny>,
}

/// Something that JavaScript waits for.
pub struct Later {
  /// Whose loop does it; without one the runtime's own thread does.
  pub owner: Option<Arc<Owner>>,
}

#[derive(Default)]
pub struct Work {
  /// By the engine's numbers.
  promises: Mutex<HashMap<u32, Arc<Pending>>>,
  /// By our own.
  laters: Mutex<HashMap<u32, Later>>,
  next_later: AtomicU32,
  wakes: Mutex<Vec<Wake>>,
  /// Tapes of what was thrown.
  reports: Mutex<Vec<Bytes>>,
  /// For whom JavaScript runs just now.
  current: Mutex<Option<Arc<Owner>>>,
  /// Who was there last, or when something was bound: for what nobody in particular has begun.
  home: Mutex<Option<Arc<Owner>>>,
  /// What has been said of modules.
  modules: Mutex<Option<Py<PyAny>>>,
  pub driver: Driver,
}

impl Work {
  /// Whether nothing can come back into JavaScript.
  pub fn is_idle(&self) -> bool {
    lock(&self.promises).is_empty() && lock(&self.laters).is_empty() && !self.driver.is_busy()
  }

  pub fn has_promises(&self) -> bool {
    !lock(&self.promises).is_empty()
  }

  pub fn current(&self) -> Option<Arc<Owner>> {
    lock(&self.current).clone()
  }

  /// By whoever is inside.
  pub fn set_current(&self, owner: Option<Arc<Owner>>) {
    let before = std::mem::replace(&mut *lock(&self.current), owner);
    drop(before);
  }

  pub fn home(&self) -> Option<Arc<Owner>> {
    lock(&self.home).clone()
  }

  pub fn set_home(&self, owner: Arc<Owner>) {
    let before = lock(&self.home).replace(owner);
    drop(before);
  }

  /// Waits for a promise. Inside only, so that it cannot settle meanwhile.
  pub fn add_promise(&self, number: u32, pending: Arc<Pending>) {
    pending.set_number(number);
    lock(&self.promises).insert(number, pending);
  }

  pub fn take_promise(&self, number: u32) -> Option<Arc<Pending>> {
    lock(&self.promises).remove(&number)
  }

  /// How many functions of Python's have not come to their end.
  pub fn under_way(&self) -> u64 {
    lock(&self.laters).len() as u64
  }

  pub fn add_later(&self, owner: Arc<Owner>) -> u32 {
    let number = self.next_later.fetch_add(1, Ordering::Relaxed);
    lock(&self.laters).insert(number, Later { owner: Some(owner) });
    number
  }

  /// The runtime's own thread does it.
  pub fn add_ownerless_later(&self) -> u32 {
    let number = self.next_later.fetch_add(1, Ordering::Relaxed);
    lock(&self.laters).insert(number, Later { owner: None });
    number
  }

  /// What has come to its end, once.
  pub fn take_later(&self, number: u32) -> Option<Later> {
    lock(&self.laters).remove(&number)
  }

  /// It has an outcome: those who wait are woken by the next [`flush`].
  pub fn settle(&self, pending: &Pending, settled: Settled) -> bool {
    let Some(waiters) = pending.settle(settled) else {
      return false;
    };
    lock(&self.wakes).extend(waiters);
    true
  }

  pub fn modules(&self, py: Python<'_>) -> Option<Py<PyAny>> {
    lock(&self.modules)
      .as_ref()
      .map(|modules| modules.clone_ref(py))
  }

  /// Those that are there, or these.
  pub fn set_modules(&self, modules: Py<PyAny>, py: Python<'_>) -> Py<PyAny> {
    lock(&self.modules).get_or_insert(modules).clone_ref(py)
  }

  /// To be dropped by a caller that holds no lock.
  pub fn take_modules(&self) -> Option<Py<PyAny>> {
    lock(&self.modules).take()
  }

  /// Shows the collector what has been said of modules; nothing where somebody else is looking.
  pub fn visit<E>(&self, mut visit: impl FnMut(&Py<PyAny>) -> Result<(), E>) -> Result<(), E> {
    match self.modules.try_lock() {
      Ok(modules) => modules.iter().try_for_each(&mut visit),
      Err(_) => Ok(()),
    }
  }

  pub fn report(&self, thrown: &[u8]) {
    let mut reports = lock(&self.reports);
    if reports.len() < MOST_REPORTS {
      reports.push(Bytes::copy(thrown));
    }
  }

  /// Everything that waits has waited in vain.
  fn fail(&self) -> Vec<Arc<Owner>> {
    let promises = std::mem::take(&mut *lock(&self.promises));
    let jobs = self.driver.stop();
    for pending in promises.into_values().chain(jobs) {
      self.settle(&pending, Settled::Ended);
    }
    drop(lock(&self.home).take());
    self.take_owners()
  }

  /// The context is another one: what waits for something of the old one has waited in vain. For whom Python does what
  /// JavaScript does not wait for any more.
  pub fn forget_context(&self) -> Vec<Arc<Owner>> {
    let promises = std::mem::take(&mut *lock(&self.promises));
    for pending in promises.into_values() {
      self.settle(&pending, Settled::Reset);
    }
    self.take_owners()
  }

  fn take_owners(&self) -> Vec<Arc<Owner>> {
    let mut owners: Vec<Arc<Owner>> = lock(&self.laters)
      .drain()
      .filter_map(|(_, later)| later.owner)
      .collect();
    owners.dedup_by(|one, other| Arc::ptr_eq(one, other));
    owners
  }
}

/// The runtime has ended: nobody waits for anything of it any more.
pub fn end(core: &Core) {
  let owners = core.work.fail();
  if core.end() == End::Left {
    return forget(core);
  }
  if !owners.is_empty() || core.flow.has_open() {
    Python::try_attach(|py| {
      for owner in owners {
        owner.cancel(py);
      }
      step::end_all(py, core);
    });
  }
  flush(core);
}

/// Wakes those who wait on an event loop, and tells of errors that nobody has handled. Not inside.
pub fn flush(core: &Core) {
  if core.end() == End::Left {
    return forget(core);
  }
  let wakes = std::mem::take(&mut *lock(&core.work.wakes));
  let reports = std::mem::take(&mut *lock(&core.work.reports));
  if wakes.is_empty() && reports.is_empty() {
    return;
  }
  Python::try_attach(|py| {
    for (event_loop, futures) in by_loop(wakes) {
      // A loop that is closed has nobody left who waits.
      let _ = wake(py, event_loop.bind(py), futures);
      core.work.driver.awake.has_posted();
    }
    for report in reports {
      let _ = support::report(py, core, report.as_slice());
    }
  });
}

/// Python ends: its event loops are over, but those of daemon threads, which it does not wake for an end either.
fn forget(core: &Core) {
  lock(&core.work.wakes).clear();
  lock(&core.work.reports).clear();
}

fn by_loop(wakes: Vec<Wake>) -> Vec<(Py<PyAny>, Vec<Py<PyAny>>)> {
  let mut loops: Vec<(Py<PyAny>, Vec<Py<PyAny>>)> = Vec::new();
  for wake in wakes {
    match loops
      .iter_mut()
      .find(|(known, _)| known.is(&wake.event_loop))
    {
      Some((_, futures)) => futures.push(wake.future),
      None => loops.push((wake.event_loop, vec![wake.future])),
    }
  }
  loops
}

fn wake(py: Python<'_>, event_loop: &Bound<'_, PyAny>, futures: Vec<Py<PyAny>>) -> PyResult<()> {
  let futures = PyList::new(py, futures)?;
  event_loop
    .call_method1(
      pyo3::intern!(py, "call_soon_threadsafe"),
      (support::get(py, "_wake")?, futures),
    )
    .map(drop)
}
