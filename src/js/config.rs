//! `RuntimeConfig`, as Rust reads it, and what follows from it for the engine.

use std::collections::HashSet;
use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::abi::Limits;
use super::inspector::InspectorConfig;
use super::snapshot::Snapshot;
use super::support;

const MIB: usize = 1 << 20;
/// What a value may hold unless it says otherwise.
const DEPTH: u32 = 100;
const VALUE: usize = 10 * MIB;
/// The C stack bounds how deep values may be.
const MOST_DEPTH: u32 = 1000;
/// V8 needs room to come to its end when its heap is full; it is address space until it is used.
const HEAD_ROOM: usize = 2560 * MIB;

/// What `head_room` has said once: it reads files.
static ROOM: OnceLock<usize> = OnceLock::new();

#[derive(Debug, Clone)]
pub struct Config {
  pub limits: Limits,
  pub timeout: Option<Duration>,
  /// Whether it runs in a process of its own.
  pub has_process: bool,
  pub has_console: bool,
  /// A script that is run first.
  pub bootstrap: Option<String>,
  /// Whether it may be one that was made before.
  has_spare: bool,
  /// Scripts that are run first.
  pub snapshot: Option<Snapshot>,
  /// Whether debuggers may come, and where.
  pub inspector: Option<InspectorConfig>,
  /// Permissions of operations.
  pub grants: HashSet<String>,
}

impl Config {
  /// Whether it may be one that was made before, and another one is made for the next.
  pub fn may_spare(&self) -> bool {
    self.has_spare && !self.has_process
  }

  /// Whether it has no limits of its own.
  pub fn has_usual_limits(&self) -> bool {
    self.limits.heap == 0 && self.limits.buffers == 0
  }

  /// # Errors
  ///
  /// `ValueError` and `TypeError` with the name of what is wrong.
  pub fn of(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
    let size = |name: &str| -> PyResult<Option<usize>> {
      let Some(config) = config else {
        return Ok(None);
      };
      let value = config.getattr(name)?;
      if value.is_none() {
        return Ok(None);
      }
      let number: i64 = value
        .extract()
        .map_err(|_| PyTypeError::new_err(format!("{name} must be a whole number of bytes")))?;
      match usize::try_from(number) {
        Ok(size) if size > 0 => Ok(Some(size)),
        _ => Err(PyValueError::new_err(format!("{name} must be positive"))),
      }
    };
    let heap = size("max_heap_size")?.unwrap_or(0);
    if let Some(initial) = size("initial_heap_size")? {
      // V8 begins as it likes; that is no more than a hint.
      if heap == 0 {
        return Err(PyRuntimeError::new_err(
          "initial_heap_size needs a max_heap_size",
        ));
      }
      if initial > heap {
        return Err(PyRuntimeError::new_err(
          "initial_heap_size cannot exceed max_heap_size",
        ));
      }
    }
    let buffers = size("max_buffer_size")?.unwrap_or(heap);
    let depth = size("max_serialization_depth")?.map_or(Ok(DEPTH), |depth| {
      u32::try_from(depth)
        .ok()
        .filter(|depth| *depth <= MOST_DEPTH)
        .ok_or_else(|| {
          PyValueError::new_err(format!(
            "max_serialization_depth must be at most {MOST_DEPTH}"
          ))
        })
    })?;
    let timeout = match config {
      Some(config) => {
        let timeout = config.getattr("timeout")?;
        (!timeout.is_none())
          .then(|| seconds(&timeout))
          .transpose()?
      }
      None => None,
    };
    let has_process = match config {
      Some(config) => config.getattr("process")?.is_truthy()?,
      None => false,
    };
    let inspector = config
      .map(|config| config.getattr("inspector"))
      .transpose()?;
    let inspector = inspector
      .filter(|inspector| !inspector.is_none())
      .map(|inspector| InspectorConfig::of(&inspector))
      .transpose()?;
    if has_process && inspector.is_some() {
      return Err(PyValueError::new_err(
        "inspector and process cannot be used together: leave out process=True to debug what runs",
      ));
    }
    Ok(Self {
      limits: Limits {
        heap,
        buffers,
        head_room: *ROOM.get_or_init(|| head_room(memory_limit())),
        depth,
        value: size("max_serialization_bytes")?.unwrap_or(VALUE),
      },
      timeout,
      grants: match config {
        Some(config) => grants(&config.getattr("grants")?)?,
        None => HashSet::new(),
      },
      has_console: match config {
        Some(config) => config.getattr("enable_console")?.is_truthy()?,
        None => false,
      },
      bootstrap: match config {
        Some(config) => config.getattr("bootstrap")?.extract()?,
        None => None,
      },
      has_spare: match config {
        Some(config) => config.getattr("spare")?.is_truthy()?,
        None => true,
      },
      snapshot: match config {
        Some(config) => snapshot(config)?,
        None => None,
      },
      has_process,
      inspector,
    })
  }
}

/// What the bytes of a snapshot hold.
fn snapshot(config: &Bound<'_, PyAny>) -> PyResult<Option<Snapshot>> {
  let data = config.getattr("snapshot")?;
  if data.is_none() {
    return Ok(None);
  }
  let key = config.getattr("snapshot_key")?;
  let is_trusted = config.getattr("snapshot_trusted")?;
  let read = support::get(config.py(), "_snapshot")?.call1((data, key, is_trusted))?;
  Ok(Some(read.cast::<Snapshot>()?.get().clone()))
}

/// The names of what is granted.
fn grants(value: &Bound<'_, PyAny>) -> PyResult<HashSet<String>> {
  let wrong =
    || PyTypeError::new_err("grants must be names of permissions, as {\"net\", \"read\"}");
  if value.is_instance_of::<PyString>() {
    return Err(wrong());
  }
  let names = value.try_iter().map_err(|_| wrong())?;
  names
    .map(|name| name?.extract().map_err(|_| wrong()))
    .collect()
}

/// What `timeout` says: seconds, or a timedelta.
///
/// # Errors
///
/// `ValueError` for what is no time, or none that could pass.
pub fn seconds(timeout: &Bound<'_, PyAny>) -> PyResult<Duration> {
  let number = match timeout.call_method0(pyo3::intern!(timeout.py(), "total_seconds")) {
    Ok(seconds) => seconds.extract::<f64>(),
    Err(_) => timeout.extract::<f64>(),
  };
  let wrong = match number {
    Err(_) => "must be a number of seconds or a timedelta",
    Ok(number) if !number.is_finite() => "must be finite",
    Ok(number) if number < 0.0 => "cannot be negative",
    Ok(0.0) => "cannot be zero",
    // What is longer than a Duration can say is no limit that anybody lives to see.
    Ok(number) => return Ok(Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)),
  };
  Err(PyValueError::new_err(format!("Timeout {wrong}")))
}

/// No more than what the container gives, half of it: each page that is used counts.
fn head_room(memory: Option<usize>) -> usize {
  memory.map_or(HEAD_ROOM, |memory| HEAD_ROOM.min(memory / 2))
}

/// What the control group of this process may have.
fn memory_limit() -> Option<usize> {
  [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
  ]
  .into_iter()
  .find_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn head_room_is_bounded_by_the_container() {
    assert_eq!(head_room(None), HEAD_ROOM);
    assert_eq!(head_room(Some(usize::MAX)), HEAD_ROOM);
    assert_eq!(head_room(Some(512 * MIB)), 256 * MIB);
  }
}
