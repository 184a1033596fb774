//! A runtime in a process of its own, behind the same table of functions as the engine: what calls it knows no difference.
//!
//! The process is a Node.js that has the engine and no Python (`process_child.rs`). Values are the bytes that they are
//! anyway; Python's functions are called here. A call comes back whatever V8 does, and what ends V8 ends that process only.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use super::abi::{self, Bytes, Evaluation, Host, Isolate, Limits, Span, Statistics, Table, status};
use super::engine;
use super::frames::{Head, kind};
use super::remote::Remote;
use super::synchronous;

/// The functions of a runtime in a process of its own.
pub static TABLE: Table = Table {
  table: abi::TABLE,
  module_version: 0,
  node_version: ptr::null(),
  start,
  close_gate,
  has_isolates,
  watch_main_end,
  stack_left,
  free,
  choose_snapshot: synchronous::choose_snapshot,
  create,
  destroy,
  reset,
  eval,
  replay,
  code_cache: synchronous::code_cache,
  call,
  bind,
  release,
  release_streams: synchronous::release_streams,
  forget: synchronous::forget,
  fire: synchronous::fire,
  resolve: synchronous::resolve,
  run_tasks: synchronous::run_tasks,
  compile_module: synchronous::make_module,
  make_module: synchronous::make_module,
  link_module: synchronous::link_module,
  evaluate_module: synchronous::evaluate_module,
  finish_import: synchronous::finish_import,
  drop_modules: synchronous::drop_modules,
  statistics,
  inspect: synchronous::inspect,
  expect_debugger: synchronous::expect_debugger,
  terminate,
  interrupt,
  check_heap,
  resume,
  is_out_of_memory,
  attach: synchronous::attach,
  dispatch: synchronous::dispatch,
  detach: synchronous::attach,
  hold,
  let_go,
};

/// What `is_out_of_memory` says of a process that has ended.
pub const HAS_ENDED: c_int = 2;

