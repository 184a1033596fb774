//! What Node exports: the main program, and the libraries that it was linked with.

use std::ffi::CStr;
use std::sync::OnceLock;

use super::elf::{Object, hash, objects_beside};

/// The runtime of C and C++, by the beginnings of its libraries' names. Everybody in a process shares it, with what
/// Node has copied of it (`environ`, `std::cout`) and with what is preloaded in front of it (another malloc).
const RUNTIME: [&[u8]; 11] = [
  b"ld-linux",
  b"libatomic.so",
  b"libc++",
  b"libc.so",
  b"libdl.so",
  b"libgcc_s.so",
  b"libm.so",
  b"libpthread.so",
  b"libresolv.so",
  b"librt.so",
  b"libstdc++.so",
];

pub struct Node {
  runtime: Vec<Object>,
  /// Node itself, and where a distribution has split it up, its libraries.
  libraries: Vec<Object>,
}

impl Node {
  pub fn get() -> &'static Self {
    static NODE: OnceLock<Node> = OnceLock::new();
    NODE.get_or_init(|| {
      let is_main = |object: &Object| object.path().is_empty();
      let (runtime, libraries) = family(objects_beside(&[]), is_main)
        .into_iter()
        .partition(is_runtime);
      Self { runtime, libraries }
    })
  }

  /// The address of what Node exports by that name, and the runtime does not.
  pub fn find(&self, name: &CStr) -> Option<usize> {
    let hash = hash(name);
    let find = |object: &Object| object.find(name, hash);
    let found = self.libraries.iter().find_map(find)?;
    let is_shared = self.runtime.iter().any(|object| find(object).is_some());
    (!is_shared).then_some(found)
  }

  /// Whether an address lies in Node, or in what everybody shares with it.
  pub fn holds(&self, address: usize) -> bool {
    let mut all = self.libraries.iter().chain(&self.runtime);
    all.any(|object| object.holds(address))
  }

  /// Whether a library of that name is one of those that Node brings.
  pub fn has(&self, name: &[u8]) -> bool {
    let mut all = self.libraries.iter().chain(&self.runtime);
    all.any(|object| object.name() == name)
  }
}

fn is_runtime(object: &Object) -> bool {
  RUNTIME.iter().any(|name| object.name().starts_with(name))
}

/// Some objects, all that they need, all that those need, and so on; themselves first.
pub fn family(objects: Vec<Object>, is_head: impl Fn(&Object) -> bool) -> Vec<Object> {
  let (mut family, mut others): (Vec<_>, Vec<_>) = objects.into_iter().partition(is_head);
  let mut asked = 0;
  while let Some(member) = family.get(asked) {
    let is_needed = |object: &Object| member.needed().iter().any(|name| name == object.name());
    let (needed, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(is_needed);
    family.extend(needed);
    others = rest;
    asked += 1;
  }
  family
}
