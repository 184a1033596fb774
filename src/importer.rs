//! From `module.sub:attr.attr` to an app: what uvicorn does in a process of its own, made fit for one
//! interpreter that several apps from several folders live in.
//!
//! Every way to fail has a code and a message of its own, which says what is wrong and what to do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf, absolute};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyAttributeError, PyModuleNotFoundError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use crate::error::{AppErrorKind, HandlerError};
use crate::interpreter::helpers;

/// The folders that handlers have put on `sys.path`.
static FOLDERS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Imports what `target` names, from `app_dir` first, and with `factory` calls it for the app.
///
/// # Errors
///
/// `HandlerError::App`, its code telling where it failed.
pub fn import_app(
  py: Python<'_>,
  target: &str,
  app_dir: &str,
  factory: bool,
) -> Result<Py<PyAny>, HandlerError> {
  let (module_name, attributes) = parse(target)?;
  let folder = app_folder(app_dir)?;
  refuse_confusion(py, module_name, &folder).map_err(|error| error.into_app(py))?;
  put_on_path(py, &folder).map_err(|error| unexpected(py, &error))?;
  let module = import_module(py, module_name, &folder)?;
  let object = resolve(&module, module_name, attributes)?;
  let app = if factory {
    call_factory(&object, target)?
  } else {
    object
  };
  check_callable(&app, target, factory)?;
  Ok(app.unbind())
}

fn app_error(code: AppErrorKind, message: String) -> HandlerError {
  HandlerError::App {
    code,
    message,
    traceback: None,
    kind: None,
  }
}

/// An error around an exception: its type and traceback, and a message that begins with `what`.
fn raised(
  py: Python<'_>,
  code: AppErrorKind,
  error: &PyErr,
  what: &str,
  remedy: &str,
) -> HandlerError {
  let (kind, message, traceback) = report(py, error);
  let first_line = message.lines().next().unwrap_or_default();
  let separator = if first_line.is_empty() { "" } else { ": " };
  HandlerError::App {
    code,
    message: format!("{what} {kind}{separator}{first_line}\n{remedy}"),
    traceback: Some(traceback),
    kind: Some(kind),
  }
}

/// Type, message and traceback; never fails.
fn report(py: Python<'_>, error: &PyErr) -> (String, String, String) {
  helpers(py)
    .and_then(|helpers| {
      helpers
        .call_method1("report", (error.value(py),))?
        .extract()
    })
    .unwrap_or_else(|_| {
      let text = error.to_string();
      ("Exception".into(), text.clone(), text)
    })
}

/// For what no app should be able to cause.
fn unexpected(py: Python<'_>, error: &PyErr) -> HandlerError {
  let remedy = "The import system of this interpreter is not in order: see the traceback.";
  raised(
    py,
    AppErrorKind::Import,
    error,
    "Preparing the import of the app raised",
    remedy,
  )
}

// ---------------------------------------------------------------------------------------------
// The target and its folder

/// Splits `module.sub:attr.attr`.
fn parse(target: &str) -> Result<(&str, &str), HandlerError> {
  let invalid = |message: String| Err(app_error(AppErrorKind::Invalid, message));
  let form = "Write it as \"module:attribute\", for example \"main:app\".";
  let Some((module, attributes)) = target.split_once(':') else {
    return invalid(format!(
      "The app {target:?} does not say which attribute of a module it is. {form}"
    ));
  };
  let is_file = Path::new(module)
    .extension()
    .is_some_and(|extension| extension == "py");
  if is_file || module.contains(['/', '\\']) {
    let path = module.strip_suffix(".py").unwrap_or(module);
    let path = path.trim_start_matches("./").replace(['/', '\\'], ".");
    return invalid(format!(
      "The app {target:?} names a file where a Python module is wanted. Write it as \"{}:{attributes}\" and let `appDir` say where the module is.",
      path.trim_matches('.'),
    ));
  }
  let well_formed = |names: &str| {
    names.split('.').all(|name| {
      !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == ':' || c == '\0')
    })
  };
  if !well_formed(module) || !well_formed(attributes) {
    return invalid(format!(
      "The app {target:?} is not a module and an attribute. {form}"
    ));
  }
  Ok((module, attributes))
}

fn app_folder(app_dir: &str) -> Result<PathBuf, HandlerError> {
  let folder = absolute(if app_dir.is_empty() { "." } else { app_dir })
    .unwrap_or_else(|_| PathBuf::from(app_dir));
  if folder.is_dir() {
    return Ok(folder);
  }
  Err(app_error(
    AppErrorKind::NotFound,
    format!(
      "The app's folder {} does not exist. Set `appDir` to the folder that holds the app's module.",
      folder.display(),
    ),
  ))
}

