//! CPython's initialisation API, which is not part of the stable ABI: its functions are looked up
//! at run time, and `PyConfig` is a buffer that only CPython looks into.
//!
//! The functions are the same from 3.10 to 3.15; 3.14 adds `PyInitConfig` beside them and keeps
//! these. Where a later version drops them, the start fails with an error that says so.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem;
use std::ptr;

use crate::python::{adoption, binding};

/// Several times the size of any `PyConfig` so far (3.13: under 600 bytes).
const CONFIG_BYTES: usize = 8 * 1024;

#[repr(C, align(16))]
struct PyConfig([u8; CONFIG_BYTES]);

impl PyConfig {
  fn zeroed() -> Box<Self> {
    Box::new(Self([0; CONFIG_BYTES]))
  }

  /// The `index`th of the ints that `PyConfig` begins with.
  fn int(&self, index: usize) -> c_int {
    let start = index * size_of::<c_int>();
    let mut bytes = [0; size_of::<c_int>()];
    bytes.copy_from_slice(&self.0[start..start + size_of::<c_int>()]);
    c_int::from_ne_bytes(bytes)
  }

  fn set_int(&mut self, index: usize, value: c_int) {
    let start = index * size_of::<c_int>();
    self.0[start..start + size_of::<c_int>()].copy_from_slice(&value.to_ne_bytes());
  }
}

#[repr(C)]
struct PyStatus {
  kind: c_int,
  function: *const c_char,
  message: *const c_char,
  exit_code: c_int,
}

impl PyStatus {
  const OK: c_int = 0;
  const ERROR: c_int = 1;

  fn into_result(self) -> Result<(), String> {
    match self.kind {
      Self::OK => Ok(()),
      Self::ERROR if !self.message.is_null() => {
        // SAFETY: CPython's messages are static C strings.
        let message = unsafe { CStr::from_ptr(self.message) }.to_string_lossy();
        Err(message.into_owned())
      }
      _ => Err(format!("it wanted to exit with code {}", self.exit_code)),
    }
  }
}

type InitConfig = unsafe extern "C" fn(*mut PyConfig);
type SetBytesArgv = unsafe extern "C" fn(*mut PyConfig, isize, *const *mut c_char) -> PyStatus;
type InitializeFromConfig = unsafe extern "C" fn(*const PyConfig) -> PyStatus;
type ExitStatusException = unsafe extern "C" fn(PyStatus) -> !;
type RunMain = unsafe extern "C" fn() -> c_int;

/// The functions of initialisation, as libpython has them.
struct Api {
  init_python_config: InitConfig,
  init_isolated_config: InitConfig,
  set_bytes_argv: SetBytesArgv,
  initialize_from_config: InitializeFromConfig,
  clear: InitConfig,
}

impl Api {
  /// Nothing of Python may run before libpython is bound, and this comes before anything of it does.
  fn load() -> Result<Self, String> {
    binding::begin(adoption::before_module_runs)?;
    // SAFETY: the types are those of CPython's headers, alike in every version that has them.
    unsafe {
      Ok(Self {
        init_python_config: mem::transmute::<*mut c_void, InitConfig>(symbol(
          c"PyConfig_InitPythonConfig",
        )?),
        init_isolated_config: mem::transmute::<*mut c_void, InitConfig>(symbol(
          c"PyConfig_InitIsolatedConfig",
        )?),
        set_bytes_argv: mem::transmute::<*mut c_void, SetBytesArgv>(symbol(
          c"PyConfig_SetBytesArgv",
        )?),
        initialize_from_config: mem::transmute::<*mut c_void, InitializeFromConfig>(symbol(
          c"Py_InitializeFromConfig",
        )?),
        clear: mem::transmute::<*mut c_void, InitConfig>(symbol(c"PyConfig_Clear")?),
      })
    }
  }

