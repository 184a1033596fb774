//! `Runtime`: an isolate of V8's in Python's hands.

use std::ffi::c_int;
use std::sync::{Arc, Mutex};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::abi::{Span, status};
use super::call;
use super::callback::HOST;
use super::config::{Config, seconds};
use super::core::{Core, End};
use super::counts::Kind;
use super::ending::stop;
use super::engine;
use super::errors::{EngineUnavailable, foreign};
use super::function::refuse_async;
use super::handles::Handles;
use super::node;
use super::ops::{self, Operations};
use super::process;
use super::reaper::reap;
use crate::base::lock::lock;
use crate::values::Writer;

/// An isolated JavaScript runtime: a heap, globals and limits of its own, with nothing of Node.js inside.
///
/// `Runtime()` takes a RuntimeConfig, or its fields by keyword. It may be used from any thread, one call at a time, and is
/// a context manager that closes it.
///
///     with Runtime(timeout=1) as runtime:
///         runtime.eval("1 + 1")
#[pyclass(name = "Runtime", module = "amphis.js", frozen, weakref)]
pub struct Runtime {
  core: Arc<Core>,
  config: Config,
  /// Once one was registered.
  operations: Mutex<Option<Py<Operations>>>,
}

#[pymethods]
impl Runtime {
  #[new]
  #[pyo3(signature = (config=None, /, **options))]
  fn new(
    py: Python<'_>,
    config: Option<Bound<'_, PyAny>>,
    options: Option<&Bound<'_, PyDict>>,
  ) -> PyResult<Self> {
    let config = match (config, options) {
      (config, None) => config,
      (None, Some(options)) => {
        let class = py.import("amphis.js")?.getattr("RuntimeConfig")?;
        Some(class.call((), Some(options))?)
      }
      (Some(config), Some(options)) => {
        let replace = py.import("dataclasses")?.getattr("replace")?;
        Some(replace.call((config,), Some(options))?)
      }
    };
    let config = Config::of(config.as_ref())?;
    if node::facts().is_some_and(|facts| facts.process != std::process::id()) {
      return Err(foreign());
    }
    let table = engine::open().map_err(EngineUnavailable::new_err)?;
    let table = if config.has_process {
      &process::TABLE
    } else {
      table
    };
    let core = py
      .detach(|| Core::new(table, config.limits, &HOST))
      .ok_or_else(|| {
        let problem = process::problem();
        PyRuntimeError::new_err(problem.unwrap_or_else(|| "V8 has made no isolate".to_owned()))
      })?;
    Ok(Self {
      core,
      config,
      operations: Mutex::default(),
    })
  }