/// Puts the folder first on `sys.path`, unless it is there already.
fn put_on_path(py: Python<'_>, folder: &Path) -> PyResult<()> {
  let sys = py.import("sys")?;
  let path = sys.getattr("path")?.cast_into::<PyList>()?;
  if !path.contains(folder.as_os_str())? {
    path.insert(0, folder.as_os_str())?;
    // Only folders that we have put there belong to one app.
    FOLDERS
      .lock()
      .unwrap_or_else(PoisonError::into_inner)
      .insert(folder.to_path_buf());
  }
  // A finder remembers the folder's files by a time stamp that a file written just now may not change.
  let cached = sys.getattr("path_importer_cache")?;
  cached.call_method1("pop", (folder.as_os_str(), py.None()))?;
  Ok(())
}

// ---------------------------------------------------------------------------------------------
// One interpreter, several folders

/// Why a module must not be imported for this folder.
enum Confusion {
  Refused(HandlerError),
  Raised(PyErr),
}

impl From<PyErr> for Confusion {
  fn from(error: PyErr) -> Self {
    Self::Raised(error)
  }
}

impl Confusion {
  fn into_app(self, py: Python<'_>) -> HandlerError {
    match self {
      Self::Refused(error) => error,
      Self::Raised(error) => unexpected(py, &error),
    }
  }
}

/// `sys.modules` knows one module a name, so that an app whose folder has another of that name would
/// silently be given the wrong one. Refused are: the app's own module or a package around it; a
/// module that exists only in another app's folder; and any other module of the folder whose
/// namesake another app has imported.
fn refuse_confusion(py: Python<'_>, module: &str, folder: &Path) -> Result<(), Confusion> {
  let finder = FolderFinder::new(py)?;
  let loaded = py
    .import("sys")?
    .getattr("modules")?
    .cast_into::<PyDict>()
    .map_err(PyErr::from)?;
  let others: Vec<PathBuf> = FOLDERS
    .lock()
    .unwrap_or_else(PoisonError::into_inner)
    .iter()
    .filter(|other| !same_file(other, folder))
    .cloned()
    .collect();

  let prefixes: Vec<&str> = module
    .match_indices('.')
    .map(|(end, _)| &module[..end])
    .chain([module])
    .collect();
  for name in &prefixes {
    let Some(own) = finder.find(folder, name) else {
      continue;
    };
    if let Some(loaded) = loaded.get_item(name)?
      && let Some(elsewhere) = own.differs_from(&loaded, &others)
    {
      return Err(collision(name, &own, &elsewhere, folder));
    }
  }

  let top = prefixes[0];
  if finder.find(folder, top).is_none() {
    let origin = loaded.get_item(top)?.and_then(|module| origin(&module));
    for other in &others {
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
  }

  for (name, module) in loaded.iter() {
    if others.is_empty() {
      break;
    }
    let Ok(name) = name.extract::<String>() else {
      continue;
    };
    let Some(origin) = origin(&module).filter(|_| !name.contains('.')) else {
      continue;
    };
    let is_theirs = others.iter().any(|other| holds_directly(other, &origin));
    if is_theirs
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

// ---------------------------------------------------------------------------------------------
// Import, attribute, app

fn import_module<'py>(
  py: Python<'py>,
  name: &str,
  folder: &Path,
) -> Result<Bound<'py, PyAny>, HandlerError> {
  let importlib = py
    .import("importlib")
    .map_err(|error| unexpected(py, &error))?;
  let import = || importlib.call_method1("import_module", (name,));
  let imported = import().or_else(|error| {
    if !is_missing(py, &error, name) {
      return Err(error);
    }
    // Once more without any finder's memory of its folder (see `put_on_path`): this is slow.
    importlib.call_method0("invalidate_caches")?;
    import()
  });
  imported.map_err(|error| {
    if is_missing(py, &error, name) {
      return app_error(
        AppErrorKind::NotFound,
        format!(
          "There is no Python module \"{name}\" in {} nor on sys.path ({}). Correct the name, or set `appDir` to the folder that holds it.",
          folder.display(),
          message(py, &error),
        ),
      );
    }
    let remedy = import_remedy(py, &error);
    raised(py, AppErrorKind::Import, &error, &format!("Importing the app's module \"{name}\" raised"), &remedy)
  })
}

/// Whether the module itself, or a package around it, is what could not be found, rather than one
/// that it imports.
fn is_missing(py: Python<'_>, error: &PyErr, module: &str) -> bool {
  if !error.is_instance_of::<PyModuleNotFoundError>(py) {
    return false;
  }
  let missing: Option<String> = error
    .value(py)
    .getattr("name")
    .and_then(|name| name.extract())
    .unwrap_or_default();
  let is_ours = missing.is_some_and(|missing| {
    module == missing
      || module
        .strip_prefix(&missing)
        .is_some_and(|rest| rest.starts_with('.'))
  });
  // Code of the app among the frames means that it had been found.
  let in_app =
    helpers(py).and_then(|helpers| helpers.call_method1("app_traceback", (error.value(py),)));
  is_ours && in_app.is_ok_and(|traceback| traceback.is_none())
}

fn message(py: Python<'_>, error: &PyErr) -> String {
  report(py, error).1
}

fn import_remedy(py: Python<'_>, error: &PyErr) -> String {
  if error.is_instance_of::<PySystemExit>(py) {
    return "A module must not exit when it is imported: put that behind `if __name__ == \"__main__\":`.".into();
  }
  let missing: Option<String> = error
    .is_instance_of::<PyModuleNotFoundError>(py)
    .then(|| {
      error
        .value(py)
        .getattr("name")
        .and_then(|name| name.extract())
        .unwrap_or_default()
    })
    .flatten();
  let executable = py
    .import("sys")
    .and_then(|sys| sys.getattr("executable")?.extract::<String>());
  match (missing, executable) {
    (Some(missing), Ok(executable)) => {
      format!(
        "Install \"{missing}\" for {executable}, or name another environment with the option `python`."
      )
    }
    _ => "The traceback says where.".into(),
  }
}

fn resolve<'py>(
  module: &Bound<'py, PyAny>,
  module_name: &str,
  attributes: &str,
) -> Result<Bound<'py, PyAny>, HandlerError> {
  let py = module.py();
  let mut object = module.clone();
  let mut path = format!("module \"{module_name}\"");
  let mut so_far = String::new();
  for name in attributes.split('.') {
    object = match object.getattr(name) {
      Ok(value) => value,
      Err(error) if error.is_instance_of::<PyAttributeError>(py) => {
        return Err(app_error(
          AppErrorKind::Attribute,
          format!(
            "The Python {path} has no attribute \"{name}\". {}",
            suggestion(&object, name)
          ),
        ));
      }
      Err(error) => {
        return Err(raised(
          py,
          AppErrorKind::Attribute,
          &error,
          &format!("Looking up \"{name}\" in the Python {path} raised"),
          "The traceback says where.",
        ));
      }
    };
    so_far = if so_far.is_empty() {
      name.into()
    } else {
      format!("{so_far}.{name}")
    };
    path = format!("object \"{module_name}:{so_far}\"");
  }
  Ok(object)
}

