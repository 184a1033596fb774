//! Finds the engine for this Node.js, opens it, and makes sure that the two fit.
//!
//! The number of the binary interface is not enough: what the engine uses of V8's and Node's C++ may change within a major
//! version. So there is a list of the versions that the tests have run on; another one is tried once in a process of its
//! own, by a program that makes a runtime and counts with it.

use std::ffi::{CStr, CString, OsStr, c_void};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use super::abi::{self, Bytes, Evaluation, Host, Limits, Span, Table, answer, status};
use super::default_snapshot;
use super::node::{self, NodeFacts};
use super::synchronous;
use crate::base::lock::lock;

/// Versions of Node.js that the whole suite has passed on, by their numbers of the binary interface.
const TESTED: [(u32, &[&str]); 4] = [
  (115, &["20.20.2"]),
  (127, &["22.23.5"]),
  (137, &["24.22.3"]),
  (147, &["26.12.1"]),
];

static OPEN: AtomicPtr<Table> = AtomicPtr::new(std::ptr::null_mut());

/// The engine, opened when it is first asked for.
///
/// # Errors
///
/// Why there is none, in words for the user. The same each time.
pub fn open() -> Result<&'static Table, String> {
  static OUTCOME: OnceLock<Result<&'static Table, String>> = OnceLock::new();
  OUTCOME.get_or_init(find_and_open).clone()
}

/// The engine, where it can be had at once: nothing has to be tried in another process.
pub fn at_hand() -> Option<&'static Table> {
  opened().or_else(|| {
    node::facts()
      .filter(|facts| is_tested(facts))
      .and_then(|_| open().ok())
  })
}

/// The engine, if somebody has opened it.
pub fn opened() -> Option<&'static Table> {
  // SAFETY: null, or a table that stays.
  unsafe { OPEN.load(Ordering::Acquire).as_ref() }
}

fn find_and_open() -> Result<&'static Table, String> {
  let facts = node::facts().ok_or("JavaScript has not said which Node.js this is.")?;
  if let Some(obstacle) = &facts.obstacle {
    return Err(refused(facts, obstacle));
  }
  let platform = facts
    .platform
    .ok_or_else(|| refused(facts, "it does not give away its platform for isolates"))?;
  let path = path_for(facts)?;
  if !is_tested(facts) {
    try_in_a_child(facts, &path)?;
  }
  let table = load(&path, facts)?;
  // SAFETY: a text of the engine's, or null.
  let problem = unsafe { text((table.start)(platform.0)) };
  if let Some(problem) = problem {
    return Err(refused(facts, &problem));
  }
  OPEN.store(std::ptr::from_ref(table).cast_mut(), Ordering::Release);
  Ok(table)
}

fn refused(facts: &NodeFacts, why: &str) -> String {
  format!(
    "amphis.js has no engine for this Node.js ({}): {why}. {}",
    facts.version,
    supported()
  )
}

fn supported() -> String {
  let versions: Vec<&str> = TESTED
    .iter()
    .flat_map(|(_, versions)| versions.iter().copied())
    .collect();
  format!(
    "It was tested with Node.js {}; use one of these, or a later one of the same major version.",
    versions.join(", ")
  )
}

fn is_tested(facts: &NodeFacts) -> bool {
  TESTED.iter().any(|(module_version, versions)| {
    *module_version == facts.module_version && versions.contains(&facts.version.as_str())
  })
}

pub fn path_for(facts: &NodeFacts) -> Result<PathBuf, String> {
  let extension = if cfg!(target_os = "macos") {
    "dylib"
  } else {
    "so"
  };
  let folder = own_path()
    .and_then(|path| path.parent().map(Path::to_owned))
    .ok_or("The folder of amphis' addon was not found.")?;
  let name = format!("engine-{}.{extension}", facts.module_version);
  let path = folder.join(&name);
  if path.exists() {
    return Ok(path);
  }
  Err(refused(
    facts,
    &format!(
      "there is no {name} in {}. Where amphis was built here, `npm run build` makes it, given a C++ compiler",
      folder.display()
    ),
  ))
}

