//! Values between the two languages: Python objects to a tape, and a tape to Python objects. `lib/values/` does the same
//! for JavaScript; `fixtures/values.json` holds both to the format.
//!
//! # The format
//!
//! A tape is a string of bytes. Its numbers are *varints*, unsigned LEB128 of at most 53 bits, and *f64*, eight bytes with
//! the lowest first. A value is a tag of one byte, and then:
//!
//! | tag | | data |
//! |--|--|--|
//! | 0 to 3 | `NULL`, `UNDEFINED`, `FALSE`, `TRUE` | |
//! | 4 | `INT` | a varint of up to 54 bits: the sign in the lowest bit, then `n`, or `-n - 1` for a negative one; at most 2^53 - 1 either way |
//! | 5 | `FLOAT` | f64 |
//! | 6 | `BIGINT` | a byte for the sign (1: negative), varint length, magnitude with the lowest byte first |
//! | 7 | `LATIN1` | varint length, a byte for each character |
//! | 8 | `UTF16` | varint count of units, two bytes for each; lone surrogates as they are |
//! | 9 | `BYTES` | varint length, bytes |
//! | 10 | `BUFFER` | varint index among the payload's buffers, varint length in bytes, byte of the elements' type, or 13 for a string of bytes |
//! | 11 | `TYPED` | byte of the elements' type, varint length in bytes, bytes |
//! | 12 | `ARRAY` | varint count, values |
//! | 13 | `OBJECT` | varint count, keys and values |
//! | 14 | `MAP` | varint count, values and values |
//! | 15 | `SET` | varint count, values |
//! | 16 | `DATE` | f64: milliseconds since 1970 |
//! | 17 | `REF` | varint number of an object that the payload has had before |
//! | 18, 19 | `JS`, `PY` | byte of the kind, varint id, name: a handle of an object of JavaScript, or of Python |
//! | 20 | `ERROR` | `NULL`, `JS` or `PY` for the original; an `OBJECT` of fields |
//! | 21 | `NDARRAY` | byte of the elements' type, varint count of dimensions, a varint for each; a `BUFFER` or `TYPED` with the elements in C order |
//!
//! * The **types of elements** are in `dtype.rs`.
//! * A **name** is a varint, twice its length in characters or UTF-16 units, plus one where it is written in units; then
//!   those.
//! * A **key** is varint 0 and a name, which gets the next number of the payload, the first being 1; or the number of a key
//!   that was named.
//! * **Numbers of objects** count `BYTES` (unless empty), `BUFFER`, `TYPED`, `ARRAY`, `OBJECT`, `MAP`, `SET`, `DATE` and
//!   `NDARRAY` in the order of their tags, from 0, each before its contents: so objects may hold each other. The elements
//!   within an `NDARRAY` get none.
//!
//! Readers trust nothing: whatever the bytes are, the outcome is a value or an error.

mod classes;
mod dtype;
mod errors;
mod exporter;
mod handles;
mod known;
mod limits;
mod memory;
mod moments;
mod place;
mod py_buffer;
mod read;
mod seen;
pub mod tag;
mod tape;
#[cfg(test)]
mod tests;
mod text;
mod undefined;
pub mod wire;
mod write;

pub use self::errors::ConversionError;
pub use self::handles::{Handle, ReadHandles, WriteHandles};
pub use self::limits::Limits;
pub use self::read::Reader;
pub use self::tape::Tape;
pub use self::undefined::undefined;
pub use self::write::Writer;
