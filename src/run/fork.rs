//! `os.fork` beside Node's threads.
//!
//! Since 3.12 CPython warns where a process has other threads, since a child has only the one that forks: locks of the
//! others stay locked in it. Node's do not matter to Python: none of its locks is ever Python's. So the warning is left
//! out where all other threads are Node's.

#[cfg(target_os = "linux")]
pub use counted::wrap;

/// Elsewhere Node's threads can't be told from others, and the warning stays.
///
/// # Errors
///
/// None.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the other one can fail")]
pub fn wrap(_: pyo3::Python<'_>) -> pyo3::PyResult<()> {
  Ok(())
}

#[cfg(target_os = "linux")]
mod counted {
  use std::process;

  use pyo3::exceptions::PyDeprecationWarning;
  use pyo3::prelude::*;

  use crate::python::original::Original;
  use crate::run::other_threads::open_threads;

  static FORK: Original = Original::new();
  static FORKPTY: Original = Original::new();

  /// Fork a child process. Returns 0 in the child and the child's process id in the parent.
  #[pyfunction]
  fn fork(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    call(&FORK.get(py)?)
  }

  /// Fork a new process with a new pseudo-terminal as controlling tty. Returns (pid, descriptor of the pty's master).
  #[pyfunction]
  fn forkpty(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    call(&FORKPTY.get(py)?)
  }

  fn call<'py>(original: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if open_threads().len() > 1 {
      return original.call0();
    }
    let py = original.py();
    let name: String = original.getattr("__name__")?.extract()?;
    let message = format!(
      "This process (pid={}) is multi-threaded, use of {name}() may lead to deadlocks in the child.",
      process::id()
    );
    // A filter of plain text is compared as a whole, and one that ignores leaves no trace in any registry.
    let filter = (
      "ignore",
      message,
      py.get_type::<PyDeprecationWarning>(),
      py.None(),
      0,
    );
    let filter = filter.into_pyobject(py)?;
    // The C half of the module serves where the other was not imported.
    let warnings = match modules(py)?.call_method1("get", ("warnings",))? {
      warnings if warnings.is_none() => py.import("_warnings")?.into_any(),
      warnings => warnings,
    };
    let filters = warnings.getattr("filters")?;
    filters.call_method1("insert", (0, &filter))?;
    // In the child as well.
    let forked = original.call0();
    filters.call_method1("remove", (&filter,))?;
    forked
  }

  fn modules(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("sys")?.getattr("modules")
  }

  /// Replaces `os.fork` and `os.forkpty` where they would warn.
  ///
  /// # Errors
  ///
  /// What Python raises.
  pub fn wrap(py: Python<'_>) -> PyResult<()> {
    if py.version_info() < (3, 12) {
      return Ok(());
    }
    let posix = py.import("posix")?;
    FORK.replace(&posix, "fork", &wrap_pyfunction!(fork, &posix)?)?;
    FORKPTY.replace(&posix, "forkpty", &wrap_pyfunction!(forkpty, &posix)?)?;
    // It has copied them, if it is there (`python -S` does not import it).
    let os = modules(py)?.call_method1("get", ("os",))?;
    if !os.is_none() {
      for name in ["fork", "forkpty"] {
        os.setattr(name, posix.getattr(name)?)?;
      }
    }
    Ok(())
  }
}
