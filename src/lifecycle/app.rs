//! Starting and ending: Python itself, one app, one environment.
//!
//! All of it waits for something, so it runs as tokio tasks, which send jobs to the Python thread and wait
//! for their answers without holding the GIL.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::asgi::lifespan::{self, Answer, LifespanCycle, LifespanMode, Outcome};
use crate::asgi::scope::ScopeConstants;
use crate::base::error::{AppErrorKind, HandlerError, push_json_string};
use crate::base::lock::lock;
use crate::bridge::command::Command;
use crate::bridge::process as bridge;
use crate::bridge::record::op;
use crate::node::environment::Host;
use crate::node::handler::{self, App, Handler};
use crate::python::collector;
use crate::python::event_loop::{self, LoopKind};
use crate::python::importer::{self, Asked, Imported, Interface, Source};
use crate::python::interpreter::{self, InterpreterConfig};
use crate::python::logging;

/// How long a process or worker that ends without `close()` waits for Python.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);
/// How long cancelled tasks may take to clean up.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// What has become of Python in this process.
enum Python3 {
  Idle,
  Starting(Vec<(Arc<Host>, u32)>),
  Running { executable: String },
  Failed(HandlerError),
  Left,
}

static PYTHON: Mutex<Python3> = Mutex::new(Python3::Idle);
static LEFT: Condvar = Condvar::new();

/// Starts Python, or joins the one that runs or starts.
pub fn start_python(host: Arc<Host>, token: u32, executable: String, kind: LoopKind) {
  let mut python = lock(&PYTHON);
  match &mut *python {
    Python3::Idle => {
      *python = Python3::Starting(vec![(host, token)]);
      drop(python);
      spawn_python(executable, kind);
    }
    Python3::Starting(waiting) => waiting.push((host, token)),
    Python3::Running {
      executable: running,
    } => {
      let answer = if *running == executable {
        check_loop(kind)
      } else {
        Err(HandlerError::PythonConflict(format!(
          "This process already runs the Python of {running}, so {executable} can't be used as well. Use one environment a process."
        )))
      };
      drop(python);
      answer_start(&host, token, answer);
    }
    Python3::Failed(error) => {
      let error = error.clone();
      drop(python);
      answer_start(&host, token, Err(error));
    }
    Python3::Left => {
      drop(python);
      answer_start(&host, token, Err(HandlerError::Closed));
    }
  }
}

fn spawn_python(executable: String, kind: LoopKind) {
  let config = InterpreterConfig {
    executable: executable.clone(),
    register: crate::register_module,
    left: python_left,
  };
  let spawned = interpreter::spawn(
    config,
    |error| settle_start(Err(error)),
    move |py| {
      let prepared = collector::prepare(py).and_then(|()| event_loop::prepare(py, kind));
      match prepared {
        Ok(()) => {
          settle_start(Ok(executable));
          event_loop::run_forever(py);
        }
        Err(error) => settle_start(Err(HandlerError::PythonStart(error.value(py).to_string()))),
      }
    },
  );
  if let Err(error) = spawned {
    settle_start(Err(error));
  }
}

fn settle_start(outcome: Result<String, HandlerError>) {
  let mut python = lock(&PYTHON);
  let next = match &outcome {
    Ok(executable) => Python3::Running {
      executable: executable.clone(),
    },
    Err(error) => Python3::Failed(error.clone()),
  };
  let waiting = match std::mem::replace(&mut *python, next) {
    Python3::Starting(waiting) => waiting,
    _ => Vec::new(),
  };
  drop(python);
  for (host, token) in waiting {
    answer_start(
      &host,
      token,
      outcome.as_ref().map(|_| ()).map_err(Clone::clone),
    );
  }
}

/// A loop that was asked for by name must be the one that runs.
fn check_loop(kind: LoopKind) -> Result<(), HandlerError> {
  match event_loop::name() {
    Some(running) if kind != LoopKind::Auto && kind.name() != running => {
      Err(HandlerError::PythonConflict(format!(
        "This process already runs {running}, so loop '{}' can't be used as well. Ask for one loop in all handlers.",
        kind.name()
      )))
    }
    _ => Ok(()),
  }
}

