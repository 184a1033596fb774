//! `runPython` and `leaveProcess` for JavaScript; see the room `run`.

use napi::bindgen_prelude::{Buffer, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Error, Result, Status};
use napi_derive::napi;

use crate::run::{exit, program};

/// Runs Python with a command line, on a thread of its own; returns at once.
///
/// `command_line` is what the `python` program would be called with, bytes as the system gave them, the path of the
/// environment's interpreter first. `ended` is called with the exit code when Python is over, unless it dies by a
/// signal or `os._exit`: the process then ends as soon as the `exit` event of JavaScript is over, see
/// [`leave_process`]. It keeps Node alive until then. `open` is called when Python first wants to call JavaScript: it has to
/// make a `PythonCalls`.
///
/// # Errors
///
/// As JSON: `PythonStart` when this process has started Python before, or has no thread to give.
#[napi(catch_unwind)]
pub fn run_python(
  command_line: Vec<Buffer>,
  ended: Function<'_, i32, ()>,
  open: Function<'_, (), ()>,
) -> Result<()> {
  let ended = ended.build_threadsafe_function().build()?;
  let ended = move |code| {
    ended.call(code, ThreadsafeFunctionCallMode::NonBlocking);
  };
  let command_line = command_line.iter().map(|argument| argument.to_vec());
  let open = open.build_threadsafe_function().build()?;
  let ask = move || {
    open.call((), ThreadsafeFunctionCallMode::NonBlocking);
  };
  program::start(command_line.collect(), Box::new(ended), Box::new(ask))
    .map_err(|error| Error::new(Status::GenericFailure, error.to_json()))
}

/// The last thing that JavaScript does: lets the process end with Python's exit code. Never returns.
#[napi(catch_unwind)]
pub fn leave_process() {
  exit::javascript_has_left();
}