  /// Starts CPython with a command line, on the calling thread, which is left attached.
  fn initialize(&self, arguments: &[CString], configure: impl FnOnce(&mut PyConfig)) -> PyStatus {
    let arguments: Vec<_> = arguments
      .iter()
      .map(|argument| argument.as_ptr().cast_mut())
      .collect();
    let mut config = PyConfig::zeroed();
    // SAFETY: the buffer is larger than any PyConfig, aligned for one, and ours alone.
    unsafe { (self.init_python_config)(&raw mut *config) };
    configure(&mut config);
    // SAFETY: the config is initialised; the strings and their array outlive the call, which decodes
    // and copies them and does not write to them.
    let mut status = unsafe {
      let count = arguments.len().cast_signed();
      (self.set_bytes_argv)(&raw mut *config, count, arguments.as_ptr())
    };
    if status.kind == PyStatus::OK {
      // SAFETY: the config is initialised and Python is not; the caller has checked that.
      status = unsafe { (self.initialize_from_config)(&raw const *config) };
    }
    // SAFETY: the config is initialised; CPython has copied what it keeps of it.
    unsafe { (self.clear)(ptr::from_mut(&mut *config)) };
    status
  }
}

/// CPython as the `python` program has it: that program's `main`, in two steps.
pub struct MainProgram {
  api: Api,
  exit_status_exception: ExitStatusException,
  run_main: RunMain,
}

impl MainProgram {
  /// # Errors
  ///
  /// When the library lacks a function.
  pub fn load() -> Result<Self, String> {
    // SAFETY: as in `Api::load`.
    unsafe {
      Ok(Self {
        api: Api::load()?,
        exit_status_exception: mem::transmute::<*mut c_void, ExitStatusException>(symbol(
          c"Py_ExitStatusException",
        )?),
        run_main: mem::transmute::<*mut c_void, RunMain>(symbol(c"Py_RunMain")?),
      })
    }
  }

  /// Starts CPython with a command line, on the calling thread, which is left attached. It is CPython that tells what
  /// is wrong with an argument, and then exits.
  pub fn initialize(&self, arguments: &[CString]) {
    let status = self.api.initialize(arguments, |_| {});
    if status.kind != PyStatus::OK {
      // SAFETY: a status that CPython has returned.
      unsafe { (self.exit_status_exception)(status) }
    }
  }

  /// Runs what the command line names, on the thread of [`Self::initialize`], and finalises CPython. Returns the exit
  /// code, unless the script exits: CPython then calls `exit` itself.
  pub fn run(&self) -> c_int {
    // SAFETY: CPython is initialised, on this thread.
    unsafe { (self.run_main)() }
  }
}

fn symbol(name: &CStr) -> Result<*mut c_void, String> {
  // SAFETY: `name` is a C string; the look-up changes nothing.
  let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
  if address.is_null() {
    let name = name.to_string_lossy();
    return Err(format!(
      "its library has no {name}. Use a CPython from 3.10 to 3.15."
    ));
  }
  Ok(address)
}

/// Starts CPython as `executable -c pass` would, on the calling thread, which is left attached.
///
/// # Errors
///
/// CPython's own words, with what to do.
pub fn initialize(executable: &str) -> Result<(), String> {
  let api = Api::load()?;
  let arguments = [executable, "-c", "pass"]
    .map(CString::new)
    .into_iter()
    .collect::<Result<Vec<_>, _>>()
    .map_err(|_| format!("its path {executable:?} holds a NUL."))?;
  let status = api.initialize(&arguments, |config| leave_signals_alone(&api, config));
  status.into_result().map_err(|reason| {
    format!(
      "{reason} (as {executable}). Run `{executable} -c pass`, which should fail alike, and check PYTHONHOME and PYTHONPATH."
    )
  })
}

/// Sets `install_signal_handlers` to 0: signals are Node's.
///
/// The field is the fifth int of `PyConfig` in 3.10 to 3.15. Before it is written, two ready-made
/// configurations that must differ there are compared; where they don't, the layout is another and
/// stays untouched, since `signals` takes back what Python takes.
fn leave_signals_alone(api: &Api, config: &mut PyConfig) {
  const ISOLATED: usize = 1;
  const USE_ENVIRONMENT: usize = 2;
  const INSTALL_SIGNAL_HANDLERS: usize = 4;
  let mut isolated = PyConfig::zeroed();
  // SAFETY: as for the config itself. Neither buffer owns memory yet, so this one needs no clear.
  unsafe { (api.init_isolated_config)(&raw mut *isolated) };
  let read = |config: &PyConfig| {
    [ISOLATED, USE_ENVIRONMENT, INSTALL_SIGNAL_HANDLERS].map(|index| config.int(index))
  };
  if read(config) == [0, 1, 1] && read(&isolated) == [1, 0, 0] {
    config.set_int(INSTALL_SIGNAL_HANDLERS, 0);
  }
}