  /// Runs a script, and gives the value of its last expression. What it declares stays.
  ///
  /// Args:
  ///     code: the script.
  ///     timeout: seconds or a timedelta; default: that of the config.
  ///     name: what stacks call it.
  ///
  /// Raises:
  ///     JavaScriptError: what the script threw.
  ///     JavaScriptTimeout: it ran for too long; the runtime can still be used.
  ///     RuntimeTerminated: it used too much memory, or was terminated.
  ///     ConversionError: its value cannot go to Python.
  #[pyo3(signature = (code, *, timeout=None, name="<eval>"))]
  fn eval<'py>(
    &self,
    py: Python<'py>,
    code: &str,
    timeout: Option<&Bound<'py, PyAny>>,
    name: &str,
  ) -> PyResult<Bound<'py, PyAny>> {
    let timeout = match timeout {
      Some(timeout) => Some(seconds(timeout)?),
      None => self.config.timeout,
    };
    let _counting = self.core.counts.count(Kind::Eval);
    call::run(py, &self.core, timeout, |table, isolate, out| {
      let (code, name) = (Span::of(code.as_bytes()), Span::of(name.as_bytes()));
      // SAFETY: inside of the runtime, with texts that stay.
      unsafe { (table.eval)(isolate, code, name, out) }
    })
  }

  /// Makes a Python function a global function of JavaScript. It runs on the thread that called the runtime.
  ///
  /// Its arguments and its result are copied. What it raises is an Error in JavaScript; coming back uncaught, it is the
  /// `__cause__` of the JavaScriptError.
  fn bind_function(&self, py: Python<'_>, name: &str, function: &Bound<'_, PyAny>) -> PyResult<()> {
    if !function.is_callable() {
      return Err(pyo3::exceptions::PyTypeError::new_err(format!(
        "{name} must be a function"
      )));
    }
    refuse_async(function)?;
    self.define(py, name, function)
  }

  /// Makes a mapping a global object of JavaScript: its functions can be called, the rest is copied.
  fn bind_object(&self, py: Python<'_>, name: &str, object: &Bound<'_, PyAny>) -> PyResult<()> {
    if object.cast::<PyMapping>().is_err() {
      return Err(pyo3::exceptions::PyTypeError::new_err(format!(
        "{name} must be a mapping of names to functions and values"
      )));
    }
    let plain = py.get_type::<PyDict>().call1((object,))?;
    self.define(py, name, &plain)
  }

  /// Binds a function, under its own name or another: `@runtime.bind`, `@runtime.bind(name="add")`.
  #[pyo3(signature = (function=None, /, *, name=None))]
  fn bind<'py>(
    slf: &Bound<'py, Self>,
    function: Option<Bound<'py, PyAny>>,
    name: Option<String>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let Some(function) = function else {
      let decorator = py.import("functools")?.getattr("partial")?;
      let options = PyDict::new(py);
      options.set_item("name", name)?;
      return decorator.call((slf.getattr("bind")?,), Some(&options));
    };
    let name = match name {
      Some(name) => name,
      None => function.getattr("__name__")?.extract()?,
    };
    slf.get().bind_function(py, &name, &function)?;
    Ok(function)
  }

  /// Registers a function that JavaScript calls by a number, `__host_op_sync__(number, …)`, and gives the number.
  ///
  /// Args:
  ///     name: its name in errors; each only once.
  ///     handler: the function; it is called as one of bind_function's.
  ///     mode: "sync".
  ///     permissions: names of what it does. Unless the config grants all of them, a call is a PermissionError.
  #[pyo3(signature = (name, handler, *, mode="sync", permissions=Vec::new()))]
  fn register_op(
    &self,
    py: Python<'_>,
    name: &str,
    handler: &Bound<'_, PyAny>,
    mode: &str,
    permissions: Vec<String>,
  ) -> PyResult<usize> {
    ops::check_mode(mode)?;
    if !handler.is_callable() {
      return Err(pyo3::exceptions::PyTypeError::new_err(format!(
        "{name} must be a function"
      )));
    }
    refuse_async(handler)?;
    let known = lock(&self.operations)
      .as_ref()
      .map(|known| known.clone_ref(py));
    let operations = match known {
      Some(operations) => operations,
      None => {
        let new = Bound::new(py, Operations::new(self.config.grants.clone()))?;
        self.define(py, ops::NAME, new.as_any())?;
        lock(&self.operations)
          .get_or_insert(new.unbind())
          .clone_ref(py)
      }
    };
    operations.get().add(name, handler, &permissions)
  }

  /// Ends what runs in it, from any thread. It raises RuntimeTerminated there, and the runtime takes no more calls.
  fn terminate(&self) -> PyResult<()> {
    if self.core.is_foreign() {
      return Err(foreign());
    }
    stop(&self.core, End::Terminated);
    Ok(())
  }

  /// Frees it. What runs in it is terminated first; from within one of its callbacks it ends behind them.
  fn close(&self, py: Python<'_>) {
    if self.core.is_foreign() {
      return;
    }
    stop(&self.core, End::Closed);
    drop(self.core.take_functions());
    if self.core.entry.is_mine() {
      reap(Arc::clone(&self.core));
    } else {
      // A callback that takes its time keeps it for as long; that is not waited for.
      let mut looks = 0;
      let destroyed = py.detach(|| {
        self.core.destroy(|| {
          looks += 1;
          looks > 10
        })
      });
      if destroyed.is_err() {
        reap(Arc::clone(&self.core));
      }
    }
  }

  /// Whether it takes no more calls.
  fn is_closed(&self) -> bool {
    self.core.end() != End::Open || self.core.is_foreign()
  }

  /// Takes everything out of it: globals, functions, what was bound. Functions that Python has are closed.
  fn reset(&self, py: Python<'_>) -> PyResult<()> {
    call::run(py, &self.core, None, |table, isolate, _| {
      // SAFETY: inside of the runtime.
      without_value(unsafe { (table.reset)(isolate) })
    })?;
    drop(self.core.take_functions());
    let operations = lock(&self.operations).take();
    drop(operations);
    Ok(())
  }

  /// What it uses, in bytes and numbers, as RuntimeStats.
  fn get_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    let mut found = None;
    call::run(py, &self.core, None, |_, _, _| {
      found = self.core.statistics();
      status::NOTHING
    })?;
    let found = found.unwrap_or_default();
    let counted = self.core.counts.so_far();
    let fields = PyDict::new(py);
    for (name, number) in [
      ("heap_total_bytes", found.total_heap),
      ("heap_used_bytes", found.used_heap),
      ("heap_limit_bytes", found.heap_limit),
      ("physical_total_bytes", found.physical),
      ("external_memory_bytes", found.external),
      ("buffer_bytes", found.buffers),
      ("functions", found.functions),
      ("eval_sync_count", counted.evals),
      ("call_function_sync_count", counted.calls),
    ] {
      fields.set_item(name, number)?;
    }
    fields.set_item("total_execution_time_ms", counted.total.as_secs_f64() * 1e3)?;
    fields.set_item("last_execution_time_ms", counted.last.as_secs_f64() * 1e3)?;
    fields.set_item("last_execution_kind", counted.last_kind.map(Kind::name))?;
    let class = py.import("amphis.js")?.getattr("RuntimeStats")?;
    class.call((), Some(&fields))
  }

  /// The number of the process that it runs in, of its own (`process=True`); None where it is this one.
  #[getter]
  fn process_id(&self) -> Option<u32> {
    self.core.process_id()
  }

  fn __enter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
    slf.clone()
  }

  #[pyo3(signature = (*_exception))]
  fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
    self.close(py);
  }

  fn __repr__(&self) -> &'static str {
    match self.core.end() {
      End::Open => "<Runtime>",
      End::Closed => "<closed Runtime>",
      End::Terminated | End::OutOfMemory | End::Lost => "<terminated Runtime>",
    }
  }

  fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    if let Ok(operations) = self.operations.try_lock() {
      visit.call(&*operations)?;
    }
    self.core.visit(|function| visit.call(function))
  }

  fn __clear__(&self) {
    let operations = lock(&self.operations).take();
    drop(operations);
    drop(self.core.take_functions());
  }
}

impl Runtime {
  fn define(&self, py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut handles = Handles::granting(&self.core);
    let mut writer = Writer::new(py, &mut handles).within(self.core.values_limits());
    writer.value(value, name)?;
    let tape = writer.finish().bytes;
    call::run(py, &self.core, None, |table, isolate, out| {
      let name = Span::of(name.as_bytes());
      // SAFETY: inside of the runtime, with bytes that stay.
      without_value(unsafe { (table.bind)(isolate, name, Span::of(&tape), out) })
    })
    .map(drop)
  }
}

/// The status of what gives no value where it goes well.
fn without_value(status: c_int) -> c_int {
  if status == status::TAPE {
    status::NOTHING
  } else {
    status
  }
}

impl Drop for Runtime {
  fn drop(&mut self) {
    if self.core.isolate().is_some() {
      reap(Arc::clone(&self.core));
    }
  }
}
