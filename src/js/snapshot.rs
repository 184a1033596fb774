//! Snapshots: scripts that a runtime begins with, and what V8 has compiled of them. `snapshots.py` writes and reads their
//! bytes.

use std::ffi::c_int;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::abi::{Span, status};
use super::call;
use super::core::Core;
use super::default_snapshot;
use super::engine;
use super::support;

#[derive(Debug)]
pub struct Script {
  name: String,
  source: String,
  /// Code of V8's. It trusts that, as we do: it has been looked at by then. Empty: the source is compiled.
  code: Vec<u8>,
}

/// What was read of a snapshot's bytes.
#[pyclass(frozen, module = "amphis._js")]
#[derive(Debug, Clone)]
pub struct Snapshot(pub Arc<Vec<Script>>);

#[pymethods]
impl Snapshot {
  #[new]
  fn new(scripts: Vec<(String, String, Vec<u8>)>) -> Self {
    let scripts = scripts
      .into_iter()
      .map(|(name, source, code)| Script { name, source, code });
    Self(Arc::new(scripts.collect()))
  }
}

/// Runs the scripts in a runtime that is new.
///
/// # Errors
///
/// What they throw; as `call::run`.
pub fn replay(py: Python<'_>, core: &Arc<Core>, snapshot: &Snapshot) -> PyResult<()> {
  for script in snapshot.0.iter() {
    run(py, core, script, false)?;
  }
  Ok(())
}

/// Runs a script, and keeps what V8 has of it for [`code_of`].
///
/// # Errors
///
/// What it throws.
pub fn record(py: Python<'_>, core: &Arc<Core>, name: String, source: String) -> PyResult<()> {
  let script = Script {
    name,
    source,
    code: Vec::new(),
  };
  run(py, core, &script, true)
}

fn run(py: Python<'_>, core: &Arc<Core>, script: &Script, keeps: bool) -> PyResult<()> {
  let mut is_refused = false;
  call::run(py, core, core.timeout(), |table, isolate, out| {
    let (source, name) = (
      Span::of(script.source.as_bytes()),
      Span::of(script.name.as_bytes()),
    );
    let compiled = Span::of(&script.code);
    // SAFETY: inside of the runtime, with texts and bytes that stay.
    let status =
      unsafe { (table.replay)(isolate, source, name, compiled, c_int::from(keeps), out) };
    is_refused = status == status::WIRE && !script.code.is_empty();
    match status {
      status::TAPE | status::WIRE | status::UNFIT | status::PENDING => status::NOTHING,
      status => status,
    }
  })
  .map(drop)?;
  if is_refused {
    support::get(py, "_code_refused")?.call1((&script.name,))?;
  }
  Ok(())
}

/// What V8 has compiled of a script that was kept.
///
/// # Errors
///
/// As `call::run`.
pub fn code_of<'py>(
  py: Python<'py>,
  core: &Arc<Core>,
  number: u32,
) -> PyResult<Bound<'py, PyBytes>> {
  let mut compiled = Vec::new();
  call::run(py, core, None, |table, isolate, out| {
    // SAFETY: inside of the runtime, with bytes to write to.
    if unsafe { (table.code_cache)(isolate, number, out) } == status::TAPE {
      compiled.extend_from_slice(out.as_slice());
    }
    status::NOTHING
  })?;
  Ok(PyBytes::new(py, &compiled))
}

/// Which engine code belongs to: another one does not take it.
#[pyfunction]
pub fn engine_name(py: Python<'_>) -> String {
  engine::open().map_or_else(
    |_| String::new(),
    |table| {
      py.detach(|| default_snapshot::choose(table));
      // SAFETY: a text of the engine's, which is there for good.
      let version = unsafe { std::ffi::CStr::from_ptr(table.node_version) };
      format!(
        "{} {} {}",
        version.to_string_lossy(),
        std::env::consts::ARCH,
        default_snapshot::name()
      )
    },
  )
}
