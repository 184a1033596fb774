//! Functions of CPython that others of the same name stand in front of.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyCFunction;

/// A function of CPython that another of the same name stands in front of.
pub struct Original(AtomicPtr<pyo3::ffi::PyObject>);

impl Original {
  pub const fn new() -> Self {
    Self(AtomicPtr::new(ptr::null_mut()))
  }

  /// Puts `replacement` in the place of a module's function, if the module has that.
  pub fn replace(
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

  pub fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: null, or the reference that `replace` has leaked.
    unsafe { Bound::from_borrowed_ptr_or_err(py, self.0.load(Ordering::Acquire)) }
  }
}
