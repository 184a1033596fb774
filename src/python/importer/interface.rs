//! Which interface an app speaks: ASGI or WSGI.
//!
//! The rule of `auto`, in this order. Whatever could be either is an error that names the option, so that an
//! ASGI app is never called as WSGI.
//!
//! 1. A coroutine function, or an object whose `__call__` is one, is never WSGI.
//! 2. What can't be called with three arguments is not ASGI, what can't be called with two is not WSGI.
//! 3. A class is ASGI only if its instances can be awaited, WSGI only if they can be iterated over.
//! 4. For what could still be both (`*args`; what Python can't tell of), that which it wraps (`__wrapped__`)
//!    decides by the same rule.
//!
//! uvicorn and hypercorn ask for coroutine functions alone and take all else for ASGI 2 or WSGI, so that a plain
//! `def` which returns an awaitable, or the wrapper that a decorator has made, is called wrongly.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::app::a_type;
use super::problem::app_error;
use crate::base::error::{AppErrorKind, HandlerError};

/// What the option `interface` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
  Auto,
  For(Interface),
}

impl Asked {
  /// JavaScript has checked the word.
  pub fn parse(word: &str) -> Self {
    match word {
      "asgi" => Self::For(Interface::Asgi),
      "wsgi" => Self::For(Interface::Wsgi),
      _ => Self::Auto,
    }
  }
}

/// What an app is called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
  /// Scope, receive and send.
  Asgi,
  /// Environ and `start_response`.
  Wsgi,
}

/// Tells the interface of an app, or why it can be called by none; `subject` begins the message.
///
/// # Errors
///
/// `AppErrorKind::NotCallable`, which says what the app looks like instead.
pub fn recognise(
  app: &Bound<'_, PyAny>,
  subject: &str,
  asked: Asked,
) -> Result<Interface, HandlerError> {
  let refuse = |what: &str, remedy: &str| {
    Err(app_error(
      AppErrorKind::NotCallable,
      format!("{subject} {what}. {remedy}"),
    ))
  };
  if !app.is_callable() {
    return refuse(
      &format!("can't be called: it is {}", a_type(app)),
      "Name an ASGI app, a callable that takes scope, receive and send.",
    );
  }
  let looks = Looks::of(app, 16);
  match (asked, looks.interface()) {
    (Asked::Auto, Some(interface)) => return Ok(interface),
    (Asked::For(interface), _) if looks.could_be(interface) => return Ok(interface),
    (Asked::Auto, None) if looks.could_be(Interface::Asgi) && looks.could_be(Interface::Wsgi) => {
      return refuse(
        "may be ASGI or WSGI: its arguments do not tell",
        "Set `interface` to 'asgi' or 'wsgi'.",
      );
    }
    (Asked::For(Interface::Asgi), Some(Interface::Wsgi)) => {
      return refuse(
        "takes two arguments, as WSGI apps do",
        "Set `interface` to 'wsgi' or 'auto'.",
      );
    }
    (Asked::For(Interface::Wsgi), Some(Interface::Asgi)) => {
      return refuse(
        "looks like an ASGI app",
        "Set `interface` to 'asgi' or 'auto'.",
      );
    }
    _ => {}
  }
  if app.is_instance_of::<PyType>() {
    return refuse(
      "is a class, and can't be called as an app",
      "Name an instance of it.",
    );
  }
  if looks.takes_none {
    return refuse(
      "takes no arguments, as an app factory does",
      "Set `factory` to true.",
    );
  }
  if takes(app, 1).unwrap_or(false) {
    return refuse(
      "takes one argument, as ASGI 2 apps did",
      "Wrap it with asgiref.compatibility.guarantee_single_callable.",
    );
  }
  if asked == Asked::For(Interface::Wsgi) {
    return refuse(
      "does not take the two arguments environ and start_response",
      "Name a WSGI app.",
    );
  }
  refuse(
    "does not take the three arguments scope, receive and send",
    "Name an ASGI app.",
  )
}

/// What can be seen of a callable; `None` where Python can't tell.
struct Looks {
  is_coroutine: bool,
  takes_none: bool,
  takes_two: Option<bool>,
  takes_three: Option<bool>,
  /// False for classes whose instances are not what an app has to return.
  returns_awaitable: bool,
  returns_iterable: bool,
  wrapped: Option<Box<Self>>,
}

impl Looks {
  /// `depth` bounds chains of `__wrapped__`, which may be circles.
  fn of(app: &Bound<'_, PyAny>, depth: u32) -> Self {
    let is_class = app.is_instance_of::<PyType>();
    let has = |method: &str| app.hasattr(method).unwrap_or(true);
    let wrapped = depth
      .checked_sub(1)
      .and_then(|depth| Some(Self::of(&app.getattr("__wrapped__").ok()?, depth)));
    Self {
      is_coroutine: is_coroutine_function(app),
      takes_none: takes(app, 0).unwrap_or(false),
      takes_two: takes(app, 2),
      takes_three: takes(app, 3),
      returns_awaitable: !is_class || has("__await__"),
      returns_iterable: !is_class || has("__iter__"),
      wrapped: wrapped.map(Box::new),
    }
  }

  fn could_be(&self, interface: Interface) -> bool {
    match interface {
      Interface::Asgi => self.takes_three != Some(false) && self.returns_awaitable,
      Interface::Wsgi => {
        self.takes_two != Some(false) && self.returns_iterable && !self.is_coroutine
      }
    }
  }

  /// What it clearly speaks, by the rule above.
  fn interface(&self) -> Option<Interface> {
    match (
      self.could_be(Interface::Asgi),
      self.could_be(Interface::Wsgi),
    ) {
      (true, false) => Some(Interface::Asgi),
      // A factory may have two arguments, all of which are optional; an app has not.
      (false, true) if !self.takes_none => Some(Interface::Wsgi),
      (true, true) => self.wrapped.as_ref()?.interface(),
      _ => None,
    }
  }
}

fn is_coroutine_function(app: &Bound<'_, PyAny>) -> bool {
  let ask = || {
    let inspect = app.py().import("inspect")?;
    let is_one = |object: &Bound<'_, PyAny>| {
      inspect
        .call_method1("iscoroutinefunction", (object,))?
        .is_truthy()
    };
    // Python calls the method of the class, whatever the instance has by that name.
    Ok::<_, PyErr>(is_one(app)? || is_one(&app.get_type().getattr("__call__")?)?)
  };
  ask().unwrap_or(false)
}

/// Whether it can be called with `count` arguments; `None` where Python can't tell.
fn takes(callable: &Bound<'_, PyAny>, count: usize) -> Option<bool> {
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
