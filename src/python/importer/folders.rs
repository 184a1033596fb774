//! One interpreter, several apps: what keeps each from being given a module of another's folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::problem::{app_error, unexpected};
use crate::base::error::{AppErrorKind, HandlerError};

/// The folders that handlers have put on `sys.path`, also those that were taken off again: modules
/// of theirs may be loaded.
fn folders() -> MutexGuard<'static, BTreeSet<PathBuf>> {
  static FOLDERS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
  FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts the folder first on `sys.path`; returns whether it was not there yet.
pub fn enter(py: Python<'_>, folder: &Path) -> PyResult<bool> {
  let sys = py.import("sys")?;
  // A finder remembers a folder's files by a time stamp that a file written just now may not change.
  sys
    .getattr("path_importer_cache")?
    .call_method1("pop", (folder.as_os_str(), py.None()))?;
  let path = sys.getattr("path")?.cast_into::<PyList>()?;
  if path.contains(folder.as_os_str())? {
    return Ok(false);
  }
  path.insert(0, folder.as_os_str())?;
  // Only folders that we have put there belong to one app.
  folders().insert(folder.to_path_buf());
  Ok(true)
}

pub fn leave(py: Python<'_>, folder: &Path) -> PyResult<()> {
  let path = py.import("sys")?.getattr("path")?;
  if path.contains(folder.as_os_str())? {
    path.call_method1("remove", (folder.as_os_str(),))?;
  }
  Ok(())
}

/// Whether `folder` has a module of that name.
pub fn holds(py: Python<'_>, folder: &Path, module: &str) -> bool {
  FolderFinder::new(py).is_ok_and(|finder| finder.find(folder, module).is_some())
}

/// Why a module must not be imported for this folder.
pub enum Confusion {
  Refused(HandlerError),
  Raised(PyErr),
}

impl From<PyErr> for Confusion {
  fn from(error: PyErr) -> Self {
    Self::Raised(error)
  }
}

impl Confusion {
  pub fn into_app(self, py: Python<'_>) -> HandlerError {
    match self {
      Self::Refused(error) => error,
      Self::Raised(error) => unexpected(py, &error),
    }
  }
}

/// `sys.modules` knows one module a name, so that an app whose folder has another of that name would
/// silently be given the wrong one.
///
/// Refused are: the app's own module or a package around it; a module that exists only in another
/// app's folder; any other module of the folder whose namesake another app has imported.
pub fn refuse_confusion(py: Python<'_>, module: &str, folder: &Path) -> Result<(), Confusion> {
  let finder = FolderFinder::new(py)?;
  let loaded = py
    .import("sys")?
    .getattr("modules")?
    .cast_into::<PyDict>()
    .map_err(PyErr::from)?;
  let others: Vec<PathBuf> = folders()
    .iter()
    .filter(|other| !same_file(other, folder))
    .cloned()
    .collect();
  refuse_namesake(&finder, &loaded, module, folder, &others)?;
  if !others.is_empty() {
    refuse_foreign(&finder, &loaded, module, folder, &others)?;
    refuse_mixture(&finder, &loaded, folder, &others)?;
  }
  Ok(())
}

/// The module, or a package around it, is loaded from elsewhere.
fn refuse_namesake(
  finder: &FolderFinder,
  loaded: &Bound<'_, PyDict>,
  module: &str,
  folder: &Path,
  others: &[PathBuf],
) -> Result<(), Confusion> {
  let ends = module
    .match_indices('.')
    .map(|(end, _)| end)
    .chain([module.len()]);
  for name in ends.map(|end| &module[..end]) {
    if let Some(own) = finder.find(folder, name)
      && let Some(loaded) = loaded.get_item(name)?
      && let Some(elsewhere) = own.differs_from(&loaded, others)
    {
      return Err(collision(name, &own, &elsewhere, folder));
    }
  }
  Ok(())
}

/// The module is not in the app's folder, and would come from another app's.
fn refuse_foreign(
  finder: &FolderFinder,
  loaded: &Bound<'_, PyDict>,
  module: &str,
  folder: &Path,
  others: &[PathBuf],
) -> Result<(), Confusion> {
  let top = module.split('.').next().unwrap_or(module);
  if finder.find(folder, top).is_some() {
    return Ok(());
  }
  let origin = loaded.get_item(top)?.and_then(|module| origin(&module));
  for other in others {
    let Some(theirs) = finder.find(other, top) else {
      continue;
    };
    // Loaded from site-packages, say, it may be had by all.
    if origin
      .as_ref()
      .is_none_or(|origin| same_file(origin, theirs.path()))
    {
      return Err(Confusion::Refused(app_error(
        AppErrorKind::NotFound,
        format!(
          "There is no Python module \"{module}\" in {}; the one in {} belongs to another app. Set `appDir` to the folder that holds the module.",
          folder.display(),
          other.display(),
        ),
      )));
    }
  }
  Ok(())
}

