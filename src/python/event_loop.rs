//! The asyncio loop on the Python thread: drain the inbox, run tasks, flush the outboxes.
//!
//! `drain` runs as a reader callback of the loop whenever the inbox' descriptor is readable. Everything
//! else here is called from apps' tasks through `receive`, `send` and `finish`, on the same thread.
//!
//! When JavaScript is woken decides throughput: at once when [`FLUSH_AFTER`] or [`FLUSH_RECORDS`] have come
//! together since the last wake, and always at the end of a drain. For records that are written outside of
//! a drain, by a task that was resumed later, one flush is scheduled at the end of the loop's iteration.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::exceptions::asyncio::CancelledError as PyCancelledError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::asgi::awaitable::Ready;
use crate::asgi::cycle::{Cycle, Owner};
use crate::asgi::http_cycle::{Abilities, HttpCycle, RequestTraits};
use crate::asgi::scope;
use crate::asgi::websocket_cycle::WebSocketCycle;
use crate::base::error::{HandlerError, Raised};
use crate::base::lock::lock;
use crate::bridge::command::{Batch, Command};
use crate::bridge::linger::Pace;
use crate::bridge::process as bridge;
use crate::bridge::record::{flag, op};
use crate::node::environment::Host;
use crate::node::handler::{self, App, Handler};
use crate::python::interpreter;
use crate::python::tasks::Tasks;

/// Between two wakes of JavaScript while Python is busy. A wake costs both threads some microseconds; with
/// none before the end of a drain the two would take turns instead of working at the same time. Apps that
/// take 100 µs a request want the time (a few responses a wake), those that take 5 µs the count.
const FLUSH_AFTER: Duration = Duration::from_micros(500);
/// Records that are not held back for more to come.
const FLUSH_RECORDS: u32 = 8;

/// The same where a single request or WebSocket is under way: nothing will come to join what it sends.
const FLUSH_ALONE: Duration = Duration::from_micros(30);

/// How many batches one drain takes before other callbacks of the loop get their turn.
const ROUNDS: usize = 8;

/// Python objects that every request needs, and the state of the loop.
struct EventLoop {
  event_loop: Py<PyAny>,
  name: String,
  /// `3.12.1`
  python_version: String,
  /// The files and folders that Python has started from.
  sources: Vec<String>,
  create_future: Py<PyAny>,
  call_soon: Py<PyAny>,
  flush: Py<PyAny>,
  tasks: Tasks,
  run: Py<PyAny>,
  root_task: Py<PyAny>,
  describe: Py<PyAny>,
  is_disconnect: Py<PyAny>,
  client_disconnected: Py<PyAny>,
  ready: Py<PyAny>,
  sleep: Py<PyAny>,
  current_task: Py<PyAny>,
  /// Running cycles by host and slot; the strong reference that keeps them and their tasks.
  cycles: Mutex<Vec<Vec<Option<Cycle>>>>,
  /// How many there are.
  running: AtomicUsize,
  flushing: Mutex<Flushing>,
  linger: Py<PyAny>,
  pace: Mutex<Pace>,
  /// The batch that the next swap fills.
  spare: Mutex<Batch>,
}

struct Flushing {
  last: Instant,
  /// Written since then.
  records: u32,
  /// Inside a drain: its end flushes.
  draining: bool,
  /// A flush is scheduled at the end of this iteration of the loop.
  scheduled: bool,
  /// Environments that have records and were not woken since.
  dirty: Vec<Arc<Host>>,
}

impl Flushing {
  fn flushed(&mut self) {
    self.last = Instant::now();
    self.records = 0;
  }
}

static LOOP: OnceLock<EventLoop> = OnceLock::new();

fn current() -> PyResult<&'static EventLoop> {
  LOOP
    .get()
    .ok_or_else(|| PyRuntimeError::new_err("amphis has no event loop yet"))
}

/// Which loop to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopKind {
  Auto,
  Uvloop,
  Asyncio,
}

impl LoopKind {
  pub fn parse(name: &str) -> Option<Self> {
    match name {
      "auto" => Some(Self::Auto),
      "uvloop" => Some(Self::Uvloop),
      "asyncio" => Some(Self::Asyncio),
      _ => None,
    }
  }

