//! What JavaScript tells the runtimes of its Node.js, and what it asks of their engine.

use std::ffi::c_void;
use std::path::Path;

use napi_derive::napi;

use crate::js::node::{self, NodeFacts, Platform};
use crate::js::process_child;
use crate::js::{ending, engine};
use crate::python::signals::node_code::symbol;

/// This Node.js, as it describes itself.
#[napi(object)]
pub struct NodeDescription {
  pub version: String,
  pub module_version: u32,
  /// Why no engine can serve it.
  pub obstacle: Option<String>,
  pub program: String,
}

/// To be called once an environment, on its thread.
#[napi(catch_unwind)]
pub fn introduce_node(description: NodeDescription) {
  if !node::is_known() {
    node::introduce(facts(description));
  }
}

/// Tries an engine; for a process that does nothing else.
#[napi(catch_unwind)]
pub fn try_engine(engine: String, description: NodeDescription) -> bool {
  engine::try_out(Path::new(&engine), &facts(description))
}

/// Has a runtime for another process, and ends with that; for a process that does nothing else. Why it could not begin.
#[napi(catch_unwind)]
pub fn serve_runtime(engine: String, description: NodeDescription) -> Option<String> {
  process_child::serve(Path::new(&engine), &facts(description)).err()
}

/// The process is about to end: no thread goes on in a runtime.
#[napi(catch_unwind)]
pub fn leave_runtimes() {
  ending::leave(None);
}

fn facts(description: NodeDescription) -> NodeFacts {
  NodeFacts {
    version: description.version,
    module_version: description.module_version,
    obstacle: description.obstacle,
    program: description.program,
    platform: platform(),
    is_main: is_main_thread(),
    process: std::process::id(),
  }
}

fn is_main_thread() -> bool {
  // SAFETY: asks for the number of this thread.
  #[cfg(target_os = "linux")]
  let is_main = unsafe { libc::gettid() == libc::getpid() };
  // SAFETY: asks whether it is this one.
  #[cfg(target_os = "macos")]
  let is_main = unsafe { libc::pthread_main_np() == 1 };
  is_main
}

/// The platform of this environment, which is that of the process. By the names that C++ gives to functions of V8's and
/// Node's public interface; `Local` and the pointers are one word each.
fn platform() -> Option<Platform> {
  type Get = unsafe extern "C" fn() -> *mut c_void;
  type Of = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
  let current = symbol(c"_ZN2v87Isolate10GetCurrentEv")?;
  let of_isolate = symbol(c"_ZN2v87Isolate17GetCurrentContextEv")?;
  let of_context = symbol(c"_ZN4node21GetCurrentEnvironmentEN2v85LocalINS0_7ContextEEE")?;
  let of_environment = symbol(c"_ZN4node23GetMultiIsolatePlatformEPNS_11EnvironmentE")?;
  // SAFETY: functions of these signatures; on an environment's thread, within a call of JavaScript's, so that there are an
  // isolate, a context and a scope for its handle.
  let found = unsafe {
    let current = std::mem::transmute::<*const c_void, Get>(current);
    let of_isolate = std::mem::transmute::<*const c_void, Of>(of_isolate);
    let of_context = std::mem::transmute::<*const c_void, Of>(of_context);
    let of_environment = std::mem::transmute::<*const c_void, Of>(of_environment);
    let mut found = current();
    for next in [of_isolate, of_context, of_environment] {
      if found.is_null() {
        return None;
      }
      found = next(found);
    }
    found
  };
  (!found.is_null()).then_some(Platform(found))
}
