//! The mask over what a WebSocket's client sends (RFC 6455 5.3).

/// Bytes that the compiler can take at once on any processor.
const STEP: usize = 64;

/// Takes the mask off, or puts it on: both are the same.
pub fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
  let mut wide = [0; STEP];
  for (byte, key) in wide.iter_mut().zip(mask.iter().cycle()) {
    *byte = *key;
  }
  let mut steps = bytes.chunks_exact_mut(STEP);
  for step in &mut steps {
    for (byte, key) in step.iter_mut().zip(&wide) {
      *byte ^= key;
    }
  }
  for (byte, key) in steps.into_remainder().iter_mut().zip(&wide) {
    *byte ^= key;
  }
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn every_byte_meets_its_byte_of_the_mask() {
    let mask = [0x01, 0x80, 0xff, 0x5a];
    for length in [0, 1, 3, 4, 63, 64, 65, 127, 128, 1001] {
      let plain: Vec<u8> = (0..=250).cycle().step_by(7).take(length).collect();
      let expected: Vec<u8> = plain
        .iter()
        .enumerate()
        .map(|(at, byte)| byte ^ mask[at % 4])
        .collect();
      let mut bytes = plain.clone();
      unmask(&mut bytes, mask);
      assert_eq!(bytes, expected, "{length} bytes");
      unmask(&mut bytes, mask);
      assert_eq!(bytes, plain, "{length} bytes and back");
    }
  }
}