  pub const fn name(self) -> &'static str {
    match self {
      Self::Auto => "auto",
      Self::Uvloop => "uvloop",
      Self::Asyncio => "asyncio",
    }
  }
}

/// Makes the loop on the Python thread and prepares it for requests.
///
/// # Errors
///
/// What Python raises: uvloop demanded and missing, above all.
pub fn prepare(py: Python<'_>, kind: LoopKind) -> PyResult<()> {
  let helpers = interpreter::helpers(py)?;
  let (event_loop, name): (Bound<'_, PyAny>, String) = helpers
    .getattr("new_event_loop")?
    .call1((kind.name(),))?
    .extract()?;
  let asyncio = py.import("asyncio")?;
  let flush = wrap_pyfunction!(flush, py)?;
  let drain = wrap_pyfunction!(drain, py)?;
  let linger = wrap_pyfunction!(linger, py)?;
  event_loop.call_method1(
    "add_reader",
    (bridge::get().inbox().descriptor().as_raw(), drain),
  )?;
  let prepared = EventLoop {
    tasks: Tasks::new(&event_loop)?,
    create_future: event_loop.getattr("create_future")?.unbind(),
    call_soon: event_loop.getattr("call_soon")?.unbind(),
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
    flush: flush.into_any().unbind(),
    linger: linger.into_any().unbind(),
    pace: Mutex::default(),
    run: helpers.getattr("run")?.unbind(),
    root_task: helpers.getattr("root_task")?.unbind(),
    describe: helpers.getattr("describe")?.unbind(),
    is_disconnect: helpers.getattr("is_disconnect")?.unbind(),
    client_disconnected: helpers.getattr("ClientDisconnected")?.unbind(),
    ready: Py::new(py, Ready)?.into_any(),
    sleep: asyncio.getattr("sleep")?.unbind(),
    current_task: asyncio.getattr("current_task")?.unbind(),
    cycles: Mutex::default(),
    running: AtomicUsize::new(0),
    flushing: Mutex::new(Flushing {
      last: Instant::now(),
      records: 0,
      draining: false,
      scheduled: false,
      dirty: Vec::new(),
    }),
    spare: Mutex::default(),
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
      event_loop.call_method1("run_until_complete", (task,))
    })();
    let closed = current.event_loop.call_method0(py, "is_closed");
    let closed = closed.and_then(|closed| closed.is_truthy(py));
    if closed.unwrap_or(true) {
      return;
    }
    if STOPPED.load(Ordering::Acquire) {
      end_root(event_loop, root);
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
  let ended = root
    .call_method0("cancel")
    .and_then(|_| event_loop.call_method1("run_until_complete", (root,)));
  if let Err(error) = ended
    && !error.is_instance_of::<PyCancelledError>(event_loop.py())
  {
    error.write_unraisable(event_loop.py(), None);
  }
}

/// Set by [`stop`].
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Ends [`run_forever`]; on the Python thread.
///
/// # Errors
///
/// When there is no loop.
pub fn stop(py: Python<'_>) -> PyResult<()> {
  STOPPED.store(true, Ordering::Release);
  current()?.event_loop.call_method0(py, "stop").map(drop)
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

/// Runs all that JavaScript has sent. The inbox wakes the loop again for what comes later.
#[pyfunction]
fn drain(py: Python<'_>) -> PyResult<()> {
  bridge::get().inbox().descriptor().clear();
  run_batches(py, current()?);
  Ok(())
}

/// Stays awake for the next request; see `linger.rs`.
#[pyfunction]
fn linger(py: Python<'_>) -> PyResult<()> {
  let current = current()?;
  if !lock(&current.pace).begin_look() {
    return Ok(());
  }
  if !py.detach(|| bridge::get().inbox().linger()) {
    lock(&current.pace).waited_in_vain();
  }
  run_batches(py, current);
  Ok(())
}

/// There is nothing left to do, but to wait for what JavaScript sends.
pub fn rest(py: Python<'_>) {
  let Some(current) = LOOP.get() else { return };
  if current.running.load(Ordering::Relaxed) <= 1 && lock(&current.pace).rest() {
    // A loop that is closing takes no more callbacks, and needs none.
    let _ = current.call_soon.call1(py, (&current.linger,));
  }
}

fn run_batches(py: Python<'_>, current: &EventLoop) {
  let inbox = bridge::get().inbox();
  let mut batch = std::mem::take(&mut *lock(&current.spare));
  lock(&current.flushing).draining = true;
  for round in 1.. {
    if inbox.swap(&mut batch) {
      for command in batch.commands.drain(..) {
        // A panic must not cost the commands behind this one, nor leave the loop in the middle of a drain.
        let executed = catch_unwind(AssertUnwindSafe(|| {
          execute(py, current, command, &batch.arena);
        }));
        if executed.is_err() {
          report(
            py,
            Err(PyRuntimeError::new_err("amphis panicked; please report it")),
          );
        }
      }
    }
    if !inbox.arm() {
      break;
    }
    if round == ROUNDS {
      // `arm` has disarmed the wake: this descriptor is the only thing that brings us back.
      inbox.descriptor().signal();
      break;
    }
  }
  *lock(&current.spare) = batch;
  let dirty = {
    let mut flushing = lock(&current.flushing);
    flushing.draining = false;
    flushing.flushed();
    std::mem::take(&mut flushing.dirty)
  };
  for host in dirty {
    host.wake();
  }
}

fn execute(py: Python<'_>, current: &EventLoop, command: Command, arena: &[u8]) {
  match command {
    Command::Request {
      handler,
      host,
      slot,
      head,
      body,
      more_body,
      awaits_continue,
      alone,
    } => {
      lock(&current.pace).begin(alone);
      begin(py, current, handler, host, slot, |owner, app| {
        let head = head.of(arena);
        let (scope, letters) = scope::http_scope(py, &app.constants, head)?;
        let traits = RequestTraits {
          head_only: head.starts_with(b"HEAD\0"),
          more_body,
          awaits_continue,
          abilities: Abilities::parse(letters),
        };
        let cycle = HttpCycle::new(owner, traits);
        cycle.body_part(py, body, arena, more_body);
        Ok((scope, Cycle::Http(Py::new(py, cycle)?)))
      });
    }
    Command::Chunk {
      host,
      slot,
      part,
      more_body,
    } => {
      if let Some(Cycle::Http(cycle)) = current.cycle(py, host, slot) {
        cycle.get().body_part(py, part, arena, more_body);
      }
    }
    Command::Disconnect { host, slot } => {
      if let Some(cycle) = current.cycle(py, host, slot) {
        cycle.disconnect(py);
      }
    }
    Command::Connect {
      handler,
      host,
      slot,
      head,
      max_queue,
    } => {
      begin(py, current, handler, host, slot, |owner, app| {
        let (scope, offer) = scope::websocket_scope(py, &app.constants, head.of(arena))?;
        let cycle = WebSocketCycle::new(owner, offer, max_queue);
        Ok((scope, Cycle::WebSocket(Py::new(py, cycle)?)))
      });
    }
    Command::Message {
      host,
      slot,
      part,
      is_text,
      alone,
    } => {
      lock(&current.pace).begin(alone);
      if let Some(Cycle::WebSocket(cycle)) = current.cycle(py, host, slot) {
        cycle.get().message(py, part, arena, is_text);
      }
    }
    Command::Closed {
      host,
      slot,
      code,
      reason,
    } => {
      if let Some(Cycle::WebSocket(cycle)) = current.cycle(py, host, slot) {
        let reason = String::from_utf8_lossy(reason.of(arena)).into_owned();
        cycle.get().closed(py, code, reason);
      }
    }
    Command::Credit { host, slot, bytes } => {
      if let Some(cycle) = current.cycle(py, host, slot) {
        cycle.credit(py, bytes);
      }
    }
    Command::Cancel { host, slot } => {
      if let Some(cycle) = current.cycle(py, host, slot) {
        report(py, cycle.cancel(py, HandlerError::RequestTimeout));
        // JavaScript has answered in its place: for the app the client is gone.
        cycle.disconnect(py);
      }
    }
    Command::Taken { host } => {
      let held = bridge::get().host(host).map(|host| host.take_held());
      for slot in held.unwrap_or_default() {
        if let Some(cycle) = current.cycle(py, host, slot) {
          cycle.resume(py);
        }
      }
    }
    Command::Release(body) => drop(body.owner),
    Command::Run(job) => job(py),
  }
}

/// Starts the app on what `make` makes: a scope and a cycle.
fn begin<'py>(
  py: Python<'py>,
  current: &EventLoop,
  handler: u32,
  host: u32,
  slot: u32,
  make: impl FnOnce(Owner, &App) -> PyResult<(Bound<'py, PyDict>, Cycle)>,
) {
  let Some(host) = bridge::get().host(host) else {
    return;
  };
  let Some(handler) = handler::get(handler) else {
    refuse(py, &host, slot, &HandlerError::Closed);
    return;
  };
  let Some(app) = handler.app() else {
    refuse(py, &host, slot, &HandlerError::Closed);
    return;
  };
  handler.request_started();
  let owner = Owner {
    host: Arc::clone(&host),
    handler: Arc::clone(&handler),
    slot,
  };
  let begun = make(owner, app).and_then(|(scope, cycle)| {
    let task = match spawn(py, (app.callable.bind(py), scope, cycle.bind(py))) {
      // It may have come to its end and been told of, before the task could not be made.
      Err(error) if cycle.is_finished() => {
        report(py, Err(error));
        return Ok(());
      }
      task => task?,
    };
    if !cycle.is_finished() {
      cycle.set_task(task);
      current.keep(host.index, slot, cycle);
    }
    Ok(())
  });
  if let Err(error) = begun {
    handler.request_finished();
    refuse(py, &host, slot, &python_error(py, error));
  }
}

/// A task of `run(app, scope, cycle)`, which has taken its first step; see `task.rs`.
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

/// Ends a request that never had a cycle.
fn refuse(py: Python<'_>, host: &Arc<Host>, slot: u32, error: &HandlerError) {
  let description = error.to_json();
  let length = i32::try_from(description.len()).unwrap_or(i32::MAX);
  host.outbox.push(|records| {
    records.text.extend_from_slice(description.as_bytes());
    records.push(op::FAIL | flag::DONE, slot, [length, 0, 0]);
  });
  flush_soon(py, host);
}

impl EventLoop {
  fn cycle(&self, py: Python<'_>, host: u32, slot: u32) -> Option<Cycle> {
    lock(&self.cycles)
      .get(host as usize)?
      .get(slot as usize)?
      .as_ref()
      .map(|cycle| cycle.clone_ref(py))
  }

  fn keep(&self, host: u32, slot: u32, cycle: Cycle) {
    let (host, slot) = (host as usize, slot as usize);
    let mut cycles = lock(&self.cycles);
    if cycles.len() <= host {
      cycles.resize_with(host + 1, Vec::new);
    }
    if let Some(slots) = cycles.get_mut(host) {
      if slots.len() <= slot {
        slots.resize_with(slot + 1, || None);
      }
      if let Some(place) = slots.get_mut(slot) {
        *place = Some(cycle);
        self.running.fetch_add(1, Ordering::Relaxed);
      }
    }
  }
}

/// Lets go of a cycle that is over.
pub fn forget_cycle(py: Python<'_>, host: &Host, slot: u32) {
  rest(py);
  let forgotten = LOOP.get().and_then(|current| {
    lock(&current.cycles)
      .get_mut(host.index as usize)?
      .get_mut(slot as usize)?
      .take()
      .inspect(|_| {
        current.running.fetch_sub(1, Ordering::Relaxed);
      })
  });
  drop(forgotten);
}

/// The running cycles of a handler.
pub fn cycles_of(py: Python<'_>, handler: &Arc<Handler>) -> Vec<Cycle> {
  let Some(current) = LOOP.get() else {
    return Vec::new();
  };
  lock(&current.cycles)
    .get(handler.host as usize)
    .map(|slots| {
      slots
        .iter()
        .flatten()
        .filter(|cycle| Arc::ptr_eq(&cycle.owner().handler, handler))
        .map(|cycle| cycle.clone_ref(py))
        .collect()
    })
    .unwrap_or_default()
}

/// JavaScript gets the records of `host` soon; see the module's text for when.
pub fn flush_soon(py: Python<'_>, host: &Arc<Host>) {
  let Some(current) = LOOP.get() else { return };
  let schedule = {
    let mut flushing = lock(&current.flushing);
    let since = flushing.last.elapsed();
    flushing.records += 1;
    let is_alone = !flushing.draining && current.running.load(Ordering::Relaxed) == 1;
    if flushing.records >= FLUSH_RECORDS || since > FLUSH_AFTER || (is_alone && since > FLUSH_ALONE)
    {
      flushing.flushed();
      drop(flushing);
      host.wake();
      return;
    }
    if !flushing.dirty.iter().any(|dirty| Arc::ptr_eq(dirty, host)) {
      flushing.dirty.push(Arc::clone(host));
    }
    let schedule = !flushing.draining && !flushing.scheduled;
    flushing.scheduled |= schedule;
    schedule
  };
  if schedule && current.call_soon.call1(py, (&current.flush,)).is_err() {
    // A loop that is closing takes no more callbacks.
    report(py, flush(py));
  }
}

/// Wakes every environment that has records.
#[pyfunction]
#[allow(clippy::unnecessary_wraps, reason = "a Python function")]
fn flush(_py: Python<'_>) -> PyResult<()> {
  if let Some(current) = LOOP.get() {
    let dirty = {
      let mut flushing = lock(&current.flushing);
      flushing.scheduled = false;
      flushing.flushed();
      std::mem::take(&mut flushing.dirty)
    };
    for host in dirty {
      host.wake();
    }
  }
  Ok(())
}

/// Has the loop call something in its next turn.
///
/// # Errors
///
/// When there is no loop.
pub fn call_soon(py: Python<'_>, callback: &Bound<'_, PyAny>) -> PyResult<()> {
  current()?.call_soon.bind(py).call1((callback,)).map(drop)
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

/// The awaitable that is complete.
pub fn ready(py: Python<'_>) -> Py<PyAny> {
  LOOP
    .get()
    .map_or_else(|| py.None(), |current| current.ready.clone_ref(py))
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

/// `ClientDisconnected`, an `OSError`.
pub fn client_disconnected(py: Python<'_>) -> PyErr {
  let Some(current) = LOOP.get() else {
    return pyo3::exceptions::PyConnectionResetError::new_err(());
  };
  let message = PyTuple::new(py, ["the client has disconnected"]);
  match message.and_then(|message| current.client_disconnected.bind(py).call1(message)) {
    Ok(error) => PyErr::from_value(error),
    Err(error) => error,
  }
}

/// Whether an exception only says that the client has gone.
pub fn is_disconnect(py: Python<'_>, error: &Bound<'_, PyAny>) -> bool {
  LOOP
    .get()
    .and_then(|current| current.is_disconnect.bind(py).call1((error,)).ok())
    .is_some_and(|answer| answer.is_truthy().unwrap_or(false))
}

/// An exception as one line of ASCII JSON.
pub fn describe(py: Python<'_>, error: &Bound<'_, PyAny>) -> String {
  let described =
    current().and_then(|current| current.describe.bind(py).call1((error,))?.extract());
  described.unwrap_or_else(|failure: PyErr| {
    HandlerError::InvalidRequest(format!("an exception could not be described: {failure}"))
      .to_json()
  })
}

/// The same of an error that Rust caught. Before 3.12 only `into_value` joins it with its traceback.
pub fn python_error(py: Python<'_>, error: PyErr) -> HandlerError {
  HandlerError::Python(describe(py, error.into_value(py).bind(py).as_any()))
}

/// What an exception has to say; never fails.
pub fn report_parts(py: Python<'_>, error: &Bound<'_, PyAny>) -> Raised {
  let parts = interpreter::helpers(py)
    .and_then(|helpers| helpers.getattr("report")?.call1((error,))?.extract());
  let (kind, message, traceback, exceptions) = parts.unwrap_or_else(|failure: PyErr| {
    (
      String::from("Exception"),
      failure.to_string(),
      String::new(),
      String::from("[]"),
    )
  });
  Raised {
    kind,
    message,
    traceback,
    exceptions,
  }
}

/// An exception that has nobody to go to: Python's `sys.unraisablehook` shows it.
pub fn report(py: Python<'_>, result: PyResult<()>) {
  if let Err(error) = result {
    error.write_unraisable(py, None);
  }
}
