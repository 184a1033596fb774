//! What stands in the place of everything asynchronous where there is none: in the trial of an engine, and in runtimes
//! that have a process of their own.

use std::ffi::{c_int, c_void};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::abi::{Bytes, Host, Isolate, Span, answer, status};

type Call = extern "C" fn(*mut c_void, u32, Span, *mut Bytes) -> c_int;

/// A host that answers calls, and knows no promises, timers and modules.
pub const fn host(call: Call) -> Host {
  Host {
    call,
    import,
    interrupted: nothing,
    settled,
    timer,
    timer_cleared,
    unhandled,
    wake: nothing,
    inspected,
    held,
    streams: Span::of(&[]),
  }
}

extern "C" fn nothing(_: *mut c_void) {}
extern "C" fn settled(_: *mut c_void, _: u32, _: c_int, _: Span) {}
extern "C" fn timer(_: *mut c_void, _: u32, _: f64) {}
extern "C" fn timer_cleared(_: *mut c_void, _: u32) {}
extern "C" fn unhandled(_: *mut c_void, _: Span) {}
extern "C" fn inspected(_: *mut c_void, _: Span) {}
extern "C" fn held(_: *mut c_void, _: c_int) {}

extern "C" fn import(_: *mut c_void, _: Span, out: *mut Bytes) -> c_int {
  const NAME: &str = "TypeError";
  const MESSAGE: &str = "This runtime has no modules to import";
  let mut raised = Vec::new();
  for text in [NAME, MESSAGE] {
    // Its length as a varint, twice: they are short, and of ASCII.
    raised.push(u8::try_from(2 * text.len()).unwrap_or(0));
    raised.extend_from_slice(text.as_bytes());
  }
  // No exception of Python's.
  raised.push(0);
  // SAFETY: the engine's, and empty.
  unsafe { (*out).set(&raised) };
  answer::RAISE
}

/// What a runtime in a process of its own says to asynchronous calls.
pub fn refusal() -> PyErr {
  PyRuntimeError::new_err(
    "A runtime in a process of its own (process=True) is synchronous: it has no asynchronous calls, promises, timers and modules",
  )
}

pub extern "C" fn choose_snapshot(_: Span) -> c_int {
  0
}

pub unsafe extern "C" fn forget(_: Isolate, _: u32) {}

pub unsafe extern "C" fn fire(_: Isolate, _: u32, _: *mut Bytes) -> c_int {
  status::NOTHING
}

pub unsafe extern "C" fn resolve(_: Isolate, _: u32, _: c_int, _: Span, _: *mut Bytes) -> c_int {
  status::NOTHING
}

pub unsafe extern "C" fn run_tasks(_: Isolate) -> c_int {
  status::NOTHING
}

pub unsafe extern "C" fn make_module(_: Isolate, _: Span, _: Span, _: *mut Bytes) -> c_int {
  status::NOTHING
}

pub unsafe extern "C" fn code_cache(_: Isolate, _: u32, _: *mut Bytes) -> c_int {
  status::NOTHING
}

pub unsafe extern "C" fn release_streams(_: Isolate, _: *const u32, _: usize) {}

pub unsafe extern "C" fn link_module(_: Isolate, _: u32, _: *const u32, _: usize) {}

pub unsafe extern "C" fn evaluate_module(_: Isolate, _: u32, _: *mut Bytes) -> c_int {
  status::NOTHING
}

pub unsafe extern "C" fn finish_import(_: Isolate, _: u32, _: u32, _: *mut Bytes) -> c_int {
  status::NOTHING
}

pub unsafe extern "C" fn drop_modules(_: Isolate, _: *const u32, _: usize) {}

pub unsafe extern "C" fn inspect(_: Isolate, _: Span) -> c_int {
  status::NO_FUNCTION
}

pub unsafe extern "C" fn expect_debugger(_: Isolate, _: c_int) {}

/// Also what detaches.
pub unsafe extern "C" fn attach(_: Isolate) {}

pub unsafe extern "C" fn dispatch(_: Isolate, _: Span) {}
