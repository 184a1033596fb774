//! Debuggers of runtimes, between the engine and JavaScript, which has their sockets (`lib/js/inspector.ts`).
//!
//! A runtime is known to JavaScript by a number. What goes there is an [`Event`], and nobody waits for it but for the
//! answer to the first, which says where the runtime can be found. What comes back is on a JavaScript thread, which only
//! leaves it in the engine's mailbox (`src/engine/mailbox.h`) and wakes the runtime's own thread: neither the GIL nor V8 is
//! touched.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;

use super::abi::{Span, status};
use super::call;
use super::core::Core;
use super::inspected::{Event, Inspected, Place, Sockets};
use crate::base::lock::lock;

/// How long JavaScript may take to say where a runtime can be found.
const LIMIT: Duration = Duration::from_secs(10);

/// What `InspectorConfig` says.
#[derive(Debug, Clone)]
pub struct InspectorConfig {
  host: String,
  port: u16,
  waits: bool,
  breaks: bool,
  url: String,
  name: String,
}

impl InspectorConfig {
  /// # Errors
  ///
  /// `TypeError` for what is none.
  pub fn of(config: &Bound<'_, PyAny>) -> PyResult<Self> {
    let class = config
      .py()
      .import("amphis.js")?
      .getattr("InspectorConfig")?;
    if !config.is_instance(&class)? {
      return Err(PyTypeError::new_err(format!(
        "inspector must be an InspectorConfig, not {}",
        config.get_type().name()?
      )));
    }
    let text = |name: &str| config.getattr(name)?.extract::<Option<String>>();
    Ok(Self {
      host: config.getattr("host")?.extract()?,
      port: config.getattr("port")?.extract()?,
      waits: config.getattr("wait_for_connection")?.is_truthy()?,
      breaks: config.getattr("break_on_next_statement")?.is_truthy()?,
      url: text("target_url")?.unwrap_or_else(|| "amphis://runtime".to_owned()),
      name: text("display_name")?
        .unwrap_or_else(|| format!("amphis.js [pid: {}]", std::process::id())),
    })
  }
}

/// The environments, the first first.
static SOCKETS: Mutex<Vec<Arc<dyn Sockets>>> = Mutex::new(Vec::new());
/// Runtimes by their numbers, with what waits for their places.
static RUNTIMES: Mutex<Option<HashMap<u32, Known>>> = Mutex::new(None);

struct Known {
  core: Weak<Core>,
  sockets: Arc<dyn Sockets>,
  opening: Option<Sender<Result<Place, String>>>,
}

/// An environment has sockets for debuggers from here on.
pub fn add_sockets(sockets: Arc<dyn Sockets>) {
  lock(&SOCKETS).push(sockets);
}

/// It ends: debuggers that came by it have gone.
pub fn remove_sockets(sockets: &Arc<dyn Sockets>) {
  lock(&SOCKETS).retain(|other| !Arc::ptr_eq(other, sockets));
  let gone: Vec<u32> = lock(&RUNTIMES)
    .iter()
    .flatten()
    .filter(|(_, known)| Arc::ptr_eq(&known.sockets, sockets))
    .map(|(number, _)| *number)
    .collect();
  for number in gone {
    detach(number);
  }
}

/// Opens a runtime to debuggers.
///
/// # Errors
///
/// `RuntimeError`: the port is taken, or there are no inspector or no sockets.
pub fn open(py: Python<'_>, core: &Arc<Core>, config: &InspectorConfig) -> PyResult<()> {
  static NEXT: AtomicU32 = AtomicU32::new(1);
  let mut has_inspector = false;
  call::run(py, core, None, |table, isolate, _| {
    // SAFETY: inside of the runtime, with a text that stays.
    let outcome = unsafe { (table.inspect)(isolate, Span::of(config.name.as_bytes())) };
    has_inspector = outcome == status::TAPE;
    status::NOTHING
  })?;
  if !has_inspector {
    return Err(PyRuntimeError::new_err(
      "This Node.js was built without its inspector: leave out `inspector`, or use one of nodejs.org's",
    ));
  }
  let sockets = lock(&SOCKETS).first().map(Arc::clone);
  let sockets = sockets.ok_or_else(|| {
    PyRuntimeError::new_err("There is no JavaScript thread that debuggers could come to")
  })?;
  let number = NEXT.fetch_add(1, Ordering::Relaxed);
  let (sender, receiver) = channel();
  let mut runtimes = lock(&RUNTIMES);
  let runtimes_by_number = runtimes.get_or_insert_default();
  runtimes_by_number.retain(|_, known| known.core.strong_count() > 0);
  runtimes_by_number.insert(
    number,
    Known {
      core: Arc::downgrade(core),
      sockets: Arc::clone(&sockets),
      opening: Some(sender),
    },
  );
  drop(runtimes);
  let event = Event::Open(
    config.host.clone(),
    config.port,
    config.name.clone(),
    config.url.clone(),
  );
  let is_told = sockets.tell(number, event);
  let answer = is_told.then(|| py.detach(move || receiver.recv_timeout(LIMIT).ok()));
  let place = match answer.flatten() {
    Some(Ok(place)) => Ok(place),
    Some(Err(why)) => Err(format!(
      "The inspector cannot listen on {}:{}: {why}",
      config.host, config.port
    )),
    None => Err(
      "The inspector was not opened: Node.js' main thread is busy, it has not answered for 10 seconds"
        .to_owned(),
    ),
  };
  let (title, url) = (config.name.clone(), config.url.clone());
  let inspected = Inspected::new(
    number,
    sockets,
    place.clone().unwrap_or_default(),
    title,
    url,
  );
  // Where it was not opened, dropping it takes everything back.
  place.map_err(PyRuntimeError::new_err)?;
  let _ = core.inspected.set(inspected);
  Ok(())
}

