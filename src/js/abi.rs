//! The C table of the engine; `src/engine/abi.h` says what its parts do.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

/// The number of the table that this addon was written against.
pub const TABLE: u32 = 8;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Span {
  pub data: *const u8,
  pub length: usize,
}

impl Span {
  pub const fn of(bytes: &[u8]) -> Self {
    Self {
      data: bytes.as_ptr(),
      length: bytes.len(),
    }
  }

  /// # Safety
  ///
  /// The bytes are there for as long as this is used.
  pub unsafe fn as_slice<'a>(self) -> &'a [u8] {
    if self.length == 0 {
      return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(self.data, self.length) }
  }
}

/// Bytes that the engine writes; freed with it.
#[repr(C)]
pub struct Bytes {
  data: *mut u8,
  length: usize,
  capacity: usize,
}

// SAFETY: plain memory of its own.
unsafe impl Send for Bytes {}

impl Bytes {
  pub const fn new() -> Self {
    Self {
      data: ptr::null_mut(),
      length: 0,
      capacity: 0,
    }
  }

  /// A copy of what the engine keeps.
  pub fn copy(content: &[u8]) -> Self {
    let mut bytes = Self::new();
    // SAFETY: there are none.
    unsafe { bytes.set(content) };
    bytes
  }

  /// The varint that they begin with.
  pub fn number(&self) -> u32 {
    let mut number = 0_u64;
    for (place, byte) in self.as_slice().iter().enumerate().take(5) {
      number |= u64::from(byte & 0x7f) << (7 * place);
      if byte & 0x80 == 0 {
        break;
      }
    }
    u32::try_from(number).unwrap_or(0)
  }

  pub fn as_slice(&self) -> &[u8] {
    if self.length == 0 {
      return &[];
    }
    // SAFETY: as many bytes as it says, which it keeps.
    unsafe { std::slice::from_raw_parts(self.data, self.length) }
  }

  /// Puts other bytes in their place; the engine's to free.
  ///
  /// # Safety
  ///
  /// The bytes are the engine's, from `malloc`.
  pub unsafe fn set(&mut self, content: &[u8]) {
    // SAFETY: memory of `malloc`'s, or none; then as many bytes as there is room for.
    unsafe {
      if self.capacity < content.len() {
        libc::free(self.data.cast());
        self.data = libc::malloc(content.len()).cast();
        self.capacity = if self.data.is_null() {
          0
        } else {
          content.len()
        };
      }
      self.length = content.len().min(self.capacity);
      ptr::copy_nonoverlapping(content.as_ptr(), self.data, self.length);
    }
  }
}

impl Drop for Bytes {
  fn drop(&mut self) {
    // SAFETY: memory of `malloc`'s, or null.
    unsafe { libc::free(self.data.cast()) }
  }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
  pub heap: usize,
  pub buffers: usize,
  pub head_room: usize,
  pub depth: u32,
  pub value: usize,
}

pub mod status {
  use std::ffi::c_int;

  pub const TAPE: c_int = 0;
  pub const WIRE: c_int = 1;
  pub const THROWN: c_int = 2;
  pub const TERMINATED: c_int = 3;
  pub const UNFIT: c_int = 4;
  pub const PENDING: c_int = 5;
  pub const NO_STACK: c_int = 6;
  pub const NO_FUNCTION: c_int = 7;
  /// Of this side only: there is no value.
  pub const NOTHING: c_int = 8;
}

pub mod answer {
  use std::ffi::c_int;

  pub const RETURN: c_int = 0;
  pub const RAISE: c_int = 1;
  pub const STOP: c_int = 2;
  pub const LATER: c_int = 3;
}

/// How a source is run.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub enum Evaluation {
  Script = 0,
  /// It may await outside of functions.
  Awaiting = 1,
}

#[repr(C)]
pub struct Host {
  pub call: extern "C" fn(*mut c_void, u32, Span, *mut Bytes) -> c_int,
  pub import: extern "C" fn(*mut c_void, Span, *mut Bytes) -> c_int,
  pub interrupted: extern "C" fn(*mut c_void),
  pub settled: extern "C" fn(*mut c_void, u32, c_int, Span),
  pub timer: extern "C" fn(*mut c_void, u32, f64),
  pub timer_cleared: extern "C" fn(*mut c_void, u32),
  pub unhandled: extern "C" fn(*mut c_void, Span),
  pub wake: extern "C" fn(*mut c_void),
  pub inspected: extern "C" fn(*mut c_void, Span),
  pub held: extern "C" fn(*mut c_void, c_int),
  pub streams: Span,
}

// SAFETY: functions, and a text that is there for good.
unsafe impl Sync for Host {}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Statistics {
  pub total_heap: u64,
  pub used_heap: u64,
  pub heap_limit: u64,
  pub physical: u64,
  pub external: u64,
  pub buffers: u64,
  pub functions: u64,
  pub contexts: u64,
  pub timeouts: u64,
  pub intervals: u64,
  pub promises: u64,
}

