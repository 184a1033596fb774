//! `amphis.ConversionError`, and how it gets the place of what could not be converted.

use pyo3::create_exception;
use pyo3::exceptions::PyTypeError;

create_exception!(
  amphis,
  ConversionError,
  PyTypeError,
  "A value that the other language cannot have.\n\nAttributes:\n    path (str): its place, as `args[0].user.tags[3]`; the message begins with it."
);
