//! How much one payload may hold; the same as in `lib/values/tags.ts`.

/// How many containers may be within each other.
pub const MAX_DEPTH: usize = 1000;

/// Bytes of a tape, buffers not counted: what fits into one string of V8, with room for what stands before it.
pub const MAX_TAPE: usize = 512 * 1024 * 1024 - 64 * 1024;

/// Arrays of more bytes travel beside the tape.
pub const LARGE: usize = 16 * 1024;

/// What fits into one typed array in every supported version of Node.
pub const MAX_BUFFER: usize = u32::MAX as usize;

/// 2^53 - 1, the largest integer whose neighbours a number of JavaScript can tell from it.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// What one payload may hold where that is less than the constants above.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
  /// Containers within each other.
  pub depth: usize,
  /// Bytes of the tape.
  pub bytes: usize,
  /// Arrays are within the tape, however large they are, and no memory is shared.
  pub is_inline: bool,
}

impl Default for Limits {
  fn default() -> Self {
    Self {
      depth: MAX_DEPTH,
      bytes: MAX_TAPE,
      is_inline: false,
    }
  }
}
