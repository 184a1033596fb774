//! SIGSEGV, which V8 needs: WebAssembly's bounds checks are accesses that fault, and V8's handler makes an exception of
//! them. Whoever takes the signal for himself (`faulthandler.enable()`, as pytest does; an extension module) would end
//! the process there. So after each occasion V8 is put first again, and who has come is asked when it was not
//! WebAssembly.
//!
//! `faulthandler.register` and `unregister` belong to the signals that are shared: see [`super::shared`].

use std::ffi::{c_int, c_void};
use std::mem;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use libc::siginfo_t;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::action::{action, set_action};
use super::node_code::{self, symbol};
use super::shared;
use crate::python::original::Original;

/// macOS reports an access outside of what is mapped as either.
#[cfg(target_os = "macos")]
const OF_ACCESSES: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];
#[cfg(not(target_os = "macos"))]
const OF_ACCESSES: [c_int; 1] = [libc::SIGSEGV];

/// `v8::TryHandleWebAssemblyTrapPosix` of V8's public interface: true when WebAssembly has faulted, which goes on with
/// an exception then.
type TryWebAssembly = unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void) -> bool;

static TRY_WEB_ASSEMBLY: OnceLock<TryWebAssembly> = OnceLock::new();

/// The handler that stands behind V8's, and whether it wants more than the number.
static BEHIND: AtomicUsize = AtomicUsize::new(0);
static BEHIND_WANTS_INFO: AtomicBool = AtomicBool::new(false);

/// To be called before Python starts: where V8 has no such handler there is nothing to keep.
pub fn prepare() {
  let is_v8s = action(libc::SIGSEGV).is_some_and(|now| node_code::contains(now.sa_sigaction));
  if is_v8s && let Some(function) = symbol(c"_ZN2v829TryHandleWebAssemblyTrapPosixEiP9siginfo_tPv")
  {
    // SAFETY: V8 declares a function of this name so; its references are pointers.
    let function = unsafe { mem::transmute::<*const c_void, TryWebAssembly>(function) };
    let _ = TRY_WEB_ASSEMBLY.set(function);
  }
}

/// Puts V8 first again, if somebody has taken its place.
pub fn settle() {
  if TRY_WEB_ASSEMBLY.get().is_none() || shared::is_without_node() {
    return;
  }
  for signal in OF_ACCESSES {
    let Some(mut now) = action(signal) else {
      continue;
    };
    let handler = now.sa_sigaction;
    let is_ours = handler == (v8_first as *const ()).addr();
    let is_function = !matches!(handler, libc::SIG_DFL | libc::SIG_IGN);
    if !is_function || is_ours || node_code::contains(handler) {
      continue;
    }
    let wants_info = now.sa_flags & libc::SA_SIGINFO != 0;
    BEHIND_WANTS_INFO.store(wants_info, Ordering::Release);
    BEHIND.store(handler, Ordering::Release);
    now.sa_sigaction = (v8_first as *const ()).addr();
    // A stack that has overflowed can't carry a handler.
    now.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
    set_action(signal, &now);
  }
}

/// Asks V8, and else who stands behind it. Async-signal-safe, as they are.
extern "C" fn v8_first(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
  if let Some(try_web_assembly) = TRY_WEB_ASSEMBLY.get()
    && !shared::is_without_node()
  {
    // SAFETY: what the kernel has given this very handler.
    if unsafe { try_web_assembly(signal, info, context) } {
      return;
    }
  }
  let behind = BEHIND.load(Ordering::Acquire);
  if BEHIND_WANTS_INFO.load(Ordering::Acquire) {
    type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
    // SAFETY: it was installed for this signal, of the kind that its flags said.
    let behind = unsafe { mem::transmute::<usize, Handler>(behind) };
    behind(signal, info, context);
  } else {
    // SAFETY: as above.
    let behind = unsafe { mem::transmute::<usize, extern "C" fn(c_int)>(behind) };
    behind(signal);
  }
}

static EXEC_BUILTIN: Original = Original::new();
static CREATE_DYNAMIC: Original = Original::new();
static EXEC_DYNAMIC: Original = Original::new();
static ENABLE: Original = Original::new();
static REGISTER: Original = Original::new();
static UNREGISTER: Original = Original::new();

