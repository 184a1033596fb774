//! From `module.sub:attr.attr` to an app: what uvicorn does in a process of its own, made fit for one
//! interpreter that several apps from several folders live in.
//!
//! Every way to fail has a code and a message of its own, which says what is wrong and what to do.

mod app;
mod folders;
mod interface;
mod problem;
#[cfg(test)]
mod tests;
mod wsgi;

use std::path::{Path, PathBuf, absolute};

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use self::problem::{app_error, executable, missing_module, raised, report, unexpected};
use crate::base::error::{AppErrorKind, HandlerError};
use crate::python::sources::helpers;

pub use interface::{Asked, Interface};

/// Where an app is, and what it is.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
  /// `module.sub:attr.attr`
  pub target: &'a str,
  /// The folder that its module is looked for in first.
  pub app_dir: &'a str,
  /// The target is called for the app.
  pub factory: bool,
  pub interface: Asked,
  /// How many threads serve it if it is WSGI.
  pub wsgi_threads: u32,
}

/// An app that can be called with scope, receive and send.
pub struct Imported {
  pub callable: Py<PyAny>,
  /// What it spoke before it was adapted.
  pub interface: Interface,
}

/// Imports an app, and puts an adapter around one that speaks WSGI.
///
/// # Errors
///
/// `HandlerError::App`, its code telling where it failed.
pub fn import_app(py: Python<'_>, source: Source<'_>) -> Result<Imported, HandlerError> {
  let Source {
    target,
    app_dir,
    factory,
    ..
  } = source;
  let (module_name, attributes) = parse(target)?;
  let folder = app_folder(app_dir)?;
  folders::refuse_confusion(py, module_name, &folder).map_err(|error| error.into_app(py))?;
  let entered = folders::enter(py, &folder).map_err(|error| unexpected(py, &error))?;
  let imported = import_module(py, module_name, &folder).and_then(|module| {
    let mut app = app::resolve(&module, module_name, attributes)?;
    if factory {
      app = app::call_factory(&app, target)?;
    }
    let subject = if factory {
      format!("The app returned by \"{target}\"")
    } else {
      format!("The app \"{target}\"")
    };
    let interface = interface::recognise(&app, &subject, source.interface)?;
    if interface == Interface::Wsgi {
      app = wsgi::adapt(&app, &subject, source.wsgi_threads)?;
    }
    Ok(Imported {
      callable: app.unbind(),
      interface,
    })
  });
  if entered && imported.is_err() {
    // A folder that was given by mistake must not stand before those to come.
    folders::leave(py, &folder).map_err(|error| unexpected(py, &error))?;
  }
  imported
}

/// Imports a module by its name.
///
/// # Errors
///
/// `HandlerError::App`, its code telling where it failed.
pub fn import_by_name<'py>(
  py: Python<'py>,
  name: &str,
  app_dir: &str,
) -> Result<Bound<'py, PyAny>, HandlerError> {
  if !is_well_formed(name) {
    return Err(app_error(
      AppErrorKind::Invalid,
      format!(
        "{name:?} is not the name of a Python module. Write it as in Python's `import`, for example \"model\" or \"package.model\", and let `appDir` say where it is."
      ),
    ));
  }
  let folder = app_folder(app_dir)?;
  folders::refuse_confusion(py, name, &folder).map_err(|error| error.into_app(py))?;
  let entered = folders::enter(py, &folder).map_err(|error| unexpected(py, &error))?;
  let imported = import_module(py, name, &folder);
  if entered && imported.is_err() {
    folders::leave(py, &folder).map_err(|error| unexpected(py, &error))?;
  }
  imported
}

/// Whether these are names with dots between them.
fn is_well_formed(names: &str) -> bool {
  names.split('.').all(|name| {
    !name.is_empty()
      && !name.contains(|c: char| c.is_whitespace() || matches!(c, ':' | '\0' | '/' | '\\'))
  })
}

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
  if !is_well_formed(module) || !is_well_formed(attributes) {
    return invalid(format!(
      "The app {target:?} is not a module and an attribute. {form}"
    ));
  }
  Ok((module, attributes))
}

fn app_folder(app_dir: &str) -> Result<PathBuf, HandlerError> {
  let folder = absolute(if app_dir.is_empty() { "." } else { app_dir }).map_or_else(
    |_| PathBuf::from(app_dir),
    |folder| folder.components().collect(),
  );
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
      let reason = report(py, &error).message;
      let folder = folder.display().to_string();
      let meant = nearest(py, name, &folder)
        .map(|nearest| format!(" Did you mean \"{nearest}\"?"))
        .unwrap_or_default();
      return app_error(
        AppErrorKind::NotFound,
        format!(
          "There is no Python module \"{name}\" in {folder} nor on sys.path ({reason}).{meant} Correct the name, or set `appDir` to the folder that holds it.",
        ),
      );
    }
    let what = format!("Importing the app's module \"{name}\" raised");
    raised(py, AppErrorKind::Import, &error, &what, &import_remedy(py, &error, folder))
  })
}

/// The module of that folder which was probably meant.
fn nearest(py: Python<'_>, name: &str, folder: &str) -> Option<String> {
  helpers(py)
    .and_then(|helpers| helpers.call_method1("nearest_module", (name, folder)))
    .ok()?
    .extract()
    .ok()
}

/// Whether the module itself, or a package around it, is what could not be found, rather than one
/// that it imports.
fn is_missing(py: Python<'_>, error: &PyErr, module: &str) -> bool {
  let is_ours = missing_module(py, error).is_some_and(|missing| {
    module == missing
      || module
        .strip_prefix(&missing)
        .is_some_and(|rest| rest.starts_with('.'))
  });
  // Code of the app among the frames means that it had been found.
  let in_app = helpers(py).and_then(|helpers| {
    helpers.call_method1("app_traceback", (error.clone_ref(py).into_value(py),))
  });
  is_ours && in_app.is_ok_and(|traceback| traceback.is_none())
}

fn import_remedy(py: Python<'_>, error: &PyErr, folder: &Path) -> String {
  if error.is_instance_of::<PySystemExit>(py) {
    return "A module must not exit when it is imported: put that behind `if __name__ == \"__main__\":`.".into();
  }
  let Some(missing) = missing_module(py, error) else {
    return "The traceback says where.".into();
  };
  // `from shop.db import …` within shop/main.py, started as "main:app" in shop.
  if let Some(parent) = folder.parent()
    && folders::holds(py, parent, missing.split('.').next().unwrap_or(&missing))
  {
    return format!(
      "Set `appDir` to {}, which holds it, and name the app from there.",
      parent.display()
    );
  }
  let executable = executable(py);
  format!(
    "Install what provides \"{missing}\" for {executable}, or name another environment with the option `python`."
  )
}