thread_local! {
  static PROBLEM: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Why this thread's last process has not come to be there.
pub fn problem() -> Option<String> {
  PROBLEM.take()
}

/// Whether a runtime has a process of its own.
pub fn is_behind(table: &Table) -> bool {
  ptr::eq(table, &raw const TABLE)
}

/// The number of a runtime's process; none where it is this one.
///
/// # Safety
///
/// An isolate of that table.
pub unsafe fn id_of(table: &Table, isolate: Isolate) -> Option<u32> {
  // SAFETY: made by `create`, as only this table's are.
  ptr::eq(table, &raw const TABLE).then(|| unsafe { remote(isolate) }.id())
}

/// Why a runtime's process has ended.
///
/// # Safety
///
/// An isolate of that table.
pub unsafe fn end_of(table: &Table, isolate: Isolate) -> Option<String> {
  if !ptr::eq(table, &raw const TABLE) {
    return None;
  }
  // SAFETY: as above.
  unsafe { remote(isolate) }.end().map(str::to_owned)
}

/// # Safety
///
/// What `create` has made, and `destroy` has not had.
unsafe fn remote<'a>(isolate: Isolate) -> &'a Remote {
  // SAFETY: the caller's promise.
  unsafe { &*isolate.cast_const().cast() }
}

extern "C" fn start(_: *mut c_void) -> *const c_char {
  ptr::null()
}

extern "C" fn close_gate(_: u32) -> c_int {
  1
}

/// V8's end here is nothing to a runtime in another process.
extern "C" fn has_isolates() -> c_int {
  0
}

extern "C" fn watch_main_end(_: extern "C" fn(i32), _: extern "C" fn()) -> c_int {
  0
}

/// That of the thread that calls: Python's functions run on it.
/// What is Node's own, and no runtime's, is the engine's affair.
unsafe extern "C" fn hold(_: *mut c_void) -> *mut c_void {
  ptr::null_mut()
}

unsafe extern "C" fn let_go(_: *mut c_void) {}

extern "C" fn stack_left() -> usize {
  engine::opened().map_or(usize::MAX, |table| (table.stack_left)())
}

extern "C" fn free(bytes: *mut Bytes) {
  // SAFETY: the caller's.
  drop(unsafe { ptr::replace(bytes, Bytes::new()) });
}

unsafe extern "C" fn create(
  limits: *const Limits,
  host: *const Host,
  user: *mut c_void,
) -> Isolate {
  // SAFETY: the caller's, as the engine has them.
  let begun = unsafe { Remote::begin(&*limits, &*host, user) };
  match begun {
    Ok(remote) => Box::into_raw(Box::new(remote)).cast(),
    Err(problem) => {
      PROBLEM.set(Some(problem));
      ptr::null_mut()
    }
  }
}

unsafe extern "C" fn destroy(isolate: Isolate) {
  // SAFETY: made by `create`, and nobody else has it any more.
  let remote = unsafe { Box::from_raw(isolate.cast::<Remote>()) };
  remote.finish();
}

/// The code is not sent: the process compiles the source.
unsafe extern "C" fn replay(
  isolate: Isolate,
  source: Span,
  name: Span,
  _: Span,
  _: c_int,
  out: *mut Bytes,
) -> c_int {
  // SAFETY: the caller's promise.
  unsafe { eval(isolate, source, name, Evaluation::Script, out) }
}

unsafe extern "C" fn reset(isolate: Isolate) -> c_int {
  // SAFETY: the caller's promise, as in all of these.
  unsafe { remote(isolate) }.ask(kind::RESET, 0, &[], &mut Bytes::new())
}

unsafe extern "C" fn eval(
  isolate: Isolate,
  code: Span,
  name: Span,
  _: Evaluation,
  out: *mut Bytes,
) -> c_int {
  // SAFETY: as above, with bytes that stay.
  unsafe { named(isolate, kind::EVAL, name, code, &mut *out) }
}

unsafe extern "C" fn bind(isolate: Isolate, name: Span, value: Span, out: *mut Bytes) -> c_int {
  // SAFETY: as above.
  unsafe { named(isolate, kind::BIND, name, value, &mut *out) }
}

/// # Safety
///
/// As `eval`.
unsafe fn named(isolate: Isolate, kind: u8, name: Span, what: Span, out: &mut Bytes) -> c_int {
  // SAFETY: the caller's promise.
  let (remote, name, what) = unsafe { (remote(isolate), name.as_slice(), what.as_slice()) };
  let Ok(length) = u32::try_from(name.len()) else {
    return status::TERMINATED;
  };
  remote.ask(kind, length, &[name, what], out)
}

unsafe extern "C" fn call(
  isolate: Isolate,
  function: u32,
  arguments: Span,
  out: *mut Bytes,
) -> c_int {
  // SAFETY: as above.
  let (remote, arguments, out) = unsafe { (remote(isolate), arguments.as_slice(), &mut *out) };
  remote.ask(kind::CALL, function, &[arguments], out)
}

unsafe extern "C" fn release(isolate: Isolate, functions: *const u32, count: usize) {
  // SAFETY: as above, with as many numbers as it says.
  let (remote, functions) = unsafe {
    (
      remote(isolate),
      std::slice::from_raw_parts(functions, count),
    )
  };
  let bytes: Vec<u8> = functions
    .iter()
    .flat_map(|number| number.to_le_bytes())
    .collect();
  remote.tell(Head::new(kind::RELEASE, 0, &[&bytes]), &bytes);
}

unsafe extern "C" fn resume(isolate: Isolate) {
  // SAFETY: as above.
  unsafe { remote(isolate) }.resume();
}

unsafe extern "C" fn statistics(isolate: Isolate, out: *mut Statistics) {
  let mut bytes = Bytes::new();
  // SAFETY: as above.
  let (remote, out) = unsafe { (remote(isolate), &mut *out) };
  remote.ask(kind::STATISTICS, 0, &[], &mut bytes);
  *out = Statistics::of(bytes.as_slice());
}

unsafe extern "C" fn terminate(isolate: Isolate) {
  // SAFETY: as above.
  unsafe { remote(isolate) }.terminate();
}

unsafe extern "C" fn interrupt(isolate: Isolate) {
  // SAFETY: as above.
  unsafe { remote(isolate) }.interrupt();
}

unsafe extern "C" fn check_heap(isolate: Isolate) {
  // SAFETY: as above.
  unsafe { remote(isolate) }.check_heap();
}

unsafe extern "C" fn is_out_of_memory(isolate: Isolate) -> c_int {
  // SAFETY: as above.
  let remote = unsafe { remote(isolate) };
  if remote.end().is_some() {
    return HAS_ENDED;
  }
  c_int::from(remote.is_full())
}