fn answer_start(host: &Host, token: u32, outcome: Result<(), HandlerError>) {
  let mut json = String::new();
  if outcome.is_ok() {
    json.push_str("{\"loop\":");
    push_json_string(&mut json, event_loop::name().unwrap_or_default());
    json.push_str(",\"python\":");
    push_json_string(&mut json, event_loop::python_version().unwrap_or_default());
    json.push_str(",\"sources\":");
    json.push('[');
    for (index, source) in event_loop::sources().iter().enumerate() {
      if index > 0 {
        json.push(',');
      }
      push_json_string(&mut json, source);
    }
    json.push_str("]}");
  }
  answer(host, token, outcome.map(|()| json));
}

/// Called on the Python thread once Python has been left.
fn python_left() {
  *lock(&PYTHON) = Python3::Left;
  LEFT.notify_all();
}

/// Imports the app and runs its startup; answers `token`.
pub fn start(host: Arc<Host>, handler: Arc<Handler>, token: u32, limit: u32) {
  spawn_task(Arc::clone(&host), token, async move {
    let outcome = start_app(&host, &handler, u64::from(limit)).await;
    if outcome.is_err() {
      handler::forget(handler.index);
    }
    let json = |unsupported: Option<String>| {
      format!(
        "{{\"unsupported\":{}}}",
        unsupported.as_deref().unwrap_or("null")
      )
    };
    answer(&host, token, outcome.map(json));
  });
}

/// What the import leads to: an app, and a lifespan whose startup is to be awaited.
struct Begun {
  callable: Py<PyAny>,
  lifespan: Option<Lifespan>,
}

struct Lifespan {
  cycle: Py<LifespanCycle>,
  state: Py<PyDict>,
  startup: oneshot::Receiver<Outcome>,
}

/// Returns the description of why the app has no lifespan, if it raised.
async fn start_app(
  host: &Arc<Host>,
  handler: &Arc<Handler>,
  limit: u64,
) -> Result<Option<String>, HandlerError> {
  let (host, owner) = (Arc::clone(host), Arc::clone(handler));
  let Begun { callable, lifespan } = on_python(move |py| import(py, &host, &owner)).await??;
  let Some(Lifespan {
    cycle,
    state,
    startup,
  }) = lifespan
  else {
    complete(handler, callable, None).await?;
    return Ok(None);
  };
  let outcome = if limit == 0 {
    startup.await
  } else {
    match timeout(Duration::from_millis(limit), startup).await {
      Ok(outcome) => outcome,
      Err(_) => {
        drop(lock(&handler.lifespan).take());
        on_python(move |py| cycle.get().cancel(py)).await?;
        return Err(HandlerError::StartupTimeout(limit));
      }
    }
  };
  if handler.is_closing() {
    return Err(HandlerError::Closed);
  }
  // The sender goes away only with the interpreter.
  match outcome.unwrap_or(Err(HandlerError::Closed))? {
    Answer::Complete => {
      complete(handler, callable, Some(state)).await?;
      Ok(None)
    }
    Answer::Unsupported(why) => {
      drop(lock(&handler.lifespan).take());
      complete(handler, callable, Some(state)).await?;
      Ok(why)
    }
  }
}

/// Python thread: the app and, unless it is off, its lifespan.
fn import(py: Python<'_>, host: &Arc<Host>, handler: &Handler) -> Result<Begun, HandlerError> {
  let options = &handler.options;
  logging::configure(py, options)?;
  let Imported {
    callable,
    interface,
  } = importer::import_app(
    py,
    Source {
      target: &options.app,
      app_dir: &options.app_dir,
      factory: options.factory,
      interface: Asked::parse(&options.interface),
      wsgi_threads: options.wsgi_threads,
    },
  )?;
  if interface == Interface::Wsgi && handler.mode() == LifespanMode::On {
    return Err(HandlerError::App {
      code: AppErrorKind::Invalid,
      message: format!(
        "The app \"{}\" is WSGI, which has no lifespan. Set `lifespan` to 'auto' or 'off'.",
        options.app
      ),
      raised: None,
    });
  }
  if interface == Interface::Wsgi || handler.mode() == LifespanMode::Off {
    return Ok(Begun {
      callable,
      lifespan: None,
    });
  }
  let state = PyDict::new(py).unbind();
  let (host, index) = (Arc::clone(host), handler.index);
  let notice = Box::new(move |error: &HandlerError| notify(&host, index, error));
  let (cycle, startup) = lifespan::begin(py, &callable, handler.mode(), &state, notice)
    .map_err(|error| event_loop::python_error(py, error))?;
  // From here on closing can reach it.
  *lock(&handler.lifespan) = Some(cycle.clone_ref(py));
  Ok(Begun {
    callable,
    lifespan: Some(Lifespan {
      cycle,
      state,
      startup,
    }),
  })
}

