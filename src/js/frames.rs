//! What goes between a process and the runtimes that it has in processes of their own: frames, of a head and bytes.

use std::ffi::c_int;
use std::io::{self, Read};

/// What a frame is. The first ones go to the runtime's process, and each of them that asks something gets one `RESULT`.
pub mod kind {
  /// The first of all: the limits, as `Opening` has them.
  pub const OPEN: u8 = 1;
  /// A name of `number` bytes, then a script.
  pub const EVAL: u8 = 2;
  /// The arguments of the function `number`.
  pub const CALL: u8 = 3;
  /// A name of `number` bytes, then a value.
  pub const BIND: u8 = 4;
  pub const RESET: u8 = 5;
  pub const STATISTICS: u8 = 6;
  /// Numbers of functions, four bytes each. Asks nothing.
  pub const RELEASE: u8 = 7;
  /// What was terminated may go on, once `number` orders have come. Asks nothing.
  pub const RESUME: u8 = 8;
  /// What a function of Python's has given: `status` is one of `answer`.
  pub const ANSWER: u8 = 9;
  /// From the runtime's process: it is there.
  pub const READY: u8 = 10;
  /// Its `status`, and whether its memory is full (`number`).
  pub const RESULT: u8 = 11;
  /// The arguments of Python's function `number`; an `ANSWER` is waited for.
  pub const HOST_CALL: u8 = 12;
}

/// Orders, of one byte, on a socket of their own: they are obeyed while JavaScript runs.
pub mod order {
  pub const TERMINATE: u8 = b'T';
  pub const CHECK_HEAP: u8 = b'H';
}

/// How many bytes a head has.
pub const HEAD: usize = 20;
/// So much is taken on trust that a frame is as long as it says.
const TRUSTED: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
  pub kind: u8,
  pub status: c_int,
  pub number: u32,
  pub length: u64,
}

impl Head {
  pub fn new(kind: u8, number: u32, parts: &[&[u8]]) -> Self {
    Self {
      kind,
      status: 0,
      number,
      length: parts.iter().map(|part| part.len() as u64).sum(),
    }
  }

  pub fn to_bytes(self) -> [u8; HEAD] {
    let mut bytes = [0; HEAD];
    bytes[0] = self.kind;
    bytes[4..8].copy_from_slice(&self.status.to_le_bytes());
    bytes[8..12].copy_from_slice(&self.number.to_le_bytes());
    bytes[12..].copy_from_slice(&self.length.to_le_bytes());
    bytes
  }

  pub fn of(bytes: [u8; HEAD]) -> Self {
    let [kind, _, _, _, s0, s1, s2, s3, n0, n1, n2, n3, length @ ..] = bytes;
    Self {
      kind,
      status: c_int::from_le_bytes([s0, s1, s2, s3]),
      number: u32::from_le_bytes([n0, n1, n2, n3]),
      length: u64::from_le_bytes(length),
    }
  }
}

/// Reads a frame of at most so many bytes. It takes memory as they come, whatever the head says.
///
/// # Errors
///
/// Those of the reader; `InvalidData` for one that is too long.
pub fn read(from: &mut impl Read, most: u64) -> io::Result<(Head, Vec<u8>)> {
  let mut head = [0; HEAD];
  from.read_exact(&mut head)?;
  let head = Head::of(head);
  if head.length > most {
    return Err(io::ErrorKind::InvalidData.into());
  }
  let length = usize::try_from(head.length).map_err(io::Error::other)?;
  let mut bytes = Vec::new();
  while bytes.len() < length {
    let at = bytes.len();
    bytes.resize(length.min(at + at.max(TRUSTED)), 0);
    from.read_exact(&mut bytes[at..])?;
  }
  Ok((head, bytes))
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn a_frame_comes_as_it_went() {
    let parts: [&[u8]; 2] = [b"name", b"code"];
    let head = Head {
      status: -3,
      ..Head::new(kind::EVAL, 4, &parts)
    };
    let mut sent = head.to_bytes().to_vec();
    sent.extend(parts.concat());
    let (read_head, bytes) = read(&mut sent.as_slice(), 8).unwrap();
    assert_eq!(
      (read_head, bytes.as_slice()),
      (head, b"namecode".as_slice())
    );
  }

  #[test]
  fn a_frame_that_is_too_long_or_too_short_is_an_error() {
    let head = Head::new(kind::RESULT, 0, &[b"12345"]).to_bytes();
    let long = read(&mut head.as_slice(), 4).unwrap_err();
    assert_eq!(long.kind(), io::ErrorKind::InvalidData);
    let short = read(&mut head.as_slice(), 5).unwrap_err();
    assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
  }

  #[test]
  fn memory_is_taken_for_what_has_come_only() {
    let head = Head {
      length: u64::MAX >> 1,
      ..Head::new(kind::RESULT, 0, &[])
    };
    let error = read(&mut head.to_bytes().as_slice(), u64::MAX).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
  }
}