/// The file of this addon.
pub fn own_path() -> Option<PathBuf> {
  let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
  // SAFETY: an address of this addon's; the structure is filled in where the outcome is not 0.
  let path = unsafe {
    if libc::dladdr((own_path as *const ()).cast(), info.as_mut_ptr()) == 0 {
      return None;
    }
    text(info.assume_init().dli_fname)?
  };
  std::fs::canonicalize(path).ok()
}

/// # Safety
///
/// Null, or a text that ends with NUL.
unsafe fn text(text: *const libc::c_char) -> Option<String> {
  (!text.is_null()).then(|| {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }
      .to_string_lossy()
      .into_owned()
  })
}

/// Opens an engine for good.
pub fn load(path: &Path, facts: &NodeFacts) -> Result<&'static Table, String> {
  let name = CString::new(path.as_os_str().as_bytes())
    .map_err(|_| format!("{} is no path.", path.display()))?;
  let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE;
  // SAFETY: opens a library of amphis', whose constructors touch nothing of Node's.
  let library = unsafe { libc::dlopen(name.as_ptr(), flags) };
  if library.is_null() {
    // SAFETY: the loader's own text.
    let reason = unsafe { text(libc::dlerror()) }.unwrap_or_default();
    return Err(refused(
      facts,
      &format!("{} does not load: {reason}", path.display()),
    ));
  }
  // SAFETY: looks a name up.
  let symbol = unsafe { libc::dlsym(library, c"amphis_engine".as_ptr()) };
  if symbol.is_null() {
    return Err(refused(facts, &format!("{} is no engine", path.display())));
  }
  // SAFETY: every engine has this function, whatever its table is.
  let table = unsafe {
    let get = std::mem::transmute::<*mut c_void, extern "C" fn() -> *const Table>(symbol);
    &*get()
  };
  if table.table != abi::TABLE || table.module_version != facts.module_version {
    return Err(refused(
      facts,
      &format!(
        "{} is of another version of amphis or of Node.js (table {}, ABI {}). Build it again with `npm run build`, or install amphis again",
        path.display(),
        table.table,
        table.module_version
      ),
    ));
  }
  Ok(table)
}

/// What the program of the child does: the addon's own test of an engine.
const TRIAL: &str = "const m = { exports: {} }; const [, addon, engine, facts] = process.argv; process.dlopen(m, addon, 2); \
   process.exit(m.exports.tryEngine(engine, JSON.parse(facts)) ? 0 : 1)";

/// Has a child process of this Node.js try an engine: where it crashes, it is not this process that does.
fn try_in_a_child(facts: &NodeFacts, engine: &Path) -> Result<(), String> {
  let addon = own_path().ok_or("The file of amphis' addon was not found.")?;
  let outcome = Command::new(&facts.program)
    .args([OsStr::new("-e"), OsStr::new(TRIAL)])
    .args([
      addon.as_os_str(),
      engine.as_os_str(),
      OsStr::new(&facts.to_json()),
    ])
    .env_remove("NODE_OPTIONS")
    // The addon asks for Python's symbols when it is loaded: the child gets the library that this process has.
    .env("LD_PRELOAD", libpython().unwrap_or_default())
    .stdin(Stdio::null())
    .stdout(Stdio::null())
    .stderr(Stdio::piped())
    .output();
  match outcome {
    Ok(output) if output.status.success() => Ok(()),
    Ok(output) => {
      let said = String::from_utf8_lossy(&output.stderr);
      let last = said.lines().rev().find(|line| !line.trim().is_empty());
      Err(refused(
        facts,
        &format!(
          "it is of an unknown version, and a trial in a process of its own has failed ({}{})",
          output.status,
          last.map(|line| format!(": {line}")).unwrap_or_default()
        ),
      ))
    }
    Err(error) => Err(refused(
      facts,
      &format!("it is of an unknown version, and cannot be tried ({error})"),
    )),
  }
}

