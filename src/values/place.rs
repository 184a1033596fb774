//! Where in a value something could not be converted: the place is put together while the error goes out.

use std::fmt::Write as _;

use pyo3::prelude::*;

use super::errors::ConversionError;

/// What ended a conversion. Boxed: what goes well pays for its size with each value.
pub struct Trouble(Box<Kind>);

enum Kind {
  /// Something that cannot be converted, and the way to it, the innermost step first.
  Unfit { message: String, steps: Vec<String> },
  /// Python raised.
  Raised(PyErr),
}

pub type Outcome<T> = Result<T, Trouble>;

impl From<PyErr> for Trouble {
  fn from(error: PyErr) -> Self {
    Self(Box::new(Kind::Raised(error)))
  }
}

/// Trouble with a value itself; `message` says what it is, and what to do.
pub fn unfit(message: impl Into<String>) -> Trouble {
  Trouble(Box::new(Kind::Unfit {
    message: message.into(),
    steps: Vec::new(),
  }))
}

pub trait Within: Sized {
  /// Has an error on its way out know one step more.
  #[must_use]
  fn within(self, step: impl FnOnce() -> String) -> Self;
}

impl<T> Within for Outcome<T> {
  fn within(mut self, step: impl FnOnce() -> String) -> Self {
    if let Err(Trouble(kind)) = &mut self
      && let Kind::Unfit { steps, .. } = kind.as_mut()
    {
      steps.push(step());
    }
    self
  }
}

/// Longer keys are cut.
const LONG: usize = 80;
/// So many steps are shown, of the beginning and of the end.
const SHOWN: usize = 20;

/// The step to a key of an object: `.name`, or `["key with space"]`.
pub fn key_step(key: &str) -> String {
  let is_name = key.len() <= LONG
    && !key.starts_with(|c: char| c.is_ascii_digit())
    && !key.is_empty()
    && key
      .chars()
      .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
  if is_name {
    return format!(".{key}");
  }
  format!("[{}]", quoted(key))
}

pub fn index_step(index: usize) -> String {
  format!("[{index}]")
}

/// A text in quotes, cut if it is long.
pub fn quoted(text: &str) -> String {
  let cut: String = text.chars().take(LONG).collect();
  let mut shown = String::from("\"");
  for c in cut.chars() {
    match c {
      '"' | '\\' => {
        shown.push('\\');
        shown.push(c);
      }
      c if c.is_control() => {
        let _ = write!(shown, "{}", c.escape_default());
      }
      c => shown.push(c),
    }
  }
  if cut.len() < text.len() {
    shown.push('…');
  }
  shown.push('"');
  shown
}

/// What the caller gets for trouble in a value that is called `root`.
pub fn placed(py: Python<'_>, trouble: Trouble, root: &str) -> PyErr {
  let (message, steps) = match *trouble.0 {
    Kind::Raised(error) => return error,
    Kind::Unfit { message, steps } => (message, steps),
  };
  let mut path = String::from(root);
  let omitted = steps.len().saturating_sub(2 * SHOWN);
  for (index, step) in steps.iter().rev().enumerate() {
    if omitted == 0 || index < SHOWN || index >= SHOWN + omitted {
      path.push_str(step);
    } else if index == SHOWN {
      path.push('…');
    }
  }
  let error = ConversionError::new_err(format!("{path}: {message}"));
  if let Err(raised) = error.value(py).setattr("path", path) {
    return raised;
  }
  error
}
