//! Percent-decoding of paths and of what JavaScript has encoded.

use std::borrow::Cow;

/// Percent-decodes as UTF-8; what is not UTF-8 becomes U+FFFD, what is not an escape stays.
pub fn decode_path(raw: &[u8]) -> Cow<'_, str> {
  if memchr::memchr(b'%', raw).is_none() {
    return String::from_utf8_lossy(raw);
  }
  let mut decoded = Vec::with_capacity(raw.len());
  let mut rest = raw;
  while let Some((&byte, tail)) = rest.split_first() {
    let escape = (byte == b'%')
      .then(|| Some((hex(*tail.first()?)? << 4) | hex(*tail.get(1)?)?))
      .flatten();
    if let Some(value) = escape {
      decoded.push(value);
      rest = tail.get(2..).unwrap_or_default();
    } else {
      decoded.push(byte);
      rest = tail;
    }
  }
  Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
  char::from(digit)
    .to_digit(16)
    .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn paths_are_decoded_as_utf8_and_never_fail() {
    assert_eq!(decode_path(b"/caf%C3%A9%2Fx"), "/caf\u{e9}/x");
    assert_eq!(decode_path(b"/a%00b"), "/a\0b");
    assert_eq!(decode_path(b"/%ff%zz%4"), "/\u{fffd}%zz%4");
    assert_eq!(decode_path(b"/plain"), "/plain");
  }
}
