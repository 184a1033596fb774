//! `Runtime`: an isolate of V8's in Python's hands.

use std::sync::{Arc, Mutex};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::abi::{Evaluation, Span};
use super::beginning;
use super::call::{self, check};
use super::callback::HOST;
use super::config::{Config, seconds};
use super::core::{Core, End};
use super::counts::Kind;
use super::default_snapshot;
use super::defining::{define, without_value};
use super::ending::stop;
use super::engine;
use super::errors::{EngineUnavailable, foreign};
use super::importing::modules;
use super::inspector;
use super::node;
use super::ops::{self, Operations};
use super::process;
use super::reaper::reap;
use super::set_up::set_up;
use super::snapshot;
use super::spare;
use super::statistics;
use super::step;
use super::streams;
use super::support;
use super::work;
use crate::base::lock::lock;

/// An isolated JavaScript runtime: a heap, globals and limits of its own, with nothing of Node.js inside.
///
/// `Runtime()` takes a RuntimeConfig, or its fields by keyword. It may be used from any thread, one call at a time, and is
/// a context manager that closes it.
///
///     with Runtime(timeout=1) as runtime:
///         runtime.eval("1 + 1")
#[pyclass(name = "Runtime", module = "amphis.js", frozen, weakref)]
pub struct Runtime {
  pub core: Arc<Core>,
  config: Config,
  /// Once one was registered.
  operations: Mutex<Option<Py<Operations>>>,
  /// Streams that JavaScript has by a number; once there is one.
  numbered: Mutex<Option<Py<PyAny>>>,
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
      .detach(|| {
        let (limits, may_spare) = (config.limits, config.may_spare());
        let spare = if may_spare {
          spare::take(&limits)
        } else {
          None
        };
        let core = spare.or_else(|| {
          if !config.has_process {
            default_snapshot::prepare(table);
          }
          Core::new(table, limits, &HOST)
        });
        if may_spare {
          spare::make_next(table, &HOST, limits, config.has_usual_limits());
        }
        core
      })
      .ok_or_else(|| {
        let problem = process::problem();
        PyRuntimeError::new_err(problem.unwrap_or_else(|| "V8 has made no isolate".to_owned()))
      })?;
    core.set_timeout(config.timeout);
    let made = Self {
      core,
      config,
      operations: Mutex::default(),
      numbered: Mutex::default(),
    };
    if let Some(inspector) = &made.config.inspector {
      inspector::open(py, &made.core, inspector)?;
    }
    set_up(py, &made.core, &made.config)?;
    if let Some(inspector) = &made.config.inspector {
      inspector::expect(py, &made.core, inspector)?;
    }
    Ok(made)
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
      unsafe { (table.eval)(isolate, code, name, Evaluation::Script, out) }
    })
  }

  /// Runs a script on the runtime's own thread, and gives its value, or what its promise comes to, to whoever awaits.
  ///
  /// The script may await outside of functions; what it declares is its own then. Where the task that awaits is cancelled,
  /// what runs is terminated.
  ///
  /// Args:
  ///     code: the script.
  ///     timeout: seconds or a timedelta, from now until there is an outcome; default: that of the config.
  ///     name: what stacks call it.
  ///
  /// Raises: as `eval`, where it is awaited.
  #[pyo3(signature = (code, *, timeout=None, name="<eval>"))]
  fn eval_async<'py>(
    slf: &Bound<'py, Self>,
    code: String,
    timeout: Option<&Bound<'py, PyAny>>,
    name: &str,
  ) -> PyResult<Bound<'py, PyAny>> {
    let name = name.to_owned();
    let this = slf.get();
    beginning::begin(
      slf.py(),
      &this.core,
      timeout,
      slf,
      Some(Kind::EvalAsync),
      move |table, isolate, out| {
        let (code, name) = (Span::of(code.as_bytes()), Span::of(name.as_bytes()));
        // SAFETY: inside of the runtime, with texts that stay.
        unsafe { (table.eval)(isolate, code, name, Evaluation::Awaiting, out) }
      },
    )
  }

  /// Makes a Python function a global function of JavaScript. It runs on the thread that runs JavaScript; what it returns
  /// may be awaitable, and runs on an event loop then, while JavaScript has a promise.
  ///
  /// Its arguments and its result are copied. What it raises is an Error in JavaScript; coming back uncaught, it is the
  /// `__cause__` of the JavaScriptError.
  fn bind_function(&self, py: Python<'_>, name: &str, function: &Bound<'_, PyAny>) -> PyResult<()> {
    if !function.is_callable() {
      return Err(pyo3::exceptions::PyTypeError::new_err(format!(
        "{name} must be a function"
      )));
    }
    define(py, &self.core, name, function)
  }

  /// Makes a mapping a global object of JavaScript: its functions can be called, the rest is copied.
  fn bind_object(&self, py: Python<'_>, name: &str, object: &Bound<'_, PyAny>) -> PyResult<()> {
    if object.cast::<PyMapping>().is_err() {
      return Err(pyo3::exceptions::PyTypeError::new_err(format!(
        "{name} must be a mapping of names to functions and values"
      )));
    }
    let plain = py.get_type::<PyDict>().call1((object,))?;
    define(py, &self.core, name, &plain)
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

  /// Makes a source importable, as `name` and as `amphis:static/NAME`.
  ///
  /// Args:
  ///     name: what JavaScript imports; with slashes, relative imports between such modules work.
  ///     source: the module; bytes, text or plain data where it is imported with a `type`.
  fn add_static_module(
    &self,
    py: Python<'_>,
    name: &str,
    source: &Bound<'_, PyAny>,
  ) -> PyResult<()> {
    check(&self.core)?;
    modules(py, &self.core)?
      .call_method1("add", (name, source))
      .map(drop)
  }

  /// Sets what decides about specifiers: `resolver(specifier, importer)` gives the module's URL, or None for those of
  /// `add_static_module`. None takes it off.
  fn set_module_resolver(&self, py: Python<'_>, resolver: &Bound<'_, PyAny>) -> PyResult<()> {
    check(&self.core)?;
    modules(py, &self.core)?
      .call_method1("set_resolver", (resolver,))
      .map(drop)
  }

  /// Sets what gives sources: `loader(url)` gives text, bytes (or plain data, for `type: "json"`), or an awaitable of it.
  /// None takes it off.
  fn set_module_loader(&self, py: Python<'_>, loader: &Bound<'_, PyAny>) -> PyResult<()> {
    check(&self.core)?;
    modules(py, &self.core)?
      .call_method1("set_loader", (loader,))
      .map(drop)
  }

  /// Imports a module, and gives what it exports as a dict. Each is run once.
  ///
  /// Raises:
  ///     ModuleError: it, or what it imports, cannot be had.
  ///     JavaScriptError: it has a syntax error, or threw.
  #[pyo3(signature = (specifier, *, timeout=None))]
  fn eval_module<'py>(
    &self,
    py: Python<'py>,
    specifier: &str,
    timeout: Option<&Bound<'py, PyAny>>,
  ) -> PyResult<Bound<'py, PyAny>> {
    check(&self.core)?;
    let timeout = self.timeout(timeout)?;
    modules(py, &self.core)?.call_method1("evaluate", (specifier, timeout))
  }

  /// The same for whoever awaits: loaders may be asynchronous, and modules await outside of functions.
  #[pyo3(signature = (specifier, *, timeout=None))]
  fn eval_module_async<'py>(
    slf: &Bound<'py, Self>,
    specifier: &str,
    timeout: Option<&Bound<'py, PyAny>>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let this = slf.get();
    check(&this.core)?;
    let timeout = this.timeout(timeout)?;
    // It keeps the runtime.
    modules(slf.py(), &this.core)?.call_method1("evaluate_async", (specifier, timeout, slf))
  }

  /// Registers a function that JavaScript calls by a number, `__host_op_sync__(number, …)` or, for a promise of what a
  /// coroutine function gives, `__host_op_async__(number, …)`. Gives the number.
  ///
  /// Args:
  ///     name: its name in errors; each only once.
  ///     handler: the function; it is called as one of bind_function's.
  ///     mode: "sync", or "async" for a coroutine function.
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
    let is_async = ops::is_async_mode(mode)?;
    check(&self.core)?;
    if !handler.is_callable() {
      return Err(pyo3::exceptions::PyTypeError::new_err(format!(
        "{name} must be a function"
      )));
    }
    let known = lock(&self.operations)
      .as_ref()
      .map(|known| known.clone_ref(py));
    let operations = match known {
      Some(operations) => operations,
      None => {
        let created = Bound::new(py, Operations::new(self.config.grants.clone()))?;
        define(py, &self.core, ops::NAME, created.as_any())?;
        let asynchronous = ops::AsyncOperations(created.clone().unbind());
        define(
          py,
          &self.core,
          ops::ASYNC_NAME,
          Bound::new(py, asynchronous)?.as_any(),
        )?;
        lock(&self.operations)
          .get_or_insert(created.unbind())
          .clone_ref(py)
      }
    };
    operations.get().add(name, handler, is_async, &permissions)
  }

  /// Makes an async iterable of Python's a stream that JavaScript can be given: a `PyStreamSource`. Passed to a function,
  /// bound or returned, it is a `ReadableStream` there.
  fn stream_from_async_iterable<'py>(
    &self,
    py: Python<'py>,
    iterable: &Bound<'py, PyAny>,
  ) -> PyResult<Bound<'py, PyAny>> {
    streams::make(py, &self.core, "PyStreamSource", Some(iterable))
  }

  /// Makes a stream that JavaScript writes to, and Python iterates over by `async for`: a `PyStreamSink`. Passed to a
  /// function, bound or returned, it is a `WritableStream` there.
  fn stream_to_async_iterable<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    streams::make(py, &self.core, "PyStreamSink", None)
  }

  /// The same as stream_from_async_iterable, for whoever awaits it, by a number: JavaScript has the stream, once, of
  /// `__jsrun_get_stream__(number)`.
  fn create_js_stream_from_python<'py>(
    &self,
    py: Python<'py>,
    iterable: &Bound<'py, PyAny>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let source = self.stream_from_async_iterable(py, iterable)?;
    let known = lock(&self.numbered)
      .as_ref()
      .map(|known| known.clone_ref(py));
    let numbered = match known {
      Some(numbered) => numbered,
      None => {
        let made = support::get(py, "_ByNumber")?.call0()?;
        define(py, &self.core, "__jsrun_get_stream__", &made)?;
        lock(&self.numbered)
          .get_or_insert(made.unbind())
          .clone_ref(py)
      }
    };
    let number = numbered.call_method1(py, "add", (source,))?;
    support::get(py, "_given")?.call1((number,))
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
    drop(self.core.work.take_modules());
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
    for owner in self.core.work.forget_context() {
      owner.cancel(py);
    }
    step::end_all(py, &self.core);
    drop(self.core.take_functions());
    self.core.work.driver.clear_timers();
    work::flush(&self.core);
    if let Some(modules) = self.core.work.modules(py) {
      modules.bind(py).call_method0("forget_all")?;
    }
    let operations = lock(&self.operations).take();
    drop(operations);
    let numbered = lock(&self.numbered).take();
    drop(numbered);
    set_up(py, &self.core, &self.config)?;
    Ok(())
  }

  /// What it uses, in bytes and numbers, as RuntimeStats.
  fn get_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    statistics::of(py, &self.core)
  }

  /// Where debuggers find it, as InspectorEndpoints; None unless the config has an `inspector`.
  fn inspector_endpoints<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let inspected = self.core.inspected.get();
    inspected
      .map(|inspected| inspected.endpoints(py))
      .transpose()
  }

  /// The number of the process that it runs in, of its own (`process=True`); None where it is this one.
  #[getter]
  fn process_id(&self) -> Option<u32> {
    self.core.process_id()
  }

  /// Runs a script of a snapshot that is being built.
  fn _record(&self, py: Python<'_>, name: String, source: String) -> PyResult<()> {
    snapshot::record(py, &self.core, name, source)
  }

  /// What V8 has compiled of one of them.
  fn _code_of<'py>(&self, py: Python<'py>, number: u32) -> PyResult<Bound<'py, PyBytes>> {
    snapshot::code_of(py, &self.core, number)
  }

  /// How many functions Python has handles of; for tests of leaks.
  fn _debug_tracked_function_count(&self, py: Python<'_>) -> PyResult<u64> {
    if self.is_closed() {
      return Ok(0);
    }
    self.get_stats(py)?.getattr("functions")?.extract()
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
      End::Closed | End::Left => "<closed Runtime>",
      End::Terminated | End::OutOfMemory | End::Lost => "<terminated Runtime>",
    }
  }

  fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
    if let Ok(operations) = self.operations.try_lock() {
      visit.call(&*operations)?;
    }
    if let Ok(numbered) = self.numbered.try_lock() {
      visit.call(&*numbered)?;
    }
    self.core.visit(|function| visit.call(function))?;
    self.core.work.visit(|modules| visit.call(modules))
  }

  fn __clear__(&self) {
    let operations = lock(&self.operations).take();
    drop(operations);
    let numbered = lock(&self.numbered).take();
    drop(numbered);
    drop(self.core.take_functions());
    drop(self.core.work.take_modules());
  }
}

impl Runtime {
  /// In seconds.
  fn timeout(&self, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Option<f64>> {
    let timeout = timeout.map(seconds).transpose()?.or(self.core.timeout());
    Ok(timeout.map(|timeout| timeout.as_secs_f64()))
  }
}

impl Drop for Runtime {
  fn drop(&mut self) {
    if self.core.isolate().is_some() {
      reap(Arc::clone(&self.core));
    }
  }
}
