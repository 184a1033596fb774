//! Values between the two languages: Python objects to a tape, and a tape to Python objects.
#![allow(
  dead_code,
  unused_imports,
  reason = "the calls that use it are to come"
)]

mod errors;
mod handles;
mod read;
pub mod tag;
mod tape;
mod undefined;
mod write;

pub use self::errors::ConversionError;
pub use self::handles::{Handle, ReadHandles, WriteHandles};
pub use self::read::Reader;
pub use self::tape::{Part, Tape};
pub use self::undefined::{Undefined, undefined};
pub use self::write::Writer;