/// The folder has a module, which the app may import, whose namesake is loaded from another app's.
fn refuse_mixture(
  finder: &FolderFinder,
  loaded: &Bound<'_, PyDict>,
  folder: &Path,
  others: &[PathBuf],
) -> Result<(), Confusion> {
  // A copy: another thread of Python's may be importing.
  for (name, module) in loaded.copy()?.iter() {
    let Ok(name) = name.extract::<String>() else {
      continue;
    };
    if name.contains('.') {
      continue;
    }
    if let Some(origin) = origin(&module)
      && others.iter().any(|other| holds_directly(other, &origin))
      && let Some(own) = finder.find(folder, &name)
      && !same_file(own.path(), &origin)
    {
      return Err(collision(
        &name,
        &own,
        &origin.display().to_string(),
        folder,
      ));
    }
  }
  Ok(())
}

fn collision(name: &str, own: &Found, elsewhere: &str, folder: &Path) -> Confusion {
  Confusion::Refused(app_error(
    AppErrorKind::Collision,
    format!(
      "The Python module \"{name}\" of {} has the name of one that is imported already ({elsewhere}), and one interpreter keeps one module a name. Rename {}, or move the app into a package of its own.",
      folder.display(),
      own.path().display(),
    ),
  ))
}

/// What a folder has under a module's name.
enum Found {
  /// A module's file, or a package's `__init__`.
  File(PathBuf),
  /// A folder without `__init__`: a namespace package.
  Namespace(PathBuf),
}

impl Found {
  fn path(&self) -> &Path {
    match self {
      Self::File(path) | Self::Namespace(path) => path,
    }
  }

  /// Where the loaded module is from, if that is not here.
  fn differs_from(&self, loaded: &Bound<'_, PyAny>, others: &[PathBuf]) -> Option<String> {
    match (self, origin(loaded)) {
      (Self::File(own), Some(origin)) if same_file(own, &origin) => None,
      (Self::File(_), Some(origin)) => Some(origin.display().to_string()),
      // Built in, or a namespace package elsewhere, before which a real one goes.
      (Self::File(_), None) => Some(spec_attribute(loaded, "origin").unwrap_or("elsewhere".into())),
      // A package anywhere goes before a namespace; only another app's may not.
      (Self::Namespace(_), Some(origin)) => others
        .iter()
        .any(|other| holds_directly(other, &origin))
        .then(|| origin.display().to_string()),
      (Self::Namespace(_), None) => None,
    }
  }
}

/// Looks for modules in one folder, importing nothing.
///
/// importlib's own finders won't do: they want the packages around a module imported first.
struct FolderFinder {
  suffixes: Vec<String>,
}

impl FolderFinder {
  fn new(py: Python<'_>) -> PyResult<Self> {
    let machinery = py.import("importlib.machinery")?;
    // In the order of importlib: a compiled module goes before its source.
    let suffixes = ["EXTENSION_SUFFIXES", "SOURCE_SUFFIXES", "BYTECODE_SUFFIXES"]
      .into_iter()
      .map(|name| machinery.getattr(name)?.extract::<Vec<String>>())
      .collect::<PyResult<Vec<_>>>()?
      .concat();
    Ok(Self { suffixes })
  }

  fn find(&self, folder: &Path, module: &str) -> Option<Found> {
    let mut folder = folder.to_path_buf();
    let mut found = None;
    for name in module.split('.') {
      if matches!(found, Some(Found::File(ref file)) if !is_init(file)) {
        return None;
      }
      let package = folder.join(name);
      found = Some(if let Some(file) = self.file(&package.join("__init__")) {
        Found::File(file)
      } else if let Some(file) = self.file(&package) {
        Found::File(file)
      } else if package.is_dir() {
        Found::Namespace(package.clone())
      } else {
        return None;
      });
      folder = package;
    }
    found
  }

  fn file(&self, stem: &Path) -> Option<PathBuf> {
    self
      .suffixes
      .iter()
      .map(|suffix| {
        let mut path = stem.as_os_str().to_owned();
        path.push(suffix);
        PathBuf::from(path)
      })
      .find(|path| path.is_file())
  }
}

fn is_init(file: &Path) -> bool {
  file
    .file_name()
    .is_some_and(|name| name.to_string_lossy().starts_with("__init__."))
}

/// Whether `origin` is a module or package right in `folder`.
fn holds_directly(folder: &Path, origin: &Path) -> bool {
  let holder = origin.parent().and_then(|parent| {
    if is_init(origin) {
      parent.parent()
    } else {
      Some(parent)
    }
  });
  holder.is_some_and(|holder| same_file(holder, folder))
}

/// The file that a module was loaded from.
fn origin(module: &Bound<'_, PyAny>) -> Option<PathBuf> {
  spec_attribute(module, "has_location")
    .filter(|located| located == "True")
    .and_then(|_| spec_attribute(module, "origin"))
    .map(PathBuf::from)
}

fn spec_attribute(module: &Bound<'_, PyAny>, name: &str) -> Option<String> {
  let value = module.getattr("__spec__").ok()?.getattr(name).ok()?;
  if value.is_none() {
    None
  } else {
    value.str().ok()?.extract().ok()
  }
}

fn same_file(one: &Path, other: &Path) -> bool {
  one == other
    || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