/// The first script waits for a debugger, where that is what the config says.
///
/// # Errors
///
/// As `call::run`.
pub fn expect(py: Python<'_>, core: &Arc<Core>, config: &InspectorConfig) -> PyResult<()> {
  if !config.waits && !config.breaks {
    return Ok(());
  }
  call::run(py, core, None, |table, isolate, _| {
    // SAFETY: inside of the runtime.
    unsafe { (table.expect_debugger)(isolate, c_int::from(config.breaks)) };
    status::NOTHING
  })
  .map(drop)
}

/// JavaScript says where a runtime is found, or why it is not.
pub fn opened(number: u32, place: Result<Place, String>) {
  let opening = lock(&RUNTIMES)
    .as_mut()
    .and_then(|runtimes| runtimes.get_mut(&number)?.opening.take());
  if let Some(opening) = opening {
    // Whoever waited may have given up.
    let _ = opening.send(place);
  }
}

fn core_of(number: u32) -> Option<Arc<Core>> {
  lock(&RUNTIMES)
    .as_ref()
    .and_then(|runtimes| runtimes.get(&number)?.core.upgrade())
    .filter(|core| !core.inspected.get().is_some_and(Inspected::has_ended))
}

/// A debugger has come.
pub fn attach(number: u32) {
  if let Some(core) = core_of(number) {
    // SAFETY: an isolate that is there, and was opened to debuggers.
    core.tell_debugger(|table, isolate| unsafe { (table.attach)(isolate) });
    // V8 may be about to look at this thread for a profile.
    core.work.driver.keep(&core, true);
    core.work.driver.wake(&core);
  }
}

/// It says something.
pub fn dispatch(number: u32, message: &str) {
  if let Some(core) = core_of(number) {
    let message = Span::of(message.as_bytes());
    // SAFETY: as above, with a text that stays.
    core.tell_debugger(|table, isolate| unsafe { (table.dispatch)(isolate, message) });
    core.work.driver.wake(&core);
  }
}

/// It has gone.
pub fn detach(number: u32) {
  if let Some(core) = core_of(number) {
    // SAFETY: as above.
    core.tell_debugger(|table, isolate| unsafe { (table.detach)(isolate) });
    core.work.driver.keep(&core, false);
    core.work.driver.wake(&core);
  }
}

fn with(user: *mut c_void, what: impl FnOnce(&Core)) {
  let _ = catch_unwind(AssertUnwindSafe(|| {
    // SAFETY: what the engine was told, while it calls.
    if let Some(core) = unsafe { Core::from_user(user) } {
      what(&core);
    }
  }));
}

/// The engine has something for the debugger.
pub extern "C" fn inspected(user: *mut c_void, message: Span) {
  with(user, |core| {
    if let Some(inspected) = core.inspected.get() {
      // SAFETY: the engine keeps it while it calls; ASCII.
      let text = String::from_utf8_lossy(unsafe { message.as_slice() }).into_owned();
      inspected.say(text);
    }
  });
}

/// The debugger holds the thread that runs JavaScript, or not any more.
pub extern "C" fn held(user: *mut c_void, is_held: c_int) {
  with(user, |core| match is_held {
    0 => core.held.end(),
    _ => core.held.begin(),
  });
}
