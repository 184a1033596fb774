//! The Python thread of `amphis run`, from its first line to its exit code.

use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use pyo3::prelude::*;

use super::{calls, exit, fork, signals};
use crate::base::error::HandlerError;
use crate::calls::package;
use crate::python::adoption;
use crate::python::interpreter::{self, MainProgram};
use crate::python::signals::{crash, forked};

/// The least stack that Python gets: see [`interpreter::STACK_SIZE`].
const LEAST_STACK: usize = interpreter::STACK_SIZE;
/// And the most. It is only address space until it is used.
const MOST_STACK: usize = 1 << 30;

/// Runs Python with a command line, on a thread of its own; returns at once. `ended` is called with the exit code when
/// Python is over, unless it dies by a signal or `os._exit`; `ask` when it first wants to call JavaScript.
///
/// # Errors
///
/// `PythonStart` when this process has started Python before, or has no thread to give.
pub fn start(
  command_line: Vec<Vec<u8>>,
  ended: exit::Ended,
  ask: calls::AskJavaScript,
) -> Result<(), HandlerError> {
  let failed = |what: String| HandlerError::PythonStart(what);
  let arguments = command_line
    .into_iter()
    .map(CString::new)
    .collect::<Result<Vec<_>, _>>()
    .map_err(|_| failed("an argument holds a NUL.".into()))?;
  let program = MainProgram::load().map_err(failed)?;
  interpreter::claim()?;
  exit::watch(ended);
  calls::prepare(ask);
  block_standard_streams();
  interpreter::let_children_inherit_standard_streams();
  forked::watch().map_err(|code| {
    let error = std::io::Error::from_raw_os_error(code);
    failed(format!("forks can't be watched ({error})."))
  })?;
  crash::prepare();
  signals::forget_nodes_own();
  let mask = signals::leave_to_python();
  thread::Builder::new()
    .name(interpreter::THREAD_NAME.into())
    .stack_size(stack_size())
    .spawn(move || {
      signals::this_is_pythons_thread(&mask);
      run_main(&program, &arguments)
    })
    .map(drop)
    .map_err(|error| failed(format!("it got no thread to run on ({error}).")))
}

/// Python expects that writing waits. A pipe that is shared with a Node.js before this one (npx, `npm run`) may be set
/// not to.
fn block_standard_streams() {
  for descriptor in 0..=2 {
    // SAFETY: reads and writes flags of a descriptor; one that is closed is refused.
    unsafe {
      let flags = libc::fcntl(descriptor, libc::F_GETFL);
      if flags >= 0 && flags & libc::O_NONBLOCK != 0 {
        libc::fcntl(descriptor, libc::F_SETFL, flags & !libc::O_NONBLOCK);
      }
    }
  }
}

/// As large as the stack of a main thread may grow, which is what scripts with deep recursion ask for by `ulimit -s`.
fn stack_size() -> usize {
  let mut limit = libc::rlimit {
    rlim_cur: 0,
    rlim_max: 0,
  };
  // SAFETY: fills in the limit, or leaves it.
  unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) };
  usize::try_from(limit.rlim_cur)
    .unwrap_or(MOST_STACK)
    .clamp(LEAST_STACK, MOST_STACK)
}

/// The whole life of the Python thread.
fn run_main(program: &MainProgram, arguments: &[CString]) -> ! {
  // SAFETY: Python is not initialised yet.
  unsafe { package::register() };
  program.initialize(arguments);
  signals::adopt_all();
  let prepared = catch_unwind(AssertUnwindSafe(|| {
    Python::attach(|py| prepare(py).inspect_err(|error| error.print(py)).is_ok())
  }));
  let code = match prepared {
    Ok(true) => program.run(),
    // What a panic has to say, the panic hook has printed.
    Ok(false) | Err(_) => 1,
  };
  // SAFETY: what the `python` program does with that number. The handler that `exit::watch` has put in its way ends the
  // process; nothing of this thread is needed any more.
  unsafe { libc::exit(code) }
}

/// What differs from the `python` program, since Node is in this process as well.
fn prepare(py: Python<'_>) -> PyResult<()> {
  adoption::adopt_at_start(py)?;
  signals::wrap(py)?;
  crash::wrap(py)?;
  fork::wrap(py)
}