async fn complete(
  handler: &Arc<Handler>,
  callable: Py<PyAny>,
  state: Option<Py<PyDict>>,
) -> Result<(), HandlerError> {
  let handler = Arc::clone(handler);
  on_python(move |py| {
    let constants = ScopeConstants::new(py, &handler.options.root_path, state)
      .map_err(|error| event_loop::python_error(py, error))?;
    handler.set_app(App {
      callable,
      constants,
    });
    collector::freeze(py, &handler).map_err(|error| event_loop::python_error(py, error))
  })
  .await?
}

/// Answers `token` on the Python thread, from its loop.
pub fn ping(host: Arc<Host>, token: u32) {
  bridge::get().inbox().push(|batch| {
    let job = move |_: Python<'_>| answer(&host, token, Ok("{}".to_owned()));
    batch.commands.push(Command::Run(Box::new(job)));
  });
}

/// Drain, cancel, shut down; answers `token`.
pub fn close(host: Arc<Host>, handler: Arc<Handler>, token: u32, grace: u32) {
  spawn_task(Arc::clone(&host), token, async move {
    let grace = Duration::from_millis(u64::from(grace));
    let outcome = close_app(&handler, grace, grace.max(CANCEL_LIMIT)).await;
    answer(&host, token, outcome.map(|()| "{}".to_owned()));
  });
}

async fn close_app(
  handler: &Arc<Handler>,
  grace: Duration,
  shutdown_limit: Duration,
) -> Result<(), HandlerError> {
  // On the Python thread, behind all requests that were sent before.
  let owner = Arc::clone(handler);
  on_python(move |_| owner.start_closing()).await?;
  if timeout(grace, handler.drained()).await.is_err() {
    let owner = Arc::clone(handler);
    on_python(move |py| {
      for cycle in event_loop::cycles_of(py, &owner) {
        event_loop::report(py, cycle.cancel(py, HandlerError::Cancelled));
      }
    })
    .await?;
    if timeout(CANCEL_LIMIT, handler.drained()).await.is_err() {
      // A task that swallows its cancellation is left to itself.
      let owner = Arc::clone(handler);
      on_python(move |py| {
        for cycle in event_loop::cycles_of(py, &owner) {
          cycle.abandon(py, &HandlerError::Cancelled);
        }
      })
      .await?;
    }
  }
  let outcome = shut_down(handler, shutdown_limit).await;
  handler::forget(handler.index);
  let owner = Arc::clone(handler);
  on_python(move |py| {
    event_loop::report(py, flush_streams(py));
    event_loop::report(py, collector::unfreeze(py, &owner));
  })
  .await?;
  outcome
}

async fn shut_down(handler: &Arc<Handler>, limit: Duration) -> Result<(), HandlerError> {
  let Some(cycle) = lock(&handler.lifespan).take() else {
    return Ok(());
  };
  if !handler.is_started() {
    // Its startup is given up; whoever waits for it is told that the handler is closed.
    return on_python(move |py| cycle.get().cancel(py)).await;
  }
  let (cycle, shutdown) = on_python(move |py| {
    let shutdown = cycle.get().shut_down(py);
    (cycle, shutdown)
  })
  .await?;
  let Some(shutdown) = shutdown else {
    return Ok(());
  };
  match timeout(limit, shutdown).await {
    Ok(outcome) => {
      let _: Answer = outcome.unwrap_or(Err(HandlerError::Closed))?;
      let ended = lock(&cycle.get().ended).take();
      if let Some(ended) = ended {
        // What the app does after `lifespan.shutdown.complete` belongs to its shutdown too.
        let _ = timeout(limit, ended).await;
      }
      Ok(())
    }
    Err(_) => {
      on_python(move |py| cycle.get().cancel(py)).await?;
      Err(HandlerError::LifespanFailed {
        message: format!(
          "The app's lifespan shutdown did not finish within {} ms, so it was cancelled.",
          limit.as_millis()
        ),
        raised: None,
      })
    }
  }
}

