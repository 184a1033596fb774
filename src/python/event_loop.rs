//! The asyncio or uvloop loop on the Python thread, and what it does for others: futures, callbacks, tasks.
//!
//! Everything here happens on the Python thread, attached to the interpreter, but for the questions about the loop's
//! name and version.

use std::sync::OnceLock;
use std::time::Instant;

use pyo3::exceptions::PyRuntimeError;
use pyo3::exceptions::asyncio::CancelledError as PyCancelledError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::exceptions::report;
use super::sources;
use super::tasks::Tasks;
use crate::base::options::LoopKind;

/// The loop, and the Python objects that its services need.
struct EventLoop {
  event_loop: Py<PyAny>,
  name: String,
  /// `3.12.1`
  python_version: String,
  /// The files and folders that Python has started from.
  sources: Vec<String>,
  create_future: Py<PyAny>,
  call_soon: Py<PyAny>,
  call_later: Py<PyAny>,
  tasks: Tasks,
  run: Py<PyAny>,
  root_task: Py<PyAny>,
  run_until_complete: Py<PyAny>,
  sleep: Py<PyAny>,
  current_task: Py<PyAny>,
}

static LOOP: OnceLock<EventLoop> = OnceLock::new();

fn current() -> PyResult<&'static EventLoop> {
  LOOP
    .get()
    .ok_or_else(|| PyRuntimeError::new_err("amphis has no event loop yet"))
}

/// Makes the loop on the Python thread.
///
/// # Errors
///
/// What Python raises: uvloop demanded and missing, above all.
pub fn prepare(py: Python<'_>, kind: LoopKind) -> PyResult<()> {
  let helpers = sources::helpers(py)?;
  let (event_loop, name): (Bound<'_, PyAny>, String) = helpers
    .getattr("new_event_loop")?
    .call1((kind.name(),))?
    .extract()?;
  let asyncio = py.import("asyncio")?;
  let prepared = EventLoop {
    tasks: Tasks::new(&event_loop)?,
    create_future: event_loop.getattr("create_future")?.unbind(),
    call_soon: event_loop.getattr("call_soon")?.unbind(),
    call_later: event_loop.getattr("call_later")?.unbind(),
    event_loop: event_loop.unbind(),
    name,
    python_version: Python::version_str()
      .split(' ')
      .next()
      .unwrap_or_default()
      .to_owned(),
    // Whatever a module may hold that is in the way: it is of interest, but not needed.
    sources: helpers
      .call_method0("sources")
      .and_then(|sources| sources.extract())
      .unwrap_or_default(),
    run: helpers.getattr("run")?.unbind(),
    root_task: helpers.getattr("root_task")?.unbind(),
    run_until_complete: helpers.getattr("run_until_complete")?.unbind(),
    sleep: asyncio.getattr("sleep")?.unbind(),
    current_task: asyncio.getattr("current_task")?.unbind(),
  };
  LOOP
    .set(prepared)
    .map_err(|_| PyRuntimeError::new_err("the event loop was prepared twice"))
}

/// Runs the loop until [`stop`].
///
/// A task that lasts as long as the loop is run until it is complete, as servers do it: anyio keeps its worker
/// threads by such a task, and without one makes threads anew for each request.
///
/// asyncio lets `SystemExit` and `KeyboardInterrupt` of any task out of the loop, and any app can call its
/// `stop()` or cancel all tasks. Here none of that ends it: the loop belongs to other apps as well.
pub fn run_forever(py: Python<'_>) {
  let Some(current) = LOOP.get() else { return };
  let event_loop = current.event_loop.bind(py);
  let mut root: Option<Bound<'_, PyAny>> = None;
  loop {
    let ended = (|| {
      let task = match root.take() {
        Some(task) if !task.call_method0("done")?.is_truthy()? => task,
        _ => current.root_task.bind(py).call1((event_loop,))?,
      };
      root = Some(task.clone());
      current
        .run_until_complete
        .bind(py)
        .call1((event_loop, task))
    })();
    let closed = current.event_loop.call_method0(py, "is_closed");
    let closed = closed.and_then(|closed| closed.is_truthy(py));
    if closed.unwrap_or(true) {
      return;
    }
    if let Some(deadline) = STOPPED.get() {
      end_root(event_loop, root);
      wind_up(event_loop, *deadline);
      return;
    }
    if let Err(error) = ended
      && !error.is_instance_of::<PyRuntimeError>(py)
      && !error.is_instance_of::<PyCancelledError>(py)
    {
      error.write_unraisable(py, None);
    }
  }
}

/// Ends the task that lasts as long as the loop, and runs what was to happen then: worker threads of anyio are told to
/// end, for which the way out of Python waits.
fn end_root(event_loop: &Bound<'_, PyAny>, root: Option<Bound<'_, PyAny>>) {
  let Some(root) = root else { return };
  let ended = sources::helpers(event_loop.py())
    .and_then(|helpers| helpers.call_method1("end_task", (event_loop, root)));
  if let Err(error) = ended
    && !error.is_instance_of::<PyCancelledError>(event_loop.py())
  {
    error.write_unraisable(event_loop.py(), None);
  }
}

/// Ends what is left on the loop, as `asyncio.run` does: tasks are cancelled and run to their end, async generators are
/// closed, the default executor's threads have finished their work. Until the deadline.
fn wind_up(event_loop: &Bound<'_, PyAny>, deadline: Instant) {
  let py = event_loop.py();
  let seconds = deadline
    .saturating_duration_since(Instant::now())
    .as_secs_f64();
  let ended =
    sources::helpers(py).and_then(|helpers| helpers.call_method1("wind_up", (event_loop, seconds)));
  report(py, ended.map(drop));
}

/// Set by [`stop`]: until when what is left may take.
static STOPPED: OnceLock<Instant> = OnceLock::new();

/// Ends [`run_forever`], and what is left on the loop by the `deadline`; on the Python thread.
///
/// # Errors
///
/// When there is no loop.
pub fn stop(py: Python<'_>, deadline: Instant) -> PyResult<()> {
  let _ = STOPPED.set(deadline);
  current()?.event_loop.call_method0(py, "stop").map(drop)
}

/// The same from another thread that holds the GIL; waits without it until the loop has ended, or the deadline has come.
///
/// # Errors
///
/// When there is no loop, or it is closed.
pub fn stop_from_anywhere(py: Python<'_>, deadline: Instant) -> PyResult<()> {
  let _ = STOPPED.set(deadline);
  let event_loop = current()?.event_loop.bind(py);
  event_loop
    .call_method1("call_soon_threadsafe", (event_loop.getattr("stop")?,))
    .map(drop)
}

/// The loop's name: `uvloop` or `asyncio`.
pub fn name() -> Option<&'static str> {
  LOOP.get().map(|current| current.name.as_str())
}

