//! What JavaScript has said of the Node.js that this is: which engine fits, and whether any does.

use std::ffi::c_void;
use std::sync::OnceLock;

/// A Node.js, as it describes itself.
#[derive(Debug, Clone)]
pub struct NodeFacts {
  /// As `20.19.0`.
  pub version: String,
  /// The number of its binary interface, as 115.
  pub module_version: u32,
  /// Why no engine can serve it, whatever its number.
  pub obstacle: Option<String>,
  /// The path of its program.
  pub program: String,
  /// Its `node::MultiIsolatePlatform`, one a process; none where it is not to be had.
  pub platform: Option<Platform>,
  /// Whether the environment that has said so is the main thread's.
  pub is_main: bool,
  /// The process that it is; a forked child has none of its threads.
  pub process: u32,
}

impl NodeFacts {
  /// As a process of the same Node.js takes them.
  pub fn to_json(&self) -> String {
    format!(
      "{{\"version\":{:?},\"moduleVersion\":{},\"program\":{:?}}}",
      self.version, self.module_version, self.program
    )
  }
}

#[derive(Debug, Clone, Copy)]
pub struct Platform(pub *mut c_void);

// SAFETY: one object for all threads of the process, which lives as long as it does.
unsafe impl Send for Platform {}
// SAFETY: as above.
unsafe impl Sync for Platform {}

static FACTS: OnceLock<NodeFacts> = OnceLock::new();

/// The first environment that speaks does so for all.
pub fn introduce(facts: NodeFacts) {
  let _ = FACTS.set(facts);
}

pub fn is_known() -> bool {
  FACTS.get().is_some()
}

pub fn facts() -> Option<&'static NodeFacts> {
  FACTS.get()
}
