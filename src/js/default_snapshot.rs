//! What isolates are made of: Node's snapshot at first, and V8's own once the two were seen to agree on this Node.js. That one
//! takes a third of the memory, for what Node.js puts into every isolate is not in it.
//!
//! Node.js does not promise that one process can use both. `AMPHIS_JS_SNAPSHOT=node` keeps to its own; with `v8` the first
//! runtime waits until they were looked at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Once};

use super::abi::{Span, Table};

const INTRINSICS: &str = include_str!("intrinsics.js");

#[derive(PartialEq, Eq)]
enum Choice {
  Nodes,
  V8s,
  V8sLater,
}

static CHOICE: LazyLock<Choice> =
  LazyLock::new(|| match std::env::var("AMPHIS_JS_SNAPSHOT").as_deref() {
    Ok("node") => Choice::Nodes,
    Ok("v8") => Choice::V8s,
    _ => Choice::V8sLater,
  });

static IS_V8S: AtomicBool = AtomicBool::new(false);

/// Before a runtime is made. Without the GIL.
pub fn prepare(table: &Table) {
  if *CHOICE == Choice::V8s {
    choose(table);
  }
}

/// While nobody waits, which takes some 20 ms once; and before what V8 compiles is kept or used, for code that belongs to
/// one of the two is compiled anew by isolates of the other.
pub fn choose(table: &Table) {
  static LOOKED: Once = Once::new();
  LOOKED.call_once(|| {
    look(table);
  });
}

/// Whether isolates are made of V8's own snapshot from here on.
pub fn look(table: &Table) -> bool {
  let is_v8s =
    *CHOICE != Choice::Nodes && (table.choose_snapshot)(Span::of(INTRINSICS.as_bytes())) != 0;
  IS_V8S.store(is_v8s, Ordering::Release);
  is_v8s
}

/// What code belongs to.
pub fn name() -> &'static str {
  if IS_V8S.load(Ordering::Acquire) {
    "V8"
  } else {
    "Node.js"
  }
}
