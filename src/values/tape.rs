//! What a payload is made of.

use crate::bridge::bytes::LargeBody;

/// A payload on its way to JavaScript.
pub struct Tape {
  pub bytes: Vec<u8>,
  /// What the tape refers to by index.
  pub buffers: Vec<LargeBody>,
}