/// The version of the Python that runs.
pub fn python_version() -> Option<&'static str> {
  LOOP.get().map(|current| current.python_version.as_str())
}

/// The files and folders that Python has started from.
pub fn sources() -> &'static [String] {
  LOOP.get().map_or(&[], |current| &current.sources)
}

/// The loop itself, for pyo3-async-runtimes.
///
/// # Errors
///
/// When there is none.
pub fn bound(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
  Ok(current()?.event_loop.bind(py).clone())
}

/// The loop that runs on this thread.
///
/// # Errors
///
/// `RuntimeError` where none does.
pub fn running(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
  static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
  let get = || {
    let get = py.import("asyncio")?.getattr("get_running_loop")?;
    Ok::<_, PyErr>(get.unbind())
  };
  GET.get_or_try_init(py, get)?.bind(py).call0()
}

/// A task of `run(app, scope, cycle)`, which has taken its first step; see `tasks.rs`.
///
/// # Errors
///
/// When there is no loop, or it is closed.
pub fn spawn<'py>(
  py: Python<'py>,
  arguments: impl pyo3::call::PyCallArgs<'py>,
) -> PyResult<Py<PyAny>> {
  let current = current()?;
  let coroutine = current.run.bind(py).call1(arguments)?;
  current.tasks.start(&coroutine).map(Bound::unbind)
}

/// A task of a coroutine, which has taken its first step; see `tasks.rs`.
///
/// # Errors
///
/// When there is no loop, or it is closed. The coroutine may have run all the same.
pub fn start(py: Python<'_>, coroutine: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
  let _ = py;
  current()?.tasks.start_unnamed(coroutine).map(Bound::unbind)
}

/// Has the loop call something each time that a descriptor is readable.
///
/// # Errors
///
/// What Python raises.
pub fn add_reader(py: Python<'_>, descriptor: i32, callback: &Bound<'_, PyAny>) -> PyResult<()> {
  sources::helpers(py)?
    .call_method1("add_reader", (bound(py)?, descriptor, callback))
    .map(drop)
}

/// Has the loop call something in its next turn.
///
/// # Errors
///
/// When there is no loop.
pub fn call_soon(py: Python<'_>, callback: &Bound<'_, PyAny>) -> PyResult<()> {
  current()?.call_soon.bind(py).call1((callback,)).map(drop)
}

/// The same after some seconds.
///
/// # Errors
///
/// When there is no loop, or it is closing.
pub fn call_later(py: Python<'_>, seconds: f64, callback: &Bound<'_, PyAny>) -> PyResult<()> {
  current()?
    .call_later
    .bind(py)
    .call1((seconds, callback))
    .map(drop)
}

/// A future of the loop.
///
/// # Errors
///
/// When there is no loop.
pub fn create_future(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
  current()?.create_future.bind(py).call0()
}

/// Wakes the task that sleeps on `future`, unless it was cancelled.
pub fn wake_future(py: Python<'_>, future: &Py<PyAny>) {
  let woken = (|| {
    let future = future.bind(py);
    if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
      future.call_method1(intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
  })();
  report(py, woken);
}

/// An awaitable that lets other tasks run once.
///
/// # Errors
///
/// When there is no loop.
pub fn pause(py: Python<'_>) -> PyResult<Py<PyAny>> {
  current()?.sleep.call1(py, (0,))
}

/// The task that runs.
pub fn current_task(py: Python<'_>) -> Option<Py<PyAny>> {
  let task = LOOP.get()?.current_task.call0(py).ok()?;
  (!task.is_none(py)).then_some(task)
}
