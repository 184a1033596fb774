//! Python itself: started once a process, for whoever asks first.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::answer::answer;
use crate::asgi::module;
use crate::base::error::{HandlerError, push_json_string};
use crate::base::lock::lock;
use crate::base::options::LoopKind;
use crate::bridge::host::Host;
use crate::calls::package;
use crate::dispatch;
use crate::python::interpreter::{self, InterpreterConfig};
use crate::python::{collector, event_loop};

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
pub fn start(host: Arc<Host>, token: u32, executable: String, kind: LoopKind) {
  let mut python = lock(&PYTHON);
  match &mut *python {
    Python3::Idle => {
      *python = Python3::Starting(vec![(host, token)]);
      drop(python);
      spawn(executable, kind);
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

fn spawn(executable: String, kind: LoopKind) {
  let config = InterpreterConfig {
    executable: executable.clone(),
    register,
    left: python_left,
  };
  let spawned = interpreter::spawn(
    config,
    |error| settle_start(Err(error)),
    move |py| {
      let prepared = collector::prepare(py)
        .and_then(|()| event_loop::prepare(py, kind))
        .and_then(|()| dispatch::prepare(py));
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

/// Makes the built-in modules importable.
///
/// # Safety
///
/// Before Python is initialised.
unsafe fn register() {
  // SAFETY: the caller's promise.
  unsafe {
    module::register();
    package::register();
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

/// Whether Python has started and was not left.
pub fn is_running() -> bool {
  matches!(&*lock(&PYTHON), Python3::Running { .. })
}

/// Waits until Python has been left, `limit` at most.
pub fn wait_until_left(limit: Duration) {
  let python = lock(&PYTHON);
  let waited = LEFT.wait_timeout_while(python, limit, |python| {
    matches!(python, Python3::Running { .. })
  });
  drop(waited.unwrap_or_else(PoisonError::into_inner));
}

/// Called on the Python thread once Python has been left.
fn python_left() {
  *lock(&PYTHON) = Python3::Left;
  LEFT.notify_all();
}
