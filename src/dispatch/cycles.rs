//! The cycles that run, by environment and slot: the strong references that keep them and their tasks.
//!
//! Changed on the Python thread only; locked for a look or a change, never across a call into Python.

use std::sync::{Arc, Mutex};

use pyo3::prelude::*;

use crate::asgi::cycle::Cycle;
use crate::base::lock::lock;
use crate::bridge::app_state::AppState;
use crate::bridge::host::Host;
use crate::python::pacing;

static CYCLES: Mutex<Vec<Vec<Option<Cycle>>>> = Mutex::new(Vec::new());

/// The cycle that has this slot.
pub fn get(py: Python<'_>, host: u32, slot: u32) -> Option<Cycle> {
  lock(&CYCLES)
    .get(host as usize)?
    .get(slot as usize)?
    .as_ref()
    .map(|cycle| cycle.clone_ref(py))
}

/// Keeps a cycle whose app waits.
pub fn keep(host: u32, slot: u32, cycle: Cycle) {
  let (host, slot) = (host as usize, slot as usize);
  let mut cycles = lock(&CYCLES);
  if cycles.len() <= host {
    cycles.resize_with(host + 1, Vec::new);
  }
  if let Some(slots) = cycles.get_mut(host) {
    if slots.len() <= slot {
      slots.resize_with(slot + 1, || None);
    }
    if let Some(place) = slots.get_mut(slot) {
      *place = Some(cycle);
      pacing::run_begins();
    }
  }
}

/// Lets go of a cycle that is over.
pub fn forget(py: Python<'_>, host: &Host, slot: u32) {
  pacing::rest(py);
  let forgotten = take(host, slot);
  if forgotten.is_some() {
    pacing::run_ends();
  }
  // Without the lock: what goes with it may run code of the app.
  drop(forgotten);
}

fn take(host: &Host, slot: u32) -> Option<Cycle> {
  lock(&CYCLES)
    .get_mut(host.index as usize)?
    .get_mut(slot as usize)?
    .take()
}

/// The running cycles of an app.
pub fn of_app(py: Python<'_>, app: &Arc<AppState>) -> Vec<Cycle> {
  lock(&CYCLES)
    .get(app.host as usize)
    .map(|slots| {
      slots
        .iter()
        .flatten()
        .filter(|cycle| Arc::ptr_eq(&cycle.owner().app, app))
        .map(|cycle| cycle.clone_ref(py))
        .collect()
    })
    .unwrap_or_default()
}