impl Statistics {
  pub fn to_bytes(self) -> Vec<u8> {
    [
      self.total_heap,
      self.used_heap,
      self.heap_limit,
      self.physical,
      self.external,
      self.buffers,
      self.functions,
      self.contexts,
      self.timeouts,
      self.intervals,
      self.promises,
    ]
    .iter()
    .flat_map(|number| number.to_le_bytes())
    .collect()
  }

  /// What is not there is 0.
  pub fn of(bytes: &[u8]) -> Self {
    let mut numbers = bytes
      .chunks_exact(8)
      .filter_map(|number| Some(u64::from_le_bytes(number.try_into().ok()?)));
    let mut next = || numbers.next().unwrap_or_default();
    Self {
      total_heap: next(),
      used_heap: next(),
      heap_limit: next(),
      physical: next(),
      external: next(),
      buffers: next(),
      functions: next(),
      contexts: next(),
      timeouts: next(),
      intervals: next(),
      promises: next(),
    }
  }
}

/// What identifies a runtime to the engine.
pub type Isolate = *mut c_void;

#[repr(C)]
pub struct Table {
  pub table: u32,
  pub module_version: u32,
  pub node_version: *const c_char,
  pub start: extern "C" fn(*mut c_void) -> *const c_char,
  pub close_gate: extern "C" fn(u32) -> c_int,
  pub has_isolates: extern "C" fn() -> c_int,
  pub watch_main_end: extern "C" fn(extern "C" fn(i32), extern "C" fn()) -> c_int,
  pub stack_left: extern "C" fn() -> usize,
  pub free: extern "C" fn(*mut Bytes),
  pub choose_snapshot: extern "C" fn(Span) -> c_int,
  pub create: unsafe extern "C" fn(*const Limits, *const Host, *mut c_void) -> Isolate,
  pub destroy: unsafe extern "C" fn(Isolate),
  pub reset: unsafe extern "C" fn(Isolate) -> c_int,
  pub eval: unsafe extern "C" fn(Isolate, Span, Span, Evaluation, *mut Bytes) -> c_int,
  pub replay: unsafe extern "C" fn(Isolate, Span, Span, Span, c_int, *mut Bytes) -> c_int,
  pub code_cache: unsafe extern "C" fn(Isolate, u32, *mut Bytes) -> c_int,
  pub call: unsafe extern "C" fn(Isolate, u32, Span, *mut Bytes) -> c_int,
  pub bind: unsafe extern "C" fn(Isolate, Span, Span, *mut Bytes) -> c_int,
  pub release: unsafe extern "C" fn(Isolate, *const u32, usize),
  pub release_streams: unsafe extern "C" fn(Isolate, *const u32, usize),
  pub forget: unsafe extern "C" fn(Isolate, u32),
  pub fire: unsafe extern "C" fn(Isolate, u32, *mut Bytes) -> c_int,
  pub resolve: unsafe extern "C" fn(Isolate, u32, c_int, Span, *mut Bytes) -> c_int,
  pub run_tasks: unsafe extern "C" fn(Isolate) -> c_int,
  pub compile_module: unsafe extern "C" fn(Isolate, Span, Span, *mut Bytes) -> c_int,
  pub make_module: unsafe extern "C" fn(Isolate, Span, Span, *mut Bytes) -> c_int,
  pub link_module: unsafe extern "C" fn(Isolate, u32, *const u32, usize),
  pub evaluate_module: unsafe extern "C" fn(Isolate, u32, *mut Bytes) -> c_int,
  pub finish_import: unsafe extern "C" fn(Isolate, u32, u32, *mut Bytes) -> c_int,
  pub drop_modules: unsafe extern "C" fn(Isolate, *const u32, usize),
  pub statistics: unsafe extern "C" fn(Isolate, *mut Statistics),
  pub inspect: unsafe extern "C" fn(Isolate, Span) -> c_int,
  pub expect_debugger: unsafe extern "C" fn(Isolate, c_int),
  pub terminate: unsafe extern "C" fn(Isolate),
  pub interrupt: unsafe extern "C" fn(Isolate),
  pub check_heap: unsafe extern "C" fn(Isolate),
  pub resume: unsafe extern "C" fn(Isolate),
  pub is_out_of_memory: unsafe extern "C" fn(Isolate) -> c_int,
  pub attach: unsafe extern "C" fn(Isolate),
  pub dispatch: unsafe extern "C" fn(Isolate, Span),
  pub detach: unsafe extern "C" fn(Isolate),
  pub hold: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
  pub let_go: unsafe extern "C" fn(*mut c_void),
}

// SAFETY: functions and constants that nothing changes.
unsafe impl Sync for Table {}
