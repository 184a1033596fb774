//! Python's buffer protocol. pyo3 offers it from the stable ABI of 3.11 on; the functions and the layout are older and the
//! same in 3.10.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;

/// `Py_buffer`.
#[repr(C)]
pub struct RawBuffer {
  pub buf: *mut c_void,
  pub obj: *mut ffi::PyObject,
  pub len: isize,
  pub itemsize: isize,
  pub readonly: c_int,
  pub ndim: c_int,
  pub format: *const c_char,
  pub shape: *const isize,
  pub strides: *const isize,
  pub suboffsets: *const isize,
  pub internal: *mut c_void,
}

impl RawBuffer {
  pub const fn empty() -> Self {
    Self {
      buf: ptr::null_mut(),
      obj: ptr::null_mut(),
      len: 0,
      itemsize: 0,
      readonly: 0,
      ndim: 0,
      format: ptr::null(),
      shape: ptr::null(),
      strides: ptr::null(),
      suboffsets: ptr::null(),
      internal: ptr::null_mut(),
    }
  }
}

pub const PYBUF_FORMAT: c_int = 0x04;
pub const PYBUF_ND: c_int = 0x08;
pub const PYBUF_STRIDES: c_int = 0x10 | PYBUF_ND;
pub const PYBUF_F_CONTIGUOUS: c_int = 0x40 | PYBUF_STRIDES;
pub const PYBUF_INDIRECT: c_int = 0x100 | PYBUF_STRIDES;

// SAFETY: these are exported by every libpython from 3.10 on with these signatures.
unsafe extern "C" {
  fn PyObject_CheckBuffer(object: *mut ffi::PyObject) -> c_int;
  fn PyObject_GetBuffer(object: *mut ffi::PyObject, view: *mut RawBuffer, flags: c_int) -> c_int;
  fn PyBuffer_IsContiguous(view: *const RawBuffer, order: c_char) -> c_int;
  fn PyBuffer_ToContiguous(
    target: *mut c_void,
    view: *const RawBuffer,
    length: isize,
    order: c_char,
  ) -> c_int;
  fn PyBuffer_Release(view: *mut RawBuffer);
}

/// `'C'`, whether `char` has a sign or not.
const C_ORDER: c_char = 0x43;

/// Whether a type has buffers to give; what it takes to ask for one is its own affair.
pub fn has_buffer(value: &Bound<'_, PyAny>) -> bool {
  // SAFETY: an object, with the GIL held.
  unsafe { PyObject_CheckBuffer(value.as_ptr()) == 1 }
}

/// The memory of an object, which stays where it is for as long as this is. Dropped with the GIL held.
pub struct Buffer {
  /// Boxed: exporters may point into it.
  view: Box<RawBuffer>,
}

impl Buffer {
  /// # Errors
  ///
  /// What the object raises.
  pub fn of(value: &Bound<'_, PyAny>) -> PyResult<Self> {
    let mut view = Box::new(RawBuffer::empty());
    let flags = PYBUF_INDIRECT | PYBUF_FORMAT;
    // SAFETY: an object, and a view that is empty and lives until it is released.
    if unsafe { PyObject_GetBuffer(value.as_ptr(), &raw mut *view, flags) } == 0 {
      Ok(Self { view })
    } else {
      Err(PyErr::fetch(value.py()))
    }
  }

  pub fn data(&self) -> *const u8 {
    self.view.buf.cast::<u8>().cast_const()
  }

  /// In bytes.
  pub fn len(&self) -> usize {
    usize::try_from(self.view.len).unwrap_or_default()
  }

  pub fn item_size(&self) -> usize {
    usize::try_from(self.view.itemsize).unwrap_or_default()
  }

  pub fn is_readonly(&self) -> bool {
    self.view.readonly != 0
  }

  pub fn format(&self) -> &[u8] {
    if self.view.format.is_null() {
      return b"B";
    }
    // SAFETY: a text that ends with NUL and lives as long as the view.
    unsafe { CStr::from_ptr(self.view.format) }.to_bytes()
  }

  pub fn dimensions(&self) -> usize {
    usize::try_from(self.view.ndim).unwrap_or_default()
  }

  /// How many elements there are along each dimension.
  pub fn shape(&self) -> &[isize] {
    if self.view.shape.is_null() || self.dimensions() == 0 {
      return &[];
    }
    // SAFETY: as many as there are dimensions, for as long as the view lives.
    unsafe { std::slice::from_raw_parts(self.view.shape, self.dimensions()) }
  }

  /// Whether the elements lie one behind the other in C order.
  pub fn is_contiguous(&self) -> bool {
    // SAFETY: a view that was filled in.
    unsafe { PyBuffer_IsContiguous(&raw const *self.view, C_ORDER) == 1 }
  }

  /// Writes all elements in C order.
  ///
  /// # Safety
  ///
  /// `target` has room for [`Self::len`] bytes, none of which are this buffer's.
  ///
  /// # Errors
  ///
  /// What Python raises.
  pub unsafe fn copy_to(&self, py: Python<'_>, target: *mut u8) -> PyResult<()> {
    // SAFETY: a view that was filled in; the room is the caller's promise.
    let outcome = unsafe {
      PyBuffer_ToContiguous(target.cast(), &raw const *self.view, self.view.len, C_ORDER)
    };
    if outcome == 0 {
      Ok(())
    } else {
      Err(PyErr::fetch(py))
    }
  }
}

impl Drop for Buffer {
  fn drop(&mut self) {
    // SAFETY: a view that was filled in, released once, with the GIL held.
    unsafe { PyBuffer_Release(&raw mut *self.view) }
  }
}

// SAFETY: it is only used and dropped with the GIL held, by whatever thread.
unsafe impl Send for Buffer {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for Buffer {}
