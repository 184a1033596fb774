//! What all handles of one runtime share: the isolate, who is inside, what Python has bound, how it ends.

use std::collections::{HashMap, VecDeque};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;

use super::abi::{Host, Isolate, Limits, Statistics, Table};
use super::counts::Counts;
use super::deadline::Held;
use super::entry::{EntryLock, Refusal};
use super::flow::Flow;
use super::inspected::Inspected;
use super::process;
use super::work::Work;
use crate::base::lock::lock;
use crate::values;

/// Why a runtime takes no more calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
  Open,
  Closed,
  Terminated,
  OutOfMemory,
  /// The process that it ran in has ended.
  Lost,
  /// Python ends.
  Left,
}

impl End {
  fn of(byte: u8) -> Self {
    match byte {
      0 => Self::Open,
      1 => Self::Closed,
      2 => Self::Terminated,
      3 => Self::OutOfMemory,
      4 => Self::Lost,
      _ => Self::Left,
    }
  }
}

pub struct Core {
  pub table: &'static Table,
  /// Null once it is destroyed.
  isolate: AtomicPtr<c_void>,
  /// Held by whoever speaks to the isolate from outside of it, and when it goes.
  outside: Mutex<()>,
  pub entry: EntryLock,
  /// Its debugger stops the clock of its deadlines.
  pub held: Held,
  /// Once it can be debugged.
  pub inspected: OnceLock<Inspected>,
  pub limits: Limits,
  /// For each call that names none; once somebody has the runtime.
  timeout: OnceLock<Option<Duration>>,
  /// What is under way while nobody is inside.
  pub work: Work,
  pub counts: Counts,
  pub flow: Flow,
  end: AtomicU8,
  /// Calls that have met their deadline and are not out yet.
  timeouts: AtomicUsize,
  /// Python code runs in an interrupt of V8's, which must not be entered then.
  pub in_interrupt: AtomicBool,
  /// What Python has bound, by number.
  functions: Mutex<HashMap<u32, Py<PyAny>>>,
  next_function: AtomicU32,
  /// Exceptions that have gone into JavaScript, for as long as something may bring them back; the last ones.
  exceptions: Mutex<VecDeque<(u32, Py<PyBaseException>)>>,
  next_exception: AtomicU32,
  /// What the innermost call raises instead of that it was terminated.
  raised: Mutex<Option<PyErr>>,
  /// Functions, and streams of Python's, whose handles Python has dropped.
  released: Mutex<(Vec<u32>, Vec<u32>)>,
  has_released: AtomicBool,
  /// The process that made it: a forked child has none of V8's threads.
  process: u32,
  /// What the engine was told of it.
  user: AtomicPtr<c_void>,
  /// How the process that it ran in has ended.
  lost: OnceLock<String>,
}

/// How many exceptions a runtime keeps at most while promises are open.
const MOST_EXCEPTIONS: usize = 1000;

/// Every runtime there is, for the end of Python.
static ALL: Mutex<Vec<Weak<Core>>> = Mutex::new(Vec::new());

impl Core {
  /// Makes an isolate; without the GIL, it takes some milliseconds.
  pub fn new(table: &'static Table, limits: Limits, host: &Host) -> Option<Arc<Self>> {
    let core = Arc::new(Self {
      table,
      isolate: AtomicPtr::new(ptr::null_mut()),
      outside: Mutex::default(),
      entry: EntryLock::default(),
      held: Held::default(),
      inspected: OnceLock::new(),
      limits,
      timeout: OnceLock::new(),
      work: Work::default(),
      counts: Counts::default(),
      flow: Flow::default(),
      end: AtomicU8::new(End::Open as u8),
      timeouts: AtomicUsize::new(0),
      in_interrupt: AtomicBool::new(false),
      functions: Mutex::default(),
      next_function: AtomicU32::new(1),
      exceptions: Mutex::default(),
      next_exception: AtomicU32::new(1),
      raised: Mutex::default(),
      released: Mutex::default(),
      has_released: AtomicBool::new(false),
      process: std::process::id(),
      user: AtomicPtr::new(ptr::null_mut()),
      lost: OnceLock::new(),
    });
    let user = Weak::into_raw(Arc::downgrade(&core)).cast_mut().cast();
    core.user.store(user, Ordering::Release);
    // SAFETY: the limits and the host are read at once and for good; `user` is freed behind the isolate.
    let isolate = unsafe { (table.create)(&raw const limits, ptr::from_ref(host), user) };
    if isolate.is_null() {
      return None;
    }
    core.isolate.store(isolate, Ordering::Release);
    let mut all = lock(&ALL);
    if all.len() == all.capacity() {
      all.retain(|core| core.strong_count() > 0);
    }
    all.push(Arc::downgrade(&core));
    Some(core)
  }

  /// What each call that names none has as its timeout.
  pub fn timeout(&self) -> Option<Duration> {
    self.timeout.get().copied().flatten()
  }

