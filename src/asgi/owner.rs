//! Whose a request or a WebSocket is, and how JavaScript is told of what becomes of it.

use std::sync::Arc;

use pyo3::prelude::*;

use super::response::Target;
use crate::base::error::HandlerError;
use crate::bridge::app_state::AppState;
use crate::bridge::host::Host;
use crate::bridge::record::{RECORD, RecordMark, flag, op};
use crate::python::pacing;

/// Whose a cycle is, and where its records go.
pub struct Owner {
  pub host: Arc<Host>,
  pub app: Arc<AppState>,
  pub slot: u32,
  /// Lets go of the cycle, once it is over.
  pub released: fn(Python<'_>, &Host, u32),
}

impl Owner {
  pub fn target(&self) -> Target<'_> {
    Target {
      host: &self.host,
      slot: self.slot,
    }
  }

  /// Tells JavaScript how the app ended: the slot is free, the cycle is let go.
  pub fn conclude(
    &self,
    py: Python<'_>,
    last_record: Option<RecordMark>,
    failure: Option<&HandlerError>,
    destroy: bool,
  ) {
    let outbox = &self.host.outbox;
    if let Some(failure) = failure {
      let description = failure.to_json();
      let length = i32::try_from(description.len()).unwrap_or(i32::MAX);
      let destroy = if destroy { flag::DESTROY } else { 0 };
      outbox.push(|records| {
        records.text.extend_from_slice(description.as_bytes());
        records.push(op::FAIL | flag::DONE | destroy, self.slot, [length, 0, 0]);
      });
      pacing::flush_soon(py, &self.host);
    } else if !last_record.is_some_and(|mark| outbox.amend(mark, flag::DONE)) {
      outbox.push(|records| records.push(op::DONE, self.slot, [0; RECORD - 2]));
      pacing::flush_soon(py, &self.host);
    }
    self.app.request_finished();
    (self.released)(py, &self.host, self.slot);
  }
}

/// Tells JavaScript what the app has received of a body or of messages.
pub fn acknowledge(py: Python<'_>, owner: &Owner, bytes: usize, parts: usize) {
  let low = i32::try_from(bytes & 0x3fff_ffff).unwrap_or(0);
  let high = i32::try_from(bytes >> 30).unwrap_or(i32::MAX);
  let parts = i32::try_from(parts).unwrap_or(i32::MAX);
  owner.host.outbox.push(|records| {
    records.push(op::ACK, owner.slot, [low, parts, high]);
  });
  pacing::flush_soon(py, &owner.host);
}