fn flush_streams(py: Python<'_>) -> PyResult<()> {
  let sys = py.import("sys")?;
  for name in ["stdout", "stderr"] {
    let stream = sys.getattr(name)?;
    if !stream.is_none() {
      stream.call_method0("flush")?;
    }
  }
  Ok(())
}

/// The environment of `host` ends and nobody has called `close()`: its apps are shut down, and with the
/// main environment Python is left, all within [`LEAVE_LIMIT`]. Blocks the JavaScript thread; its loop is
/// over. Does nothing the second time.
#[expect(
  clippy::print_stderr,
  reason = "the environment's JavaScript has ended"
)]
pub fn leave(host: &Arc<Host>) {
  if host.left.swap(true, Ordering::AcqRel) {
    return;
  }
  let deadline = Instant::now() + LEAVE_LIMIT;
  if !matches!(&*lock(&PYTHON), Python3::Running { .. }) {
    return;
  }
  let is_main = host.is_main;
  // The end of the main environment is the end of the process, and of the workers' apps too.
  let handlers = if is_main {
    handler::all()
  } else {
    handler::of_host(host.index)
  };
  let (sender, receiver) = std::sync::mpsc::channel();
  let Ok(runtime) = bridge::tokio() else { return };
  runtime.spawn(async move {
    let mut closing = JoinSet::new();
    for handler in handlers {
      closing.spawn(async move { close_app(&handler, Duration::ZERO, LEAVE_LIMIT).await });
    }
    while let Some(closed) = closing.join_next().await {
      if let Ok(Err(error)) = closed {
        eprintln!("amphis: {error}");
      }
    }
    if is_main {
      // Answered by `python_left`.
      let _ = on_python(|py| event_loop::report(py, event_loop::stop(py))).await;
    }
    // Nobody listens past the limit.
    let _ = sender.send(());
  });
  let _ = receiver.recv_timeout(LEAVE_LIMIT);
  if is_main {
    let left = deadline.saturating_duration_since(Instant::now());
    let python = lock(&PYTHON);
    let waited = LEFT.wait_timeout_while(python, left, |python| {
      matches!(python, Python3::Running { .. })
    });
    drop(waited.unwrap_or_else(PoisonError::into_inner));
  }
}

/// Runs `job` on the Python thread and waits for its result.
async fn on_python<R: Send + 'static>(
  job: impl FnOnce(Python<'_>) -> R + Send + 'static,
) -> Result<R, HandlerError> {
  let (sender, receiver) = oneshot::channel();
  bridge::get().inbox().push(|batch| {
    batch.commands.push(Command::Run(Box::new(move |py| {
      // Nobody listens when the process is ending.
      let _ = sender.send(job(py));
    })));
  });
  receiver.await.map_err(|_| HandlerError::Closed)
}

fn spawn_task(host: Arc<Host>, token: u32, task: impl Future<Output = ()> + Send + 'static) {
  match bridge::tokio() {
    Ok(runtime) => drop(runtime.spawn(task)),
    Err(error) => {
      let error =
        HandlerError::PythonStart(format!("the background threads did not start: {error}"));
      answer(&host, token, Err(error));
    }
  }
}

/// Sends an error that nobody waits for.
fn notify(host: &Host, handler: u32, error: &HandlerError) {
  let json = error.to_json();
  let length = i32::try_from(json.len()).unwrap_or(i32::MAX);
  host.outbox.push(|records| {
    records.text.extend_from_slice(json.as_bytes());
    records.push(op::NOTICE, handler, [length, 0, 0]);
  });
  host.wake();
}

/// Sends the answer to a command.
fn answer(host: &Host, token: u32, outcome: Result<String, HandlerError>) {
  let (ok, json) = match outcome {
    Ok(json) => (1, json),
    Err(error) => (0, error.to_json()),
  };
  let length = i32::try_from(json.len()).unwrap_or(i32::MAX);
  host.outbox.push(|records| {
    records.text.extend_from_slice(json.as_bytes());
    records.push(op::RESULT, token, [ok, length, 0]);
  });
  host.wake();
}