/// What the user may have meant by `name`.
fn suggestion(object: &Bound<'_, PyAny>, name: &str) -> String {
  let py = object.py();
  let names: Vec<String> = object
    .dir()
    .and_then(|names| names.extract::<Vec<String>>())
    .unwrap_or_default()
    .into_iter()
    .filter(|name| !name.starts_with('_'))
    .collect();
  let near = py
    .import("difflib")
    .and_then(|difflib| {
      difflib
        .call_method1("get_close_matches", (name, names.clone(), 1))?
        .extract()
    })
    .unwrap_or_else(|_: PyErr| Vec::<String>::new());
  if let Some(near) = near.first() {
    return format!("Did you mean \"{near}\"?");
  }
  let could_be: Vec<_> = names
    .iter()
    .filter(|name| {
      object
        .getattr(name.as_str())
        .is_ok_and(|value| could_be_app(&value, object))
    })
    .take(5)
    .map(|name| format!("\"{name}\""))
    .collect();
  if could_be.is_empty() {
    "Name the variable that holds the ASGI app.".into()
  } else {
    format!(
      "Of what it has, these can be called: {}.",
      could_be.join(", ")
    )
  }
}

/// Callable, and not merely imported from elsewhere.
fn could_be_app(value: &Bound<'_, PyAny>, module: &Bound<'_, PyAny>) -> bool {
  let text = |object: &Bound<'_, PyAny>, name: &str| {
    object
      .getattr(name)
      .ok()
      .and_then(|value| value.extract::<String>().ok())
  };
  let is_definition =
    value.is_instance_of::<PyType>() || value.hasattr("__code__").unwrap_or(false);
  value.is_callable() && (!is_definition || text(value, "__module__") == text(module, "__name__"))
}

