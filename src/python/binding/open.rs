//! The `dlopen` that libpython calls.

use std::collections::HashSet;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, Mutex, OnceLock};

use pyo3::ffi::Py_IsInitialized;

use super::elf::{Identity, Object, identities, objects_beside};
use super::node::{Node, family};
use super::rebind::{Change, rebind, write};
use crate::base::lock::lock;

/// Whether [`begin`]'s callback is called.
pub const TELLS: bool = true;

/// What is told of each library that Python has loaded, before it runs.
static LOADED: OnceLock<fn(&[u8])> = OnceLock::new();

/// Binds libpython and what it needs, and has all that Python loads from here on bound. To be called before Python
/// starts; again, it changes nothing. `loaded` is told the path of each library that Python loads by its import system,
/// before any function of it is called but what the dynamic linker calls.
///
/// # Errors
///
/// What is not as it has to be, and with which Python it would be.
pub fn begin(loaded: fn(&[u8])) -> Result<(), String> {
  let _ = LOADED.set(loaded);
  bind_libpython().map_err(|reason| {
    format!(
      "its extension modules cannot be bound to their own libraries: {reason}. Without that they would run on those of Node.js and crash. Try another build of Python or of Node.js."
    )
  })
}

fn bind_libpython() -> Result<(), String> {
  let node = Node::get();
  let address = (Py_IsInitialized as *const ()).addr();
  let python = family(objects_beside(&[]), |object| object.holds(address));
  let libpython = python.first().ok_or("no libpython is loaded")?;
  for object in &python {
    if !node.has(object.name()) && is_first(object) {
      rebind(object, node).map_err(|error| not_writable(object, &error))?;
    }
  }
  let ours = open as unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;
  let changes: Vec<_> = libpython
    .slots()
    .filter(|slot| slot.name == c"dlopen" && libpython.is_data(slot.place))
    .map(|slot| Change {
      place: slot.place,
      address: (ours as *const ()).expose_provenance(),
    })
    .collect();
  if changes.is_empty() {
    let path = libpython.path().to_string_lossy();
    return Err(format!("{path} does not call dlopen"));
  }
  write(libpython, &changes).map_err(|error| not_writable(libpython, &error))
}

fn not_writable(object: &Object, error: &std::io::Error) -> String {
  let path = object.path().to_string_lossy();
  format!("the addresses of {path} cannot be changed ({error})")
}

/// Is to libpython what `dlopen` is, and binds what was loaded.
unsafe extern "C" fn open(path: *const c_char, flags: c_int) -> *mut c_void {
  let handle = bound(|| {
    // SAFETY: what the caller wants.
    unsafe { libc::dlopen(path, flags) }
  });
  if !handle.is_null() && !path.is_null() {
    // SAFETY: the caller's string.
    let path = unsafe { CStr::from_ptr(path) };
    // Nothing may unwind into C.
    let _ = catch_unwind(AssertUnwindSafe(|| {
      if let Some(loaded) = LOADED.get() {
        loaded(path.to_bytes());
      }
    }));
  }
  handle
}

/// Binds whatever `load` loads.
pub fn bound<T>(load: impl FnOnce() -> T) -> T {
  let before = catch_unwind(identities);
  let loaded = load();
  // What a panic has to say, the panic hook has printed.
  let _ = catch_unwind(AssertUnwindSafe(|| before.map(|before| bind_new(&before))));
  loaded
}

/// The names of the libraries that were bound. They stay, for Python unloads nothing.
static BOUND: LazyLock<Mutex<HashSet<Vec<u8>>>> = LazyLock::new(Mutex::default);

/// Whether a library is to be bound, which it is from now on.
fn is_first(object: &Object) -> bool {
  lock(&BOUND).insert(object.name().to_vec())
}

fn bind_new(before: &[Identity]) {
  let node = Node::get();
  let new = objects_beside(before);
  for object in &new {
    is_first(object);
    // Where libpython could be written to, so can its modules.
    let _ = rebind(object, node);
  }
  let mut needed = new.iter().flat_map(Object::needed);
  if needed.all(|name| node.has(name) || lock(&BOUND).contains(name)) {
    return;
  }
  // An addon of Node's was the first to need it. Addons do not call it where Node exports the same: they call Node.
  let is_new = |object: &Object| new.iter().any(|one| one.path() == object.path());
  for object in family(objects_beside(&[]), is_new) {
    if !node.has(object.name()) && is_first(&object) {
      let _ = rebind(&object, node);
    }
  }
}
