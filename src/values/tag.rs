//! The tags of the tape; `lib/values/tags.ts` has the same.

pub const NULL: u8 = 0;
pub const UNDEFINED: u8 = 1;
pub const FALSE: u8 = 2;
pub const TRUE: u8 = 3;
pub const INT: u8 = 4;
pub const FLOAT: u8 = 5;
pub const BIGINT: u8 = 6;
pub const LATIN1: u8 = 7;
pub const UTF16: u8 = 8;
pub const BYTES: u8 = 9;
pub const BUFFER: u8 = 10;
pub const TYPED: u8 = 11;
pub const ARRAY: u8 = 12;
pub const OBJECT: u8 = 13;
pub const MAP: u8 = 14;
pub const SET: u8 = 15;
pub const DATE: u8 = 16;
pub const REF: u8 = 17;
/// An object of JavaScript, by its handle.
pub const JS: u8 = 18;
/// An object of Python, by its handle.
pub const PY: u8 = 19;
pub const ERROR: u8 = 20;
pub const NDARRAY: u8 = 21;
