//! What statistics say of the streams of a runtime, and which of Python's are open.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::base::lock::lock;

#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
  pub total: u64,
  pub active: u64,
  pub bytes: u64,
}

#[derive(Default)]
struct State {
  from_js: Counted,
  from_python: Counted,
  /// The numbers of those of Python's that JavaScript may ask.
  open: HashSet<u32>,
}

#[derive(Default)]
pub struct Flow(Mutex<State>);

impl Flow {
  pub const FROM_JS: bool = true;
  pub const FROM_PYTHON: bool = false;

  fn change(&self, is_from_js: bool, change: impl FnOnce(&mut Counted)) {
    let mut state = lock(&self.0);
    change(if is_from_js {
      &mut state.from_js
    } else {
      &mut state.from_python
    });
  }

  pub fn add_stream(&self, is_from_js: bool) {
    self.change(is_from_js, |counted| {
      counted.total += 1;
      counted.active += 1;
    });
  }

  pub fn end_stream(&self, is_from_js: bool) {
    self.change(is_from_js, |counted| {
      counted.active = counted.active.saturating_sub(1);
    });
  }

  pub fn add_bytes(&self, is_from_js: bool, bytes: u64) {
    self.change(is_from_js, |counted| counted.bytes += bytes);
  }

  /// What has come from JavaScript, and what from Python.
  pub fn so_far(&self) -> (Counted, Counted) {
    let state = lock(&self.0);
    (state.from_js, state.from_python)
  }

  /// A stream of Python's is there.
  pub fn open(&self, number: u32) {
    self.add_stream(Self::FROM_PYTHON);
    lock(&self.0).open.insert(number);
  }

  /// It has come to its end; whether it was open until now.
  pub fn close(&self, number: u32) -> bool {
    lock(&self.0).open.remove(&number)
  }

  /// Those that were open until now.
  pub fn close_all(&self) -> HashSet<u32> {
    std::mem::take(&mut lock(&self.0).open)
  }

  pub fn has_open(&self) -> bool {
    !lock(&self.0).open.is_empty()
  }
}
