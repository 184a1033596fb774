//! What the elements of arrays can be; the same table as in `lib/values/dtype.ts`.

use std::ffi::CStr;

/// Instead of a type of elements, for memory beside a tape: a string of bytes.
pub const BYTES: u8 = 13;

/// Its discriminant is its byte on the tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Dtype {
  Uint8,
  Int8,
  Uint8Clamped,
  Uint16,
  Int16,
  Uint32,
  Int32,
  Uint64,
  Int64,
  Float32,
  Float64,
  Float16,
  Bool,
}

const ALL: [Dtype; 13] = [
  Dtype::Uint8,
  Dtype::Int8,
  Dtype::Uint8Clamped,
  Dtype::Uint16,
  Dtype::Int16,
  Dtype::Uint32,
  Dtype::Int32,
  Dtype::Uint64,
  Dtype::Int64,
  Dtype::Float32,
  Dtype::Float64,
  Dtype::Float16,
  Dtype::Bool,
];

impl Dtype {
  pub fn from_byte(byte: u8) -> Option<Self> {
    ALL.get(usize::from(byte)).copied()
  }

  pub fn byte(self) -> u8 {
    self as u8
  }

  pub fn size(self) -> usize {
    match self {
      Self::Uint8 | Self::Int8 | Self::Uint8Clamped | Self::Bool => 1,
      Self::Uint16 | Self::Int16 | Self::Float16 => 2,
      Self::Uint32 | Self::Int32 | Self::Float32 => 4,
      Self::Uint64 | Self::Int64 | Self::Float64 => 8,
    }
  }

  /// As Python's `struct` and `memoryview` write it.
  pub fn format(self) -> &'static CStr {
    match self {
      Self::Uint8 | Self::Uint8Clamped => c"B",
      Self::Int8 => c"b",
      Self::Uint16 => c"H",
      Self::Int16 => c"h",
      Self::Uint32 => c"I",
      Self::Int32 => c"i",
      Self::Uint64 => c"Q",
      Self::Int64 => c"q",
      Self::Float32 => c"f",
      Self::Float64 => c"d",
      Self::Float16 => c"e",
      Self::Bool => c"?",
    }
  }

  /// What a buffer's format says. `None` for what JavaScript has no array for: objects, complex numbers, structures, the
  /// bytes of a number in an order that is not this machine's.
  pub fn from_format(format: &[u8], size: usize) -> Option<Self> {
    let letter = match format {
      [letter] | [b'@' | b'=', letter] => *letter,
      [b'<', letter] if cfg!(target_endian = "little") || size == 1 => *letter,
      [b'>' | b'!', letter] if cfg!(target_endian = "big") || size == 1 => *letter,
      _ => return None,
    };
    // How large a `long` is differs; what matters is the size that the buffer states.
    let found = match (letter, size) {
      (b'B' | b'c', 1) => Self::Uint8,
      (b'b', 1) => Self::Int8,
      (b'?', 1) => Self::Bool,
      (b'H' | b'I' | b'L' | b'Q' | b'N', 2) => Self::Uint16,
      (b'h' | b'i' | b'l' | b'q' | b'n', 2) => Self::Int16,
      (b'H' | b'I' | b'L' | b'Q' | b'N', 4) => Self::Uint32,
      (b'h' | b'i' | b'l' | b'q' | b'n', 4) => Self::Int32,
      (b'H' | b'I' | b'L' | b'Q' | b'N', 8) => Self::Uint64,
      (b'h' | b'i' | b'l' | b'q' | b'n', 8) => Self::Int64,
      (b'e', 2) => Self::Float16,
      (b'f', 4) => Self::Float32,
      (b'd', 8) => Self::Float64,
      _ => return None,
    };
    Some(found)
  }
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn every_byte_is_its_own() {
    for (byte, dtype) in (0u8..).zip(ALL) {
      assert_eq!(dtype.byte(), byte);
      assert_eq!(Dtype::from_byte(byte), Some(dtype));
    }
    assert_eq!(Dtype::from_byte(BYTES), None);
  }

  #[test]
  fn formats_are_read_by_letter_and_size() {
    assert_eq!(Dtype::from_format(b"l", 8), Some(Dtype::Int64));
    assert_eq!(Dtype::from_format(b"L", 4), Some(Dtype::Uint32));
    assert_eq!(Dtype::from_format(b"<d", 8), Some(Dtype::Float64));
    for (format, size) in [
      (&b">i"[..], 4),
      (b"Zd", 16),
      (b"O", 8),
      (b"g", 16),
      (b"T{i:a:}", 4),
    ] {
      assert_eq!(Dtype::from_format(format, size), None);
    }
  }
}
