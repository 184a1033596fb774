//! Opens the file of a `http.response.pathsend` (ASGI `extensions`, "Path Send") on tokio's threads for
//! blocking work, without the GIL. Node streams it from there.

use std::fs::{Metadata, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use super::response::OpenFile;
use crate::base::lock::lock;
use crate::bridge;
use crate::bridge::command::Command;

/// A file that is being opened; a tokio thread puts the result here, the Python thread takes it.
#[derive(Default)]
pub struct Opening(Mutex<Option<PyResult<OpenFile>>>);

impl Opening {
  /// The open file or an `OSError`, once it is there.
  pub fn take(&self) -> Option<PyResult<OpenFile>> {
    lock(&self.0).take()
  }
}

/// Starts to open `path`; `opened` is called on the Python thread when that is done.
pub fn open(path: PathBuf, opened: impl FnOnce(Python<'_>) + Send + 'static) -> Arc<Opening> {
  let opening = Arc::new(Opening::default());
  let runtime = match bridge::tokio() {
    Ok(runtime) => runtime,
    Err(error) => {
      *lock(&opening.0) = Some(Err(PyOSError::new_err(error.to_string())));
      return opening;
    }
  };
  let result = Arc::clone(&opening);
  drop(runtime.spawn_blocking(move || {
    let outcome = open_regular(&path).map_err(|error| os_error(&error, &path));
    *lock(&result.0) = Some(outcome);
    bridge::get().inbox().push(|batch| {
      batch.commands.push(Command::Run(Box::new(opened)));
    });
  }));
  opening
}

fn open_regular(path: &Path) -> io::Result<OpenFile> {
  // Without the flag the open of a FIFO waits for a writer.
  let file = OpenOptions::new()
    .read(true)
    .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
    .open(path)?;
  let metadata: Metadata = file.metadata()?;
  if metadata.is_dir() {
    return Err(io::Error::from_raw_os_error(libc::EISDIR));
  }
  if !metadata.is_file() {
    return Err(io::Error::from_raw_os_error(libc::EINVAL));
  }
  Ok(OpenFile {
    size: metadata.len(),
    descriptor: OwnedFd::from(file),
    path: path.to_string_lossy().into_owned(),
  })
}

/// The `OSError` that Python's own `open()` would raise: `FileNotFoundError` and so on.
fn os_error(error: &io::Error, path: &Path) -> PyErr {
  let path = path.to_string_lossy().into_owned();
  match error.raw_os_error() {
    Some(libc::EINVAL) => PyOSError::new_err((
      libc::EINVAL,
      "Not a regular file, so it can't be sent",
      path,
    )),
    Some(code) => {
      // "No such file or directory (os error 2)"
      let text = error.to_string();
      let text = text.split(" (os error").next().unwrap_or_default();
      // Not read as what it stands for: a name that a client has chosen must not become another path.
      let why = if code == libc::ENOENT && is_repr_of_bytes(&path) {
        ": it is the repr() of bytes, such as a FileResponse(b'…') of Starlette sends; give it os.fsdecode(path)"
      } else {
        ""
      };
      PyOSError::new_err((code, format!("{text}{why}"), path))
    }
    None => PyOSError::new_err(error.to_string()),
  }
}

/// Whether a path was made by `str()` of bytes.
fn is_repr_of_bytes(path: &str) -> bool {
  (path.starts_with("b'") && path.ends_with('\''))
    || (path.starts_with("b\"") && path.ends_with('"'))
}
