//! The title of this process, as `ps` shows it, for Python code that wants to set it.

#[cfg(target_os = "linux")]
use std::ffi::{CString, c_char, c_int};
#[cfg(target_os = "linux")]
use std::{fs, mem};

use pyo3::prelude::*;

/// Sets the title as `process.title` does, as far as there is room: Node's arguments are where it is kept. The name of
/// the main thread, which is that of the process in `/proc/self/comm`, becomes the same.
///
/// Gives whether it could; elsewhere than on Linux packages can do it by themselves.
#[cfg(target_os = "linux")]
#[pyfunction]
pub fn set_title(title: CString) -> bool {
  const NAME_BYTES: usize = 16;
  // SAFETY: looks a name up among what is loaded.
  let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"uv_set_process_title".as_ptr()) };
  if found.is_null() {
    return false;
  }
  // SAFETY: that is its signature, in every version of libuv.
  let set: unsafe extern "C" fn(*const c_char) -> c_int = unsafe { mem::transmute(found) };
  let mut own: [c_char; NAME_BYTES] = [0; NAME_BYTES];
  // SAFETY: the buffer is as long as a name can be. libuv locks what it changes, and copies the title. It names the
  // thread that calls it, which gets its own name back.
  let outcome = unsafe {
    libc::prctl(libc::PR_GET_NAME, own.as_mut_ptr());
    let outcome = set(title.as_ptr());
    libc::prctl(libc::PR_SET_NAME, own.as_ptr());
    outcome
  };
  if outcome != 0 {
    return false;
  }
  // The kernel keeps what fits. Without /proc the name stays, as it would without this.
  drop(fs::write("/proc/self/comm", title.as_bytes()));
  true
}

/// There is nothing to do.
#[cfg(not(target_os = "linux"))]
#[pyfunction]
pub fn set_title(_title: &str) -> bool {
  false
}