  /// Says so, once.
  pub fn set_timeout(&self, timeout: Option<Duration>) {
    let _ = self.timeout.set(timeout);
  }

  /// The runtime that the engine means.
  ///
  /// # Safety
  ///
  /// What the engine was told, while it calls.
  pub unsafe fn from_user(user: *mut c_void) -> Option<Arc<Self>> {
    // SAFETY: made in `new`, and not freed before the isolate is. It is not ours to drop.
    let weak = std::mem::ManuallyDrop::new(unsafe { Weak::from_raw(user.cast_const().cast()) });
    weak.upgrade()
  }

  /// Itself, for what keeps a handle of it.
  pub fn shared(&self) -> Option<Arc<Self>> {
    // SAFETY: made in `new`, and not freed before the isolate is.
    unsafe { Self::from_user(self.user.load(Ordering::Acquire)) }
  }

  /// The isolate; to be used by whoever is inside only.
  pub fn isolate(&self) -> Option<Isolate> {
    let isolate = self.isolate.load(Ordering::Acquire);
    (!isolate.is_null()).then_some(isolate)
  }

  pub fn is_foreign(&self) -> bool {
    self.process != std::process::id()
  }

  pub fn end(&self) -> End {
    End::of(self.end.load(Ordering::Acquire))
  }

  /// Lets no further call in. What runs is terminated, once: `ending::stop` does it for good.
  pub fn mark_ended(&self, end: End) {
    let open = End::Open as u8;
    let _ = self
      .end
      .compare_exchange(open, end as u8, Ordering::AcqRel, Ordering::Acquire);
    self.terminate_execution();
  }

  /// Has V8 terminate what runs, once. Where nothing runs, the next call is: it finds the runtime at its end.
  pub fn terminate_execution(&self) {
    let _there = lock(&self.outside);
    if let Some(isolate) = self.isolate() {
      // SAFETY: it is there while the lock is held, and takes this from any thread.
      unsafe { (self.table.terminate)(isolate) };
    }
  }

  pub fn check_heap(&self) {
    let _there = lock(&self.outside);
    if let Some(isolate) = self.isolate() {
      // SAFETY: as above.
      unsafe { (self.table.check_heap)(isolate) };
    }
  }

  /// Has Python look at its signals on the thread that is inside, soon.
  pub fn interrupt(&self) {
    let _there = lock(&self.outside);
    if let Some(isolate) = self.isolate() {
      // SAFETY: as above.
      unsafe { (self.table.interrupt)(isolate) };
    }
  }

  /// Speaks to the isolate of a runtime that can be debugged, from any thread.
  pub fn tell_debugger(&self, tell: impl FnOnce(&Table, Isolate)) {
    let _there = lock(&self.outside);
    if let Some(isolate) = self.isolate() {
      tell(self.table, isolate);
    }
  }

  pub fn begin_timeout(&self) {
    self.timeouts.fetch_add(1, Ordering::AcqRel);
  }

  pub fn end_timeout(&self) {
    self.timeouts.fetch_sub(1, Ordering::AcqRel);
  }

  /// Whether JavaScript must not go on, whatever a callback gives.
  pub fn must_stop(&self) -> bool {
    self.end() != End::Open || self.timeouts.load(Ordering::Acquire) > 0
  }

  /// What has ended it from within. Inside only.
  pub fn own_end(&self) -> Option<End> {
    let isolate = self.isolate()?;
    // SAFETY: callers are inside.
    match unsafe { (self.table.is_out_of_memory)(isolate) } {
      0 => None,
      process::HAS_ENDED => {
        // SAFETY: the isolate of this table, which stays while somebody is inside.
        if let Some(how) = unsafe { process::end_of(self.table, isolate) } {
          let _ = self.lost.set(how);
        }
        Some(End::Lost)
      }
      _ => Some(End::OutOfMemory),
    }
  }

  /// How the process that it ran in has ended.
  pub fn lost(&self) -> &str {
    self.lost.get().map_or("", String::as_str)
  }

  /// The number of its process, where it has one of its own.
  pub fn process_id(&self) -> Option<u32> {
    let _there = lock(&self.outside);
    // SAFETY: the isolate of this table, which is there while the lock is held.
    unsafe { process::id_of(self.table, self.isolate()?) }
  }

  /// What was terminated may go on, unless there is another reason for its end. Inside only.
  pub fn resume(&self) {
    if !self.must_stop()
      && let Some(isolate) = self.isolate()
    {
      // SAFETY: the caller is inside.
      unsafe { (self.table.resume)(isolate) };
    }
  }

  pub fn add_function(&self, function: Py<PyAny>) -> u32 {
    let number = self.next_function.fetch_add(1, Ordering::Relaxed);
    lock(&self.functions).insert(number, function);
    number
  }

  pub fn function(&self, py: Python<'_>, number: u32) -> Option<Py<PyAny>> {
    lock(&self.functions)
      .get(&number)
      .map(|function| function.clone_ref(py))
  }

