//! Calls into Python from below JavaScript, when Python may end meanwhile.
//!
//! Before 3.14 Python ends a daemon thread that wants its lock back after that by `pthread_exit`, which unwinds the thread's
//! stack: through V8's frames and ours, and neither can be unwound. Such a thread is kept for good instead, as later
//! versions do it.

use std::thread;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// `PyObject_Call`, as a function that the stack may be unwound through.
type Call = unsafe extern "C-unwind" fn(
  *mut ffi::PyObject,
  *mut ffi::PyObject,
  *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// Dropped only when the stack is unwound.
struct ParkWhenUnwound;

impl Drop for ParkWhenUnwound {
  fn drop(&mut self) {
    loop {
      thread::park();
    }
  }
}

/// # Errors
///
/// What the function raises.
pub fn call<'py>(
  function: &Bound<'py, PyAny>,
  arguments: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
  // By its address, which the optimiser must not look into: pyo3 declares that function as one that never unwinds.
  let address = std::hint::black_box(ffi::PyObject_Call as *const ());
  // SAFETY: that function has this signature.
  let call = unsafe { std::mem::transmute::<*const (), Call>(address) };
  let guard = ParkWhenUnwound;
  // SAFETY: a callable and a tuple, with the GIL held.
  let result = unsafe { call(function.as_ptr(), arguments.as_ptr(), std::ptr::null_mut()) };
  std::mem::forget(guard);
  // SAFETY: a new reference, or null with an exception set.
  unsafe { Bound::from_owned_ptr_or_err(function.py(), result) }
}
