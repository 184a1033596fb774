//! Python's main thread: the one that runs signal handlers, and so the one whose calls Ctrl+C ends.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::entry::this_thread;

static MAIN: PyOnceLock<usize> = PyOnceLock::new();

/// Whether this is it. Known once that thread has asked; until then only Python can tell.
pub fn is_this(py: Python<'_>) -> bool {
  if let Some(main) = MAIN.get(py) {
    return *main == this_thread();
  }
  let is_main = asks_python(py).unwrap_or(false);
  if is_main {
    let _ = MAIN.set(py, this_thread());
  }
  is_main
}

fn asks_python(py: Python<'_>) -> PyResult<bool> {
  let threading = py.import("threading")?;
  let main = threading.call_method0("main_thread")?.getattr("ident")?;
  main.eq(threading.call_method0("get_ident")?)
}