fn call_factory<'py>(
  factory: &Bound<'py, PyAny>,
  target: &str,
) -> Result<Bound<'py, PyAny>, HandlerError> {
  let py = factory.py();
  if !factory.is_callable() {
    return Err(app_error(
      AppErrorKind::Factory,
      format!(
        "The app factory \"{target}\" can't be called: it is {}. Name a function that returns the app, or set `factory` to false.",
        a_type(factory),
      ),
    ));
  }
  let app = factory.call0().map_err(|error| {
    raised(
      py,
      AppErrorKind::Factory,
      &error,
      &format!("Calling the app factory \"{target}\" raised"),
      "It is called without arguments; the traceback says where it failed.",
    )
  })?;
  if app.is_callable() {
    return Ok(app);
  }
  let is_coroutine = app.hasattr("cr_code").unwrap_or(false);
  if is_coroutine {
    // Python would warn that nobody awaits it; the error says more.
    let _ = app.call_method0("close");
  }
  let remedy = if is_coroutine {
    "Make it a plain `def`, and move what it awaits into the lifespan."
  } else {
    "Let it return the ASGI app."
  };
  Err(app_error(
    AppErrorKind::Factory,
    format!(
      "The app factory \"{target}\" returned {}, which can't be called. {remedy}",
      a_type(&app)
    ),
  ))
}

/// Refuses what can't be called with scope, receive and send, and says what it looks like instead.
fn check_callable(app: &Bound<'_, PyAny>, target: &str, factory: bool) -> Result<(), HandlerError> {
  let refuse = |what: &str, remedy: &str| {
    let subject = if factory {
      "The app returned by"
    } else {
      "The app"
    };
    Err(app_error(
      AppErrorKind::NotCallable,
      format!("{subject} \"{target}\" {what}. {remedy}"),
    ))
  };
  if !app.is_callable() {
    return refuse(
      &format!("can't be called: it is {}", a_type(app)),
      "Name an ASGI app, a callable that takes scope, receive and send.",
    );
  }
  let takes = |count: usize| takes_arguments(app, count);
  if takes(3).unwrap_or(true) {
    let is_awaitable_class = || {
      app.hasattr("__await__").unwrap_or(true)
        || app.get_type().hasattr("__await__").unwrap_or(true)
    };
    if app.is_instance_of::<PyType>() && !is_awaitable_class() {
      return refuse(
        "is a class whose instances can't be awaited",
        "Name an instance of it.",
      );
    }
    return Ok(());
  }
  if app.is_instance_of::<PyType>() {
    return refuse(
      "is a class that does not take scope, receive and send",
      "Name an instance of it.",
    );
  }
  if takes(0).unwrap_or(false) {
    return refuse(
      "takes no arguments, as an app factory does",
      "Set `factory` to true.",
    );
  }
  if takes(1).unwrap_or(false) {
    return refuse(
      "takes one argument, as ASGI 2 apps did",
      "Wrap it with asgiref.compatibility.guarantee_single_callable.",
    );
  }
  if takes(2).unwrap_or(false) {
    return refuse(
      "takes two arguments, as WSGI apps do",
      "Wrap it with a2wsgi.WSGIMiddleware.",
    );
  }
  refuse(
    "does not take the three arguments scope, receive and send",
    "Name an ASGI app.",
  )
}

/// Whether it can be called with `count` arguments; `None` where Python can't tell.
fn takes_arguments(callable: &Bound<'_, PyAny>, count: usize) -> Option<bool> {
  let py = callable.py();
  let options = PyDict::new(py);
  // A decorator that names its function as `__wrapped__` may well take other arguments.
  options.set_item("follow_wrapped", false).ok()?;
  let inspect = py.import("inspect").ok()?;
  let signature = inspect
    .call_method("signature", (callable,), Some(&options))
    .ok()?;
  let arguments = PyTuple::new(py, (0..count).map(|_| py.None())).ok()?;
  Some(signature.call_method1("bind", arguments).is_ok())
}

/// `a dict`, `an int`, `a module`: for messages.
fn a_type(object: &Bound<'_, PyAny>) -> String {
  let name = object
    .get_type()
    .qualname()
    .map_or_else(|_| "object".into(), |name| name.to_string());
  let article = if name.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']) {
    "an"
  } else {
    "a"
  };
  format!("{article} {name}")
}
