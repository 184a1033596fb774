//! The module `amphis.js`: made when it is first imported.

use pyo3::prelude::*;

use super::config;
use super::ending;
use super::engine;
use super::errors::{EngineUnavailable, RuntimeTerminated};
use super::function::JsFunction;
use super::importing::Loaded;
use super::lending::Given;
use super::runtime::Runtime;
use super::snapshot::{Snapshot, engine_name};
use super::support::NATIVE;

const CODE: &str = include_str!("js.py");
const MODULES: &str = include_str!("modules.py");
const SNAPSHOTS: &str = include_str!("snapshots.py");
const STREAMS: &str = include_str!("streams.py");
const ASYNCHRONOUS: &str = include_str!("asynchronous.py");

/// Fills the module.
///
/// # Errors
///
/// `EngineUnavailable` where this Node.js has no engine; what Python raises.
pub fn fill(module: &Bound<'_, PyModule>) -> PyResult<()> {
  let py = module.py();
  py.detach(|| engine::open().inspect(|table| ending::watch_main(table)))
    .map_err(EngineUnavailable::new_err)?;
  let native = PyModule::new(py, NATIVE)?;
  native.add_class::<Runtime>()?;
  native.add_class::<JsFunction>()?;
  native.add("RuntimeTerminated", py.get_type::<RuntimeTerminated>())?;
  native.add_function(wrap_pyfunction!(stop_all, &native)?)?;
  native.add_function(wrap_pyfunction!(seconds, &native)?)?;
  py.import("sys")?
    .getattr("modules")?
    .set_item(NATIVE, &native)?;
  native.add_class::<Loaded>()?;
  execute(&native, ASYNCHRONOUS, "<amphis>/asynchronous.py")?;
  execute(&native, MODULES, "<amphis>/modules.py")?;
  native.add_class::<Given>()?;
  execute(&native, STREAMS, "<amphis>/streams.py")?;
  native.add_class::<Snapshot>()?;
  native.add_function(wrap_pyfunction!(engine_name, &native)?)?;
  execute(&native, SNAPSHOTS, "<amphis>/snapshots.py")?;
  execute(module, CODE, "<amphis>/js.py")
}

fn execute(module: &Bound<'_, PyModule>, code: &str, name: &str) -> PyResult<()> {
  let builtins = module.py().import("builtins")?;
  let code = builtins.call_method1("compile", (code, name, "exec"))?;
  builtins
    .call_method1("exec", (code, module.dict()))
    .map(drop)
}

/// Python ends: no runtime takes further calls, and what runs is terminated.
#[pyfunction]
fn stop_all(py: Python<'_>) {
  py.detach(ending::stop_all);
}

/// What a timeout says, in seconds.
#[pyfunction]
fn seconds(timeout: &Bound<'_, PyAny>) -> PyResult<f64> {
  config::seconds(timeout).map(|seconds| seconds.as_secs_f64())
}
