//! Memory that came from JavaScript as Python sees it: a `memoryview` of whatever format and shape, without a copy.
//!
//! `memoryview.cast` has no shape with a zero in it and, before 3.12, no half floats. So there is a type whose objects own
//! the memory and say themselves what it is. pyo3's classes can't: in the stable ABI of 3.10 they give no buffers.

use std::ffi::{c_int, c_void};
use std::mem::size_of;
use std::ptr;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::dtype::Dtype;
use super::py_buffer::{PYBUF_F_CONTIGUOUS, PYBUF_FORMAT, PYBUF_ND, PYBUF_STRIDES, RawBuffer};
use crate::bridge::bytes::Memory;

/// What an object of the type looks like.
#[repr(C)]
struct Exporter {
  base: ffi::PyObject,
  content: Content,
}

struct Content {
  memory: Memory,
  dtype: Dtype,
  shape: Box<[isize]>,
  /// In bytes, as Python wants them.
  strides: Box<[isize]>,
}

/// The slots of the buffer protocol, which `PyType_FromSpec` takes since 3.9.
const BF_GETBUFFER: c_int = 1;
const TP_DEALLOC: c_int = 52;
/// Nobody makes one from Python; since 3.10.
const DISALLOW_INSTANTIATION: std::ffi::c_ulong = 1 << 7;

fn exporter_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
  static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
  let made = TYPE.get_or_try_init(py, || {
    let mut slots = [
      ffi::PyType_Slot {
        slot: BF_GETBUFFER,
        pfunc: get_buffer as *mut c_void,
      },
      ffi::PyType_Slot {
        slot: TP_DEALLOC,
        pfunc: dealloc as *mut c_void,
      },
      ffi::PyType_Slot {
        slot: 0,
        pfunc: ptr::null_mut(),
      },
    ];
    let mut spec = ffi::PyType_Spec {
      name: c"amphis.Memory".as_ptr(),
      basicsize: c_int::try_from(size_of::<Exporter>())?,
      itemsize: 0,
      flags: u32::try_from(ffi::Py_TPFLAGS_DEFAULT | DISALLOW_INSTANTIATION)?,
      slots: slots.as_mut_ptr(),
    };
    // SAFETY: a whole specification, of which Python copies what it keeps; the name is static.
    let made = unsafe { ffi::PyType_FromSpec(&raw mut spec) };
    // SAFETY: a new reference, or null with an exception set.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, made) }?;
    PyResult::Ok(made.cast_into::<PyType>()?.unbind())
  })?;
  Ok(made.bind(py))
}

/// A writable `memoryview` over this memory, whose length is that of the shape.
///
/// # Errors
///
/// What Python raises.
pub fn memory_view(
  py: Python<'_>,
  memory: Memory,
  dtype: Dtype,
  shape: Box<[isize]>,
) -> PyResult<Bound<'_, PyAny>> {
  let mut strides = shape.clone();
  let mut stride = isize::try_from(dtype.size())?;
  for (place, size) in strides.iter_mut().zip(&shape).rev() {
    *place = stride;
    // A shape with a zero may have anything else beside it.
    stride = stride.saturating_mul(*size);
  }
  let exporter_type = exporter_type(py)?;
  // SAFETY: a type of ours, whose objects have room for `Exporter`.
  let made = unsafe { ffi::PyType_GenericAlloc(exporter_type.as_type_ptr(), 0) };
  // SAFETY: a new reference, or null with an exception set.
  let exporter = unsafe { Bound::from_owned_ptr_or_err(py, made) };
  let exporter = exporter?;
  let content = Content {
    memory,
    dtype,
    shape,
    strides,
  };
  // SAFETY: the object is new: its content was never set, and nobody else has seen it.
  unsafe { ptr::write(&raw mut (*made.cast::<Exporter>()).content, content) };
  // SAFETY: an object with a buffer.
  let view = unsafe { ffi::PyMemoryView_FromObject(exporter.as_ptr()) };
  // SAFETY: a new reference, or null with an exception set.
  unsafe { Bound::from_owned_ptr_or_err(py, view) }
}

unsafe extern "C" fn get_buffer(
  object: *mut ffi::PyObject,
  view: *mut RawBuffer,
  flags: c_int,
) -> c_int {
  // SAFETY: Python calls this with an object of the type, and a view to be filled in.
  let (content, view) = unsafe { (&mut (*object.cast::<Exporter>()).content, &mut *view) };
  view.obj = ptr::null_mut();
  let is_fortran = flags & PYBUF_F_CONTIGUOUS == PYBUF_F_CONTIGUOUS;
  // Where only one dimension has more than one element, C order is Fortran's as well.
  if is_fortran && content.shape.iter().filter(|size| **size > 1).count() > 1 {
    // SAFETY: the GIL is held.
    let py = unsafe { Python::assume_attached() };
    PyBufferError::new_err("this memory is in C order").restore(py);
    return -1;
  }
  let asked = |flag: c_int| flags & flag == flag;
  let (Ok(len), Ok(itemsize), Ok(ndim)) = (
    isize::try_from(content.memory.len()),
    isize::try_from(content.dtype.size()),
    c_int::try_from(content.shape.len()),
  ) else {
    // Not of memory that exists.
    return -1;
  };
  // SAFETY: an object that is alive.
  unsafe { ffi::Py_INCREF(object) };
  *view = RawBuffer {
    buf: content.memory.start().cast(),
    obj: object,
    len,
    itemsize,
    readonly: 0,
    ndim,
    format: if asked(PYBUF_FORMAT) {
      content.dtype.format().as_ptr()
    } else {
      ptr::null()
    },
    shape: if asked(PYBUF_ND) {
      content.shape.as_ptr()
    } else {
      ptr::null()
    },
    strides: if asked(PYBUF_STRIDES) {
      content.strides.as_ptr()
    } else {
      ptr::null()
    },
    suboffsets: ptr::null(),
    internal: ptr::null_mut(),
  };
  0
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
  // SAFETY: Python calls this once with an object of the type that nobody holds any more. Its content was set when it was
  // made, unless that has failed, which leaves zeros: see `memory_view`, where nothing can fail in between.
  unsafe {
    let of_type = ffi::Py_TYPE(object);
    ptr::drop_in_place(&raw mut (*object.cast::<Exporter>()).content);
    ffi::PyObject_Free(object.cast());
    // A type from a specification is held by its objects.
    ffi::Py_DECREF(of_type.cast());
  }
}
