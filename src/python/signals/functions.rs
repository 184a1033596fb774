//! `signal.signal` and `signal.getsignal` of a served process.
//!
//! CPython's own table of handlers has, for what Python does not handle, a [`NodeSignal`]: so whatever trips a signal
//! without the kernel (`_thread.interrupt_main()`) reaches Node too, and the kernel never has the default action for a
//! moment, which would end the process. What Python code is shown is kept beside.

use std::ffi::c_int;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use super::action::{LAST_SIGNAL, action, is_pythons};
use super::{crash, shared};
use crate::python::original::Original;

const SIG_DFL: c_int = 0;
const SIG_IGN: c_int = 1;

static SIGNAL: Original = Original::new();
static GETSIGNAL: Original = Original::new();

/// What Python code has asked for, by signal: a handler, `SIG_IGN` or `SIG_DFL`.
fn asked(py: Python<'_>) -> &Bound<'_, PyDict> {
  static ASKED: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
  ASKED.get_or_init(py, || PyDict::new(py).unbind()).bind(py)
}

/// Stands for Node's own handling of a signal: to be called by a handler that has taken its place, and to be given back
/// to `signal.signal`. Node.js is asked for what it wants at that moment, not when this was had.
#[pyclass(frozen, module = "amphis")]
struct NodeSignal {
  signal: c_int,
}

#[pymethods]
impl NodeSignal {
  /// Tells Node.js of the signal, if it was not told yet; does its default action where Node.js does not listen.
  #[pyo3(signature = (signum = None, frame = None))]
  fn __call__(
    &self,
    py: Python<'_>,
    signum: Option<&Bound<'_, PyAny>>,
    frame: Option<&Bound<'_, PyAny>>,
  ) -> PyResult<()> {
    if shared::is_without_node() && self.signal == libc::SIGINT {
      // As in any Python process.
      let default = py.import("_signal")?.getattr("default_int_handler")?;
      return default.call1((signum, frame)).map(drop);
    }
    py.detach(|| shared::tell_node(self.signal));
    Ok(())
  }

  fn __repr__(&self) -> String {
    format!("<Node.js' handling of signal {}>", self.signal)
  }
}

fn node_signal(py: Python<'_>, signal: c_int) -> PyResult<Bound<'_, PyAny>> {
  static ALL: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
  let all = ALL.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
  if let Some(known) = all.get_item(signal)? {
    return Ok(known);
  }
  let made = Bound::new(py, NodeSignal { signal })?.into_any();
  all.set_item(signal, &made)?;
  Ok(made)
}

/// Return the current action for the given signal.
///
/// The return value can be: SIG_IGN, if the signal is being ignored; SIG_DFL, if the default action for the signal is in
/// effect; a handler, which is Node.js' own where it listens to the signal.
#[pyfunction]
#[pyo3(signature = (signalnum, /))]
fn getsignal<'py>(py: Python<'py>, signalnum: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
  let original = GETSIGNAL.get(py)?.call1((signalnum,))?;
  let signal: c_int = signalnum.extract()?;
  if !shared::can_be(signal) {
    return Ok(original);
  }
  if let Some(asked) = asked(py).get_item(signal)? {
    return Ok(asked);
  }
  if !shared::is_without_node() && shared::node_listens(signal) {
    return node_signal(py, signal);
  }
  if original.is_none() || original.is_instance_of::<NodeSignal>() {
    let ignored = action(signal).is_some_and(|now| now.sa_sigaction == libc::SIG_IGN);
    let default = if ignored { SIG_IGN } else { SIG_DFL };
    return Ok(default.into_pyobject(py)?.into_any());
  }
  Ok(original)
}

enum Wish {
  Handler,
  Ignore,
  Default,
  /// What Node wants, as `getsignal` has shown it.
  Nodes,
}

/// `None`: nothing that a signal can be handled by.
fn wish_of(handler: &Bound<'_, PyAny>, signal: c_int) -> Option<Wish> {
  if let Ok(nodes) = handler.cast::<NodeSignal>()
    && nodes.get().signal == signal
  {
    return Some(Wish::Nodes);
  }
  if handler.is_callable() {
    return Some(Wish::Handler);
  }
  match handler.extract::<c_int>().ok()? {
    SIG_DFL => Some(Wish::Default),
    SIG_IGN => Some(Wish::Ignore),
    _ => None,
  }
}

/// Set the action for the given signal.
///
/// The action can be SIG_DFL, SIG_IGN, or a callable Python object. The previous action is returned, see getsignal(). A
/// signal handler function is called with two arguments: the first is the signal number, the second is the interrupted
/// stack frame. Node.js is told of the signal as well, if it listens.
#[pyfunction(name = "signal")]
#[pyo3(signature = (*args))]
fn set_signal<'py>(py: Python<'py>, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
  let original = SIGNAL.get(py)?;
  let Ok((signal, handler)) = args.extract::<(c_int, Bound<'py, PyAny>)>() else {
    return original.call1(args);
  };
  let wish = wish_of(&handler, signal).filter(|_| shared::can_be(signal));
  let Some(wish) = wish else {
    let previous = original.call1(args);
    crash::settle();
    return previous;
  };
  let number = signal.into_pyobject(py)?;
  let previous = getsignal(py, number.as_any())?;
  if shared::is_without_node() {
    match wish {
      Wish::Nodes => original.call1((signal, SIG_DFL))?,
      _ => original.call1(args)?,
    };
  } else if matches!(wish, Wish::Handler) {
    shared::take(signal, || original.call1(args).map(drop))?;
  } else {
    let nodes = node_signal(py, signal)?;
    shared::take(signal, || original.call1((signal, nodes)).map(drop))?;
    shared::give_back(signal, matches!(wish, Wish::Ignore));
  }
  if matches!(wish, Wish::Nodes) {
    if asked(py).contains(signal)? {
      asked(py).del_item(signal)?;
    }
  } else {
    asked(py).set_item(signal, handler)?;
  }
  Ok(previous)
}

/// Puts the functions in the place of CPython's, and takes back what starting Python has changed. What code that ran
/// before (`sitecustomize`) has asked for is kept. On Python's main thread.
///
/// # Errors
///
/// What Python raises.
pub fn wrap(py: Python<'_>) -> PyResult<()> {
  // `signal.signal` and `signal.getsignal` call these.
  let module = py.import("_signal")?;
  SIGNAL.replace(&module, "signal", &wrap_pyfunction!(set_signal, &module)?)?;
  GETSIGNAL.replace(&module, "getsignal", &wrap_pyfunction!(getsignal, &module)?)?;
  let default_int_handler = module.getattr("default_int_handler")?;
  for signal in (1..=LAST_SIGNAL).filter(|signal| shared::can_be(*signal)) {
    let Some(now) = action(signal) else { continue };
    let has = GETSIGNAL.get(py)?.call1((signal,))?;
    let is_default = has.is_none() || has.is(&default_int_handler);
    if is_pythons(&now) && !is_default && has.is_callable() {
      // Code that ran before, `sitecustomize` for one, has asked for it.
      shared::restore_first(signal);
      shared::take(signal, || SIGNAL.get(py)?.call1((signal, &has)).map(drop))?;
      asked(py).set_item(signal, has)?;
    } else if is_default {
      // Node handles it, or did: CPython knows nothing of it.
      shared::restore_first(signal);
      let nodes = node_signal(py, signal)?;
      shared::leave_as_it_is(signal, || SIGNAL.get(py)?.call1((signal, nodes)).map(drop))?;
    }
  }
  Ok(())
}
