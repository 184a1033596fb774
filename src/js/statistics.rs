//! `RuntimeStats`: what a runtime uses, and what it was asked to do.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::abi::status;
use super::call;
use super::core::Core;
use super::counts::Kind;

/// As they are now.
///
/// # Errors
///
/// As `call::run`.
pub fn of<'py>(py: Python<'py>, core: &Arc<Core>) -> PyResult<Bound<'py, PyAny>> {
  let mut found = None;
  call::run(py, core, None, |_, _, _| {
    found = core.statistics();
    status::NOTHING
  })?;
  let found = found.unwrap_or_default();
  let counted = core.counts.so_far();
  let under_way = core.work.under_way();
  let (from_js, from_python) = core.flow.so_far();
  let fields = PyDict::new(py);
  for (name, number) in [
    ("heap_total_bytes", found.total_heap),
    ("heap_used_bytes", found.used_heap),
    ("heap_limit_bytes", found.heap_limit),
    ("physical_total_bytes", found.physical),
    ("external_memory_bytes", found.external),
    ("buffer_bytes", found.buffers),
    ("functions", found.functions),
    ("active_timers", found.timeouts),
    ("active_intervals", found.intervals),
    ("active_async_ops", under_way),
    ("open_resources", found.timeouts + found.intervals),
    ("active_js_streams", from_js.active),
    ("active_py_streams", from_python.active),
    ("total_js_streams", from_js.total),
    ("total_py_streams", from_python.total),
    ("bytes_streamed_js_to_py", from_js.bytes),
    ("bytes_streamed_py_to_js", from_python.bytes),
  ] {
    fields.set_item(name, number)?;
  }
  for kind in Kind::ALL {
    fields.set_item(format!("{}_count", kind.name()), counted.count(kind))?;
  }
  fields.set_item("total_execution_time_ms", counted.total.as_secs_f64() * 1e3)?;
  fields.set_item("last_execution_time_ms", counted.last.as_secs_f64() * 1e3)?;
  fields.set_item("last_execution_kind", counted.last_kind.map(Kind::name))?;
  let class = py.import("amphis.js")?.getattr("RuntimeStats")?;
  class.call((), Some(&fields))
}