/// The libpython that is loaded.
pub fn libpython() -> Option<PathBuf> {
  // SAFETY: looks a name up, and asks whose it is.
  unsafe {
    let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"Py_GetVersion".as_ptr());
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    if symbol.is_null() || libc::dladdr(symbol, info.as_mut_ptr()) == 0 {
      return None;
    }
    let name = info.assume_init().dli_fname;
    (!name.is_null()).then(|| {
      PathBuf::from(std::ffi::OsString::from_vec(
        CStr::from_ptr(name).to_bytes().to_vec(),
      ))
    })
  }
}

/// The trial: a runtime that counts, throws, overflows, is debugged and ends; and another one of V8's own snapshot, where that
/// is to be used.
pub fn try_out(engine: &Path, facts: &NodeFacts) -> bool {
  let Ok(table) = load(engine, facts) else {
    return false;
  };
  let Some(platform) = facts.platform else {
    return false;
  };
  (table.start)(platform.0).is_null()
    && is_well(table)
    && (!default_snapshot::look(table) || is_well(table))
}

fn is_well(table: &Table) -> bool {
  extern "C" fn call(_: *mut c_void, _: u32, _: Span, _: *mut Bytes) -> std::ffi::c_int {
    answer::STOP
  }
  /// A debugger is told something, which may be what it has asked for.
  extern "C" fn inspected(_: *mut c_void, message: Span) {
    // SAFETY: the engine keeps it while it calls.
    let message = unsafe { message.as_slice() };
    let is_answer = message.windows(9).any(|part| part == b"\"value\":2");
    IS_ANSWERED.fetch_or(is_answer, Ordering::AcqRel);
  }
  static IS_ANSWERED: AtomicBool = AtomicBool::new(false);
  let host = Host {
    inspected,
    ..synchronous::host(call)
  };
  let limits = Limits {
    heap: 64 << 20,
    buffers: 64 << 20,
    head_room: 1 << 30,
    depth: 100,
    value: 1 << 20,
  };
  IS_ANSWERED.store(false, Ordering::Release);
  // SAFETY: as `abi.h` has it: one thread, one runtime, destroyed at last.
  unsafe {
    let isolate = (table.create)(&raw const limits, &raw const host, std::ptr::null_mut());
    if isolate.is_null() {
      return false;
    }
    let mut is_well = true;
    for (source, expected) in [
      ("1 + 1", status::TAPE),
      ("({ a: [1, 'two', new Map([[1, 2]])] })", status::WIRE),
      ("() => 1", status::TAPE),
      ("throw new Error('x')", status::THROWN),
      ("(function f() { f() })()", status::THROWN),
      ("globalThis.WebAssembly?.compileStreaming", status::TAPE),
      (
        "[...'abc'].map(c => c + Math.E).join() + /a(b)/.exec('ab')[1]",
        status::TAPE,
      ),
    ] {
      let mut out = Bytes::new();
      let name = Span::of(b"trial");
      is_well &= (table.eval)(
        isolate,
        Span::of(source.as_bytes()),
        name,
        Evaluation::Script,
        &raw mut out,
      ) == expected;
    }
    if (table.inspect)(isolate, Span::of(b"trial")) == status::TAPE {
      let asked = br#"{"id":1,"method":"Runtime.evaluate","params":{"expression":"1 + 1"}}"#;
      (table.attach)(isolate);
      (table.dispatch)(isolate, Span::of(asked));
      is_well &= (table.run_tasks)(isolate) == status::TAPE && IS_ANSWERED.load(Ordering::Acquire);
    }
    (table.destroy)(isolate);
    is_well
  }
}

/// Nobody goes on in V8 from here on. Waits a little for those who are there.
pub fn close_gate() {
  static CLOSED: std::sync::Mutex<bool> = std::sync::Mutex::new(false);
  let Some(table) = opened() else { return };
  if !std::mem::replace(&mut *lock(&CLOSED), true) {
    (table.close_gate)(2000);
  }
}
