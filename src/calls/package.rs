//! The built-in package `amphis`, as Python's programs see it.

use pyo3::prelude::*;
use pyo3::types::PyList;

use super::call::JavaScriptCall;
use super::{opening, outgoing};
use crate::js::errors::EngineUnavailable;
use crate::js::module;
use crate::values::{ConversionError, undefined};

/// Python's text of a module, and the name that tracebacks have for it.
struct Text {
  name: &'static str,
  file: &'static str,
  code: &'static str,
}

const PACKAGE: Text = Text {
  name: "amphis",
  file: "<amphis>/__init__.py",
  code: include_str!("amphis/__init__.py"),
};
const NODE: Text = Text {
  name: "amphis.node",
  file: "<amphis>/node.py",
  code: include_str!("amphis/node.py"),
};

const AWS_LAMBDA: Text = Text {
  name: "amphis.aws_lambda",
  file: "<amphis>/aws_lambda.py",
  code: include_str!("amphis/aws_lambda.py"),
};

/// What the package has in Rust.
const NATIVE: &str = "amphis._native";

#[pymodule]
#[pyo3(name = "amphis")]
fn package(module: &Bound<'_, PyModule>) -> PyResult<()> {
  let py = module.py();
  opening::imported(py)?;
  let modules = py.import("sys")?.getattr("modules")?;
  let native = PyModule::new(py, NATIVE)?;
  native.add("ConversionError", py.get_type::<ConversionError>())?;
  native.add("Undefined", undefined(py)?.get_type())?;
  native.add("undefined", undefined(py)?)?;
  native.add_class::<JavaScriptCall>()?;
  native.add("EngineUnavailable", py.get_type::<EngineUnavailable>())?;
  native.add_function(wrap_pyfunction!(fill_js, &native)?)?;
  native.add_function(wrap_pyfunction!(fill_aws_lambda, &native)?)?;
  native.add_function(wrap_pyfunction!(outgoing::wait, &native)?)?;
  modules.set_item(NATIVE, &native)?;
  // With a path it is a package: `import amphis.node` works as well.
  module.setattr("__path__", PyList::empty(py))?;
  // Before it is complete, for what follows imports it.
  modules.set_item(PACKAGE.name, module)?;
  execute(module, &PACKAGE)?;
  let node = PyModule::new(py, NODE.name)?;
  node.setattr("__package__", PACKAGE.name)?;
  modules.set_item(NODE.name, &node)?;
  execute(&node, &NODE)?;
  module.add("node", node)
}

/// Runs `amphis.js` when it is imported: it opens the engine, which most programs never need.
#[pyfunction]
fn fill_js(module: &Bound<'_, PyModule>) -> PyResult<()> {
  module::fill(module)
}

/// Runs `amphis.aws_lambda` when it is imported: few programs run there.
#[pyfunction]
fn fill_aws_lambda(module: &Bound<'_, PyModule>) -> PyResult<()> {
  execute(module, &AWS_LAMBDA)
}

fn execute(module: &Bound<'_, PyModule>, text: &Text) -> PyResult<()> {
  let py = module.py();
  let builtins = py.import("builtins")?;
  let code = builtins.call_method1("compile", (text.code, text.file, "exec"))?;
  builtins
    .call_method1("exec", (code, module.dict()))
    .map(drop)
}

/// Makes `amphis` importable.
///
/// # Safety
///
/// Before Python is initialised.
pub unsafe fn register() {
  pyo3::append_to_inittab!(package);
}
