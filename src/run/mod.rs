//! `amphis run`: plain Python, as the `python` program runs it, inside the Node process.
//!
//! # Threads
//!
//! Node's main thread keeps its event loop; Python has a thread of its own, which is Python's main thread. There
//! `Py_RunMain` does what it does in the `python` program, from reading the command line to finalising, so arguments,
//! `sys.path`, `__main__`, tracebacks and exit codes need no imitation. The two threads meet twice: JavaScript starts
//! Python ([`run_python`]), and Python's end is the process' end ([`exit`]). In between nothing of ours runs.
//!
//! Signals are Python's here, all of them: [`signals`].

mod exit;
mod fork;
#[cfg(target_os = "linux")]
mod other_threads;
mod signals;

use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{ptr, thread};

use napi::bindgen_prelude::{Buffer, Function};
use napi::{Error, Result, Status};
use napi_derive::napi;
use pyo3::prelude::*;
use pyo3::types::PyCFunction;

use crate::base::error::HandlerError;
use crate::python::interpreter::{self, MainProgram};

/// The least stack that Python gets: see [`interpreter::STACK_SIZE`].
const LEAST_STACK: usize = interpreter::STACK_SIZE;
/// And the most. It is only address space until it is used.
const MOST_STACK: usize = 1 << 30;

/// Runs Python with a command line, on a thread of its own; returns at once.
///
/// `command_line` is what the `python` program would be called with, bytes as the system gave them, the path of the
/// environment's interpreter first. `ended` is called with the exit code when Python is over, unless it dies by a
/// signal or `os._exit`: the process then ends as soon as the `exit` event of JavaScript is over, see
/// [`leave_process`]. It keeps Node alive until then.
///
/// # Errors
///
/// As JSON: `PythonStart` when this process has started Python before, or has no thread to give.
#[napi(catch_unwind)]
pub fn run_python(command_line: Vec<Buffer>, ended: Function<'_, i32, ()>) -> Result<()> {
  let ended = ended.build_threadsafe_function().build()?;
  run(command_line, ended).map_err(|error| Error::new(Status::GenericFailure, error.to_json()))
}

/// The last thing that JavaScript does: lets the process end with Python's exit code. Never returns.
#[napi(catch_unwind)]
pub fn leave_process() {
  exit::javascript_has_left();
}

fn run(command_line: Vec<Buffer>, ended: exit::Ended) -> std::result::Result<(), HandlerError> {
  let failed = |what: String| HandlerError::PythonStart(what);
  let arguments = command_line
    .into_iter()
    .map(|argument| CString::new(argument.to_vec()))
    .collect::<std::result::Result<Vec<_>, _>>()
    .map_err(|_| failed("an argument holds a NUL.".into()))?;
  let program = MainProgram::load().map_err(failed)?;
  interpreter::claim()?;
  exit::watch(ended);
  block_standard_streams();
  interpreter::let_children_inherit_standard_streams();
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
  interpreter::bind_extension_modules(py)?;
  signals::wrap(py)?;
  fork::wrap(py)
}

/// A function of CPython that another of the same name stands in front of.
struct Original(AtomicPtr<pyo3::ffi::PyObject>);

impl Original {
  const fn new() -> Self {
    Self(AtomicPtr::new(ptr::null_mut()))
  }

  /// Puts `replacement` in the place of a module's function, if the module has that.
  fn replace(
    &self,
    module: &Bound<'_, PyModule>,
    name: &str,
    replacement: &Bound<'_, PyCFunction>,
  ) -> PyResult<()> {
    let Some(original) = module.getattr_opt(name)? else {
      return Ok(());
    };
    // Kept for as long as Python runs; a `Py` in a static would be another way to say so, and costs a lock.
    self.0.store(original.into_ptr(), Ordering::Release);
    module.setattr(name, replacement)
  }

  fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: null, or the reference that `replace` has leaked.
    unsafe { Bound::from_borrowed_ptr_or_err(py, self.0.load(Ordering::Acquire)) }
  }
}