/// In the place of `_imp.exec_builtin`: `faulthandler` is a built-in module, and nobody is to find it imported who has not
/// asked for it.
#[pyfunction]
fn exec_builtin<'py>(
  py: Python<'py>,
  module: &Bound<'py, PyModule>,
) -> PyResult<Bound<'py, PyAny>> {
  let result = EXEC_BUILTIN.get(py)?.call1((module,))?;
  if module.name()? == "faulthandler" {
    wrap_faulthandler(module)?;
  }
  Ok(result)
}

/// In the place of `_imp.create_dynamic`: an extension module may take the signal when it is loaded.
#[pyfunction]
#[pyo3(signature = (*args))]
fn create_dynamic<'py>(py: Python<'py>, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
  let module = CREATE_DYNAMIC.get(py)?.call1(args);
  settle();
  module
}

/// In the place of `_imp.exec_dynamic`: the same.
#[pyfunction]
#[pyo3(signature = (*args))]
fn exec_dynamic<'py>(py: Python<'py>, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
  let result = EXEC_DYNAMIC.get(py)?.call1(args);
  settle();
  result
}

fn wrap_faulthandler(module: &Bound<'_, PyModule>) -> PyResult<()> {
  ENABLE.replace(module, "enable", &wrap_pyfunction!(enable, module)?)?;
  REGISTER.replace(module, "register", &wrap_pyfunction!(register, module)?)?;
  UNREGISTER.replace(module, "unregister", &wrap_pyfunction!(unregister, module)?)
}

/// enable(file=sys.stderr, all_threads=True): enable the fault handler
#[pyfunction]
#[pyo3(signature = (*args, **options))]
fn enable<'py>(
  py: Python<'py>,
  args: &Bound<'py, PyTuple>,
  options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
  let enabled = ENABLE.get(py)?.call(args, options);
  settle();
  enabled
}

/// register(signum, file=sys.stderr, all_threads=True, chain=False): register a handler for the signal 'signum': dump the
/// traceback of the current thread, or of all threads if all_threads is True, into file
#[pyfunction]
#[pyo3(signature = (*args, **options))]
fn register<'py>(
  py: Python<'py>,
  args: &Bound<'py, PyTuple>,
  options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
  let original = || REGISTER.get(py)?.call(args, options);
  match shared_signal(args, options) {
    Some(signal) => {
      let mut result = None;
      shared::take(signal, || original().map(|value| result = Some(value)))?;
      Ok(result.unwrap_or_else(|| py.None().into_bound(py)))
    }
    None => original(),
  }
}

/// unregister(signum): unregister the handler of the signal 'signum' registered by register()
#[pyfunction]
#[pyo3(signature = (*args, **options))]
fn unregister<'py>(
  py: Python<'py>,
  args: &Bound<'py, PyTuple>,
  options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
  let result = UNREGISTER.get(py)?.call(args, options)?;
  if let Some(signal) = shared_signal(args, options)
    && result.is_truthy()?
  {
    shared::give_back(signal, false);
  }
  Ok(result)
}

/// The signal that a call is about, where Node and Python share signals.
fn shared_signal(args: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> Option<c_int> {
  let named = || options?.get_item("signum").ok().flatten();
  let signal = args.get_item(0).ok().or_else(named)?.extract().ok()?;
  (shared::is_used() && !shared::is_without_node() && shared::can_be(signal)).then_some(signal)
}

/// Has V8 stay first from here on, whoever comes. On Python's main thread.
///
/// # Errors
///
/// What Python raises.
pub fn wrap(py: Python<'_>) -> PyResult<()> {
  settle();
  let module = py.import("_imp")?;
  EXEC_BUILTIN.replace(
    &module,
    "exec_builtin",
    &wrap_pyfunction!(exec_builtin, &module)?,
  )?;
  let create = wrap_pyfunction!(create_dynamic, &module)?;
  CREATE_DYNAMIC.replace(&module, "create_dynamic", &create)?;
  let exec = wrap_pyfunction!(exec_dynamic, &module)?;
  EXEC_DYNAMIC.replace(&module, "exec_dynamic", &exec)?;
  let modules = py
    .import("sys")?
    .getattr("modules")?
    .cast_into::<PyDict>()?;
  match modules.get_item("faulthandler")? {
    Some(module) => wrap_faulthandler(module.cast()?),
    None => Ok(()),
  }
}
