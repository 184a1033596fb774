//! What isolates are made of: Node's snapshot at first, and V8's own once the two were seen to agree on this Node.js. That one
//! takes a third of the memory, for what Node.js puts into every isolate is not in it.
//!
//! Node.js does not promise that one process can use both. `AMPHIS_JS_SNAPSHOT=node` keeps to its own; with `v8` the first
//! runtime waits until they were looked at.

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

/// Before a runtime is made. Without the GIL.
pub fn prepare(table: &Table) {
  if *CHOICE == Choice::V8s {
    look_once(table);
  }
}

/// While nobody waits, which takes some 10 ms once.
pub fn choose(table: &Table) {
  if *CHOICE != Choice::Nodes {
    look_once(table);
  }
}

fn look_once(table: &Table) {
  static LOOKED: Once = Once::new();
  LOOKED.call_once(|| {
    look(table);
  });
}

/// Whether isolates are made of V8's own snapshot from here on.
pub fn look(table: &Table) -> bool {
  (table.choose_snapshot)(Span::of(INTRINSICS.as_bytes())) != 0
}
