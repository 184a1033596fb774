//! Modules: what Python decides of them (modules.py), and what the engine does with that.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use pyo3::prelude::*;

use super::abi::{Bytes, Isolate, Span, Table, status};
use super::asynchronous::{self, Laters};
use super::beginning;
use super::call;
use super::callback::{Answer, answer_with};
use super::config::seconds;
use super::core::Core;
use super::counts::Kind;
use super::handles::Handles;
use super::owner;
use super::process;
use super::support;
use super::synchronous;
use crate::values::{Reader, Writer};

/// A module that was loaded, as the outcome of an `import()`.
#[pyclass(frozen, module = "amphis._js")]
pub struct Loaded(pub u32);

#[pymethods]
impl Loaded {
  #[new]
  fn new(number: u32) -> Self {
    Self(number)
  }
}

/// What modules.py has of the engine. Each is done at once, or on the runtime's own thread for whoever awaits it.
#[pyclass(frozen, module = "amphis._js")]
pub struct Compiler(pub Arc<Core>);

type Timeout<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

#[pymethods]
impl Compiler {
  /// The number of a module, and what it imports.
  #[pyo3(signature = (url, source, is_async, timeout))]
  fn compile<'py>(
    slf: &Bound<'py, Self>,
    url: String,
    source: String,
    is_async: bool,
    timeout: Timeout<'_, 'py>,
  ) -> PyResult<Bound<'py, PyAny>> {
    Self::run(slf, is_async, timeout, move |table, isolate, out| {
      let (source, url) = (Span::of(source.as_bytes()), Span::of(url.as_bytes()));
      // SAFETY: inside of the runtime, with texts that stay.
      unsafe { (table.compile_module)(isolate, source, url, out) }
    })
  }

  /// The number of a module that exports a value.
  #[pyo3(signature = (url, value, is_async, timeout))]
  fn make<'py>(
    slf: &Bound<'py, Self>,
    url: String,
    value: &Bound<'py, PyAny>,
    is_async: bool,
    timeout: Timeout<'_, 'py>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let core = &slf.get().0;
    let mut handles = Handles::new(core);
    let mut writer = Writer::new(slf.py(), &mut handles).within(core.values_limits());
    writer.value(value, &url)?;
    let tape = writer.finish().bytes;
    Self::run(slf, is_async, timeout, move |table, isolate, out| {
      // SAFETY: inside of the runtime, with bytes that stay.
      unsafe { (table.make_module)(isolate, Span::of(url.as_bytes()), Span::of(&tape), out) }
    })
  }

  /// Tells what modules import: pairs of a number and the numbers of its imports.
  #[pyo3(signature = (links, is_async, timeout))]
  fn link<'py>(
    slf: &Bound<'py, Self>,
    links: Vec<(u32, Vec<u32>)>,
    is_async: bool,
    timeout: Timeout<'_, 'py>,
  ) -> PyResult<Bound<'py, PyAny>> {
    Self::run(slf, is_async, timeout, move |table, isolate, _| {
      for (module, imports) in &links {
        // SAFETY: inside of the runtime; as many numbers as it says.
        unsafe { (table.link_module)(isolate, *module, imports.as_ptr(), imports.len()) };
      }
      status::NOTHING
    })
  }

  /// Runs a module, and gives its namespace.
  #[pyo3(signature = (module, is_async, timeout))]
  fn evaluate<'py>(
    slf: &Bound<'py, Self>,
    module: u32,
    is_async: bool,
    timeout: Timeout<'_, 'py>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let kind = if is_async {
      Kind::ModuleAsync
    } else {
      Kind::Module
    };
    // SAFETY: inside of the runtime, with bytes to write to.
    Self::run_as(
      slf,
      Some(kind),
      is_async,
      timeout,
      move |table, isolate, out| unsafe { (table.evaluate_module)(isolate, module, out) },
    )
  }

  /// Lets go of modules that will not be run.
  fn forget(&self, py: Python<'_>, modules: Vec<u32>) -> PyResult<()> {
    call::run(py, &self.0, None, move |table, isolate, _| {
      // SAFETY: inside of the runtime; as many numbers as it says.
      unsafe { (table.drop_modules)(isolate, modules.as_ptr(), modules.len()) };
      status::NOTHING
    })
    .map(drop)
  }
}

impl Compiler {
  fn run<'py>(
    slf: &Bound<'py, Self>,
    is_async: bool,
    timeout: Timeout<'_, 'py>,
    run: impl FnOnce(&Table, Isolate, &mut Bytes) -> c_int + Send + 'static,
  ) -> PyResult<Bound<'py, PyAny>> {
    Self::run_as(slf, None, is_async, timeout, run)
  }

  fn run_as<'py>(
    slf: &Bound<'py, Self>,
    kind: Option<Kind>,
    is_async: bool,
    timeout: Timeout<'_, 'py>,
    run: impl FnOnce(&Table, Isolate, &mut Bytes) -> c_int + Send + 'static,
  ) -> PyResult<Bound<'py, PyAny>> {
    let core = &slf.get().0;
    if is_async {
      return beginning::begin(slf.py(), core, timeout, slf, kind, run);
    }
    let _counting = kind.map(|kind| core.counts.count(kind));
    let timeout = timeout.map(seconds).transpose()?.or(core.timeout());
    call::run(slf.py(), core, timeout, run)
  }
}

/// JavaScript calls `import()`.
pub extern "C" fn import(user: *mut c_void, request: Span, out: *mut Bytes) -> c_int {
  // SAFETY: what the engine was told, and bytes that it keeps while it calls.
  unsafe {
    answer_with(user, out, |py, core| {
      begin_import(py, core, request.as_slice()).map(Answer::Later)
    })
  }
}

/// An event loop loads the module where there is one, and the runtime's own thread where there is none.
fn begin_import(py: Python<'_>, core: &Arc<Core>, request: &[u8]) -> PyResult<u32> {
  let mut handles = Handles::new(core);
  let mut reader = Reader::new(py, request, &mut [], &mut handles);
  let specifier = reader.value("specifier")?;
  let importer = reader.value("importer")?;
  let attributes = reader.value("attributes")?;
  let modules = modules(py, core)?;
  if let Ok(owner) = owner::for_awaitable(py, core) {
    let loading = modules.call_method1("load_async", (specifier, importer, attributes))?;
    return asynchronous::start_by(py, core, &owner, &loading);
  }
  let number = core.work.add_ownerless_later();
  let (laters, modules) = (Laters::of(py, core)?, modules.unbind());
  let (specifier, importer, attributes) =
    (specifier.unbind(), importer.unbind(), attributes.unbind());
  core.work.driver.submit_outside(core, move |py| {
    let load = (&laters, number, &specifier, &importer, &attributes);
    let _ = modules.bind(py).call_method1("load_for", load);
  });
  Ok(number)
}

/// `_Modules` of a runtime.
///
/// # Errors
///
/// What Python raises.
pub fn modules<'py>(py: Python<'py>, core: &Arc<Core>) -> PyResult<Bound<'py, PyAny>> {
  if process::is_behind(core.table) {
    return Err(synchronous::refusal());
  }
  if let Some(modules) = core.work.modules(py) {
    return Ok(modules.into_bound(py));
  }
  let compiler = Bound::new(py, Compiler(Arc::clone(core)))?;
  let modules = support::get(py, "_Modules")?.call1((compiler,))?;
  Ok(core.work.set_modules(modules.unbind(), py).into_bound(py))
}
