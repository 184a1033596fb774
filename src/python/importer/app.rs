//! From a module to the app in it: attribute and factory.

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::problem::{app_error, raised};
use crate::base::error::{AppErrorKind, HandlerError};

/// Follows `attr.attr` from the module.
pub fn resolve<'py>(
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
    "Name the variable that holds the app.".into()
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

/// Calls the factory for its app.
pub fn call_factory<'py>(
  factory: &Bound<'py, PyAny>,
  target: &str,
) -> Result<Bound<'py, PyAny>, HandlerError> {
  let py = factory.py();
  if !factory.is_callable() {
    return Err(app_error(
      AppErrorKind::NotCallable,
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
    "Let it return the app."
  };
  Err(app_error(
    AppErrorKind::Factory,
    format!(
      "The app factory \"{target}\" returned {}, which can't be called. {remedy}",
      a_type(&app)
    ),
  ))
}

/// `a dict`, `an int`, `a module`: for messages.
pub fn a_type(object: &Bound<'_, PyAny>) -> String {
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