  /// What was bound by this number, to be dropped by a caller that holds no lock.
  pub fn remove_function(&self, number: u32) -> Option<Py<PyAny>> {
    lock(&self.functions).remove(&number)
  }

  /// What was bound, to be dropped by a caller that holds no lock.
  pub fn take_functions(&self) -> Vec<Py<PyAny>> {
    lock(&self.functions)
      .drain()
      .map(|(_, function)| function)
      .collect()
  }

  /// Shows the collector what was bound; nothing where somebody else is looking.
  pub fn visit<E>(&self, mut visit: impl FnMut(&Py<PyAny>) -> Result<(), E>) -> Result<(), E> {
    match self.functions.try_lock() {
      Ok(functions) => functions.values().try_for_each(&mut visit),
      Err(_) => Ok(()),
    }
  }

  /// The number of an exception that goes into JavaScript.
  pub fn keep_exception(&self, exception: Py<PyBaseException>) -> u64 {
    let number = self.next_exception.fetch_add(1, Ordering::Relaxed);
    let mut exceptions = lock(&self.exceptions);
    exceptions.push_back((number, exception));
    let oldest = (exceptions.len() > MOST_EXCEPTIONS)
      .then(|| exceptions.pop_front())
      .flatten();
    drop(exceptions);
    drop(oldest);
    u64::from(number)
  }

  pub fn exception(&self, py: Python<'_>, number: u64) -> Option<Py<PyBaseException>> {
    lock(&self.exceptions)
      .iter()
      .find(|(kept, _)| u64::from(*kept) == number)
      .map(|(_, exception)| exception.clone_ref(py))
  }

  /// Those that nothing brings back any more, to be dropped by a caller that holds no lock.
  pub fn take_exceptions(&self) -> VecDeque<(u32, Py<PyBaseException>)> {
    if self.work.is_idle() {
      return std::mem::take(&mut *lock(&self.exceptions));
    }
    VecDeque::new()
  }

  /// Has the innermost call raise this; JavaScript must be stopped by the caller.
  pub fn raise(&self, error: PyErr) {
    let before = lock(&self.raised).replace(error);
    drop(before);
  }

  pub fn take_raised(&self) -> Option<PyErr> {
    lock(&self.raised).take()
  }

  /// Python has no handle of a function any more. From any thread; the next call tells V8.
  pub fn release(&self, function: u32) {
    lock(&self.released).0.push(function);
    self.has_released.store(true, Ordering::Release);
  }

  /// The same of a stream that Python has given.
  pub fn release_stream(&self, stream: u32) {
    lock(&self.released).1.push(stream);
    self.has_released.store(true, Ordering::Release);
  }

  /// Tells V8 what was released. Inside only.
  pub fn forget_released(&self) {
    if !self.has_released.swap(false, Ordering::AcqRel) {
      return;
    }
    let (functions, streams) = std::mem::take(&mut *lock(&self.released));
    if let Some(isolate) = self.isolate() {
      // SAFETY: the caller is inside; as many numbers as it says.
      unsafe {
        if !functions.is_empty() {
          (self.table.release)(isolate, functions.as_ptr(), functions.len());
        }
        if !streams.is_empty() {
          (self.table.release_streams)(isolate, streams.as_ptr(), streams.len());
        }
      }
    }
  }

  pub fn statistics(&self) -> Option<Statistics> {
    let mut found = Statistics::default();
    let isolate = self.isolate()?;
    // SAFETY: the caller is inside.
    unsafe { (self.table.statistics)(isolate, &raw mut found) };
    Some(found)
  }

  pub fn values_limits(&self) -> values::Limits {
    values::Limits {
      depth: self.limits.depth as usize,
      bytes: self.limits.value,
      is_inline: true,
    }
  }

  /// Frees the isolate, once nobody is inside. Without the GIL; not from within.
  pub fn destroy(&self, gives_up: impl FnMut() -> bool) -> Result<(), Refusal> {
    if self.is_foreign() {
      return Ok(());
    }
    let entered = self.entry.enter(None, &self.held, gives_up)?;
    if !entered.is_outermost {
      return Err(Refusal::GivenUp);
    }
    let isolate = {
      let _there = lock(&self.outside);
      self.isolate.swap(ptr::null_mut(), Ordering::AcqRel)
    };
    if isolate.is_null() {
      return Ok(());
    }
    // SAFETY: nobody is inside, and nobody finds it any more; `user` was made in `new`, for the isolate alone.
    unsafe {
      (self.table.destroy)(isolate);
      let user = self.user.swap(ptr::null_mut(), Ordering::AcqRel);
      drop(Weak::<Self>::from_raw(user.cast_const().cast()));
    }
    Ok(())
  }
}

/// All that there are.
pub fn all() -> Vec<Arc<Core>> {
  lock(&ALL).iter().filter_map(Weak::upgrade).collect()
}
