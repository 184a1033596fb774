//! The module `amphis.js`: made when it is first imported.

use pyo3::prelude::*;

use super::core;
use super::engine;
use super::errors::{EngineUnavailable, RuntimeTerminated};
use super::function::JsFunction;
use super::runtime::Runtime;

const CODE: &str = include_str!("js.py");

/// Fills the module.
///
/// # Errors
///
/// `EngineUnavailable` where this Node.js has no engine; what Python raises.
pub fn fill(module: &Bound<'_, PyModule>) -> PyResult<()> {
  let py = module.py();
  py.detach(engine::open)
    .map_err(EngineUnavailable::new_err)?;
  module.add_class::<Runtime>()?;
  module.add_class::<JsFunction>()?;
  module.add("RuntimeTerminated", py.get_type::<RuntimeTerminated>())?;
  module.add_function(wrap_pyfunction!(stop_all, module)?)?;
  let builtins = py.import("builtins")?;
  let code = builtins.call_method1("compile", (CODE, "<amphis>/js.py", "exec"))?;
  builtins
    .call_method1("exec", (code, module.dict()))
    .map(drop)
}

/// Python ends: no runtime takes further calls, and what runs is terminated.
#[pyfunction(name = "_stop_all")]
fn stop_all() {
  core::stop_all();
}
