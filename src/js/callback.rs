//! What the engine calls: functions of Python's that JavaScript has, and interrupts.

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::exceptions::{PyException, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::abi::{Bytes, Host, Span, answer};
use super::asynchronous;
use super::core::Core;
use super::handles::Handles;
use super::importing;
use super::inspector;
use super::parking;
use super::step::Step;
use super::streams;
use crate::values::{Reader, Writer};

/// What the engine is told to call.
pub static HOST: Host = Host {
  call,
  import: importing::import,
  interrupted,
  settled: asynchronous::settled,
  timer: asynchronous::timer,
  timer_cleared: asynchronous::timer_cleared,
  unhandled: asynchronous::unhandled,
  wake: asynchronous::wake,
  inspected: inspector::inspected,
  held: inspector::held,
  streams: Span::of(streams::SCRIPTS.as_bytes()),
};

/// JavaScript calls a function. On the thread that runs it, with the isolate locked and without the GIL.
extern "C" fn call(user: *mut c_void, function: u32, arguments: Span, out: *mut Bytes) -> c_int {
  // SAFETY: what the engine was told, and bytes that it keeps while it calls.
  unsafe {
    answer_with(user, out, |py, core| {
      result_of(py, core, function, arguments.as_slice())
    })
  }
}

/// Answers the engine by code of Python's.
///
/// # Safety
///
/// What the engine was told, and bytes of its own.
pub unsafe fn answer_with(
  user: *mut c_void,
  out: *mut Bytes,
  result: impl FnOnce(Python<'_>, &Arc<Core>) -> PyResult<Answer>,
) -> c_int {
  let called = catch_unwind(AssertUnwindSafe(|| {
    // SAFETY: the caller's promise.
    let (core, out) = unsafe { (Core::from_user(user), &mut *out) };
    let core = core.filter(|core| !core.must_stop())?;
    // Python that comes to its end takes nobody in any more.
    let answer = Python::try_attach(|py| answer(py, &core, out, result(py, &core)))?;
    (!core.must_stop()).then_some(answer)
  }));
  called.ok().flatten().unwrap_or(answer::STOP)
}

fn answer(py: Python<'_>, core: &Arc<Core>, out: &mut Bytes, result: PyResult<Answer>) -> c_int {
  let (answer, bytes) = match result {
    Ok(Answer::Value(tape)) => (answer::RETURN, tape),
    Ok(Answer::Later(number)) => {
      let mut handles = Handles::new(core);
      let mut writer = Writer::new(py, &mut handles);
      writer.varint(u64::from(number));
      (answer::LATER, writer.finish().bytes)
    }
    // What is no `Exception` ends things, as KeyboardInterrupt and SystemExit do: JavaScript must not catch it.
    Err(error) if !error.is_instance_of::<PyException>(py) => {
      core.raise(error);
      return answer::STOP;
    }
    Err(error) => (answer::RAISE, raised(py, core, error)),
  };
  // SAFETY: the engine's, and empty.
  unsafe { out.set(&bytes) };
  answer
}

/// An exception, as JavaScript gets it.
pub fn raised(py: Python<'_>, core: &Arc<Core>, error: PyErr) -> Vec<u8> {
  let name = error
    .get_type(py)
    .name()
    .map_or_else(|_| "Error".to_owned(), |name| name.to_string());
  let message = error.value(py).str().map_or_else(
    |_| String::new(),
    |text| text.to_string_lossy().into_owned(),
  );
  let number = core.keep_exception(error.into_value(py));
  let mut handles = Handles::new(core);
  let mut writer = Writer::new(py, &mut handles);
  writer.string(&name);
  writer.string(&message);
  writer.varint(number);
  writer.finish().bytes
}

/// A value, as JavaScript gets it.
///
/// # Errors
///
/// `ConversionError` for what cannot cross.
pub fn returned(py: Python<'_>, core: &Arc<Core>, value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
  let mut handles = Handles::new(core);
  let mut writer = Writer::new(py, &mut handles).within(core.values_limits());
  writer.value(value, "result")?;
  Ok(writer.finish().bytes)
}

/// What a function has come to.
pub enum Answer {
  Value(Vec<u8>),
  /// It is asynchronous: what it has come to is told by this number.
  Later(u32),
}

fn result_of(py: Python<'_>, core: &Arc<Core>, number: u32, arguments: &[u8]) -> PyResult<Answer> {
  let function = core
    .function(py, number)
    .ok_or_else(|| PyRuntimeError::new_err("This function is not bound any more"))?;
  let mut handles = Handles::new(core);
  let mut reader = Reader::new(py, arguments, &mut [], &mut handles);
  let count = usize::try_from(reader.varint()?)?;
  let mut values = Vec::with_capacity(count);
  for index in 0..count {
    values.push(reader.value(&format!("args[{index}]"))?);
  }
  if let Ok(step) = function.bind(py).cast::<Step>() {
    return streams::answer(py, core, number, step.get(), &values);
  }
  let owner = core.work.current();
  let result = match &owner {
    // On the runtime's own thread, which has none of what the caller's has.
    Some(owner) => {
      values.insert(0, function.into_bound(py));
      let run = owner.context(py)?.getattr(pyo3::intern!(py, "run"))?;
      parking::call(&run, &PyTuple::new(py, values)?)?
    }
    None => parking::call(function.bind(py), &PyTuple::new(py, values)?)?,
  };
  if result.hasattr(pyo3::intern!(py, "__await__"))? {
    return asynchronous::start(py, core, &result).map(Answer::Later);
  }
  returned(py, core, &result).map(Answer::Value)
}

/// Python looks at its signals. In an interrupt of V8's, which must not be entered meanwhile.
extern "C" fn interrupted(user: *mut c_void) {
  let _ = catch_unwind(AssertUnwindSafe(|| {
    // SAFETY: what the engine was told.
    let Some(core) = (unsafe { Core::from_user(user) }) else {
      return;
    };
    core.in_interrupt.store(true, Ordering::Release);
    let raised = Python::try_attach(|py| py.check_signals().err());
    core.in_interrupt.store(false, Ordering::Release);
    if let Some(Some(error)) = raised {
      core.raise(error);
      core.terminate_execution();
    }
  }));
}
