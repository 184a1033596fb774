//! The other end of `process.rs`: a Node.js that has one runtime, and does what it is told on its standard input.
//!
//! There is no Python in it. Orders come on its standard output, which is a socket as well, to a thread that never enters
//! V8: whatever JavaScript does, the process ends when its parent does.

use std::ffi::{c_int, c_void};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use super::abi::{Bytes, Evaluation, Isolate, Limits, Span, Statistics, Table, answer, status};
use super::engine;
use super::frames::{self, Head, kind, order};
use super::node::NodeFacts;
use super::synchronous;
use crate::base::lock::lock;

/// How often it looks whether its parent is there: a fork of the parent may hold the sockets open.
const LOOK: c_int = 1000;
/// What a process may have besides the memory that its runtime is granted twice: collecting takes room.
const MARGIN: usize = 256 << 20;

/// What the parent says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
  pub parent: u64,
  pub heap: u64,
  pub buffers: u64,
  pub head_room: u64,
  pub depth: u64,
  pub value: u64,
}

impl Opening {
  pub fn new(limits: &Limits) -> Self {
    Self {
      parent: u64::from(std::process::id()),
      heap: limits.heap as u64,
      buffers: limits.buffers as u64,
      head_room: limits.head_room as u64,
      depth: u64::from(limits.depth),
      value: limits.value as u64,
    }
  }

  pub fn to_bytes(self) -> Vec<u8> {
    [
      self.parent,
      self.heap,
      self.buffers,
      self.head_room,
      self.depth,
      self.value,
    ]
    .iter()
    .flat_map(|number| number.to_le_bytes())
    .collect()
  }

  fn of(bytes: &[u8]) -> Option<Self> {
    let mut numbers = bytes
      .chunks_exact(8)
      .filter_map(|number| Some(u64::from_le_bytes(number.try_into().ok()?)));
    Some(Self {
      parent: numbers.next()?,
      heap: numbers.next()?,
      buffers: numbers.next()?,
      head_room: numbers.next()?,
      depth: numbers.next()?,
      value: numbers.next()?,
    })
  }

  fn limits(self) -> Option<Limits> {
    Some(Limits {
      heap: usize::try_from(self.heap).ok()?,
      buffers: usize::try_from(self.buffers).ok()?,
      head_room: usize::try_from(self.head_room).ok()?,
      depth: u32::try_from(self.depth).ok()?,
      value: usize::try_from(self.value).ok()?,
    })
  }
}

struct Serving {
  table: &'static Table,
  isolate: Isolate,
  data: UnixStream,
  /// How many orders were obeyed.
  orders: Mutex<u32>,
  obeyed: Condvar,
}

// SAFETY: the isolate is told by one thread to terminate, which V8 takes from any, and used by another.
unsafe impl Sync for Serving {}

/// Serves until the parent is gone.
///
/// # Errors
///
/// Why it could not begin.
pub fn serve(engine: &Path, facts: &NodeFacts) -> Result<(), String> {
  close_inherited();
  // SAFETY: descriptors of this process, which nobody else uses.
  let (mut data, control) = unsafe { (UnixStream::from_raw_fd(0), UnixStream::from_raw_fd(1)) };
  let (head, bytes) = frames::read(&mut data, 1024).map_err(|error| error.to_string())?;
  let opening = Opening::of(&bytes).filter(|_| head.kind == kind::OPEN);
  let opening = opening.ok_or("The parent has said something else.")?;
  let limits = opening.limits().ok_or("The limits are too large.")?;
  let table = engine::load(engine, facts)?;
  let platform = facts.platform.ok_or("There is no platform.")?;
  if !(table.start)(platform.0).is_null() {
    return Err("The engine does not fit.".to_owned());
  }
  let host = synchronous::host(call);
  // It lives for as long as the process.
  let serving = Box::leak(Box::new(Serving {
    table,
    isolate: std::ptr::null_mut(),
    data,
    orders: Mutex::default(),
    obeyed: Condvar::new(),
  }));
  let user = (&raw mut *serving).cast();
  // SAFETY: read at once, but for `user`, which stays.
  serving.isolate = unsafe { (table.create)(&raw const limits, &raw const host, user) };
  if serving.isolate.is_null() {
    return Err("V8 has made no isolate.".to_owned());
  }
  let serving: &'static Serving = serving;
  std::thread::Builder::new()
    .name("amphis-js-orders".into())
    .spawn(move || serving.obey(control, opening.parent))
    .map_err(|error| error.to_string())?;
  bound_memory(&limits);
  let served = serving
    .send(Head::new(kind::READY, 0, &[]), &[])
    .and_then(|()| serving.until_answered());
  drop(served);
  Ok(())
}

/// Closes what programs above this one have left open for any of their children; what Node.js opens is for itself.
fn close_inherited() {
  let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
    return;
  };
  let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
  let numbers: Vec<c_int> = names.filter_map(|name| name.parse().ok()).collect();
  for number in numbers.into_iter().filter(|number| *number > 2) {
    // SAFETY: descriptors that nobody here knows of.
    unsafe {
      if libc::fcntl(number, libc::F_GETFD) == 0 {
        libc::close(number);
      }
    }
  }
}

/// No memory beyond this, and none of it is written to a disk when the process ends.
fn bound_memory(limits: &Limits) {
  let bound = |resource, bytes: usize| {
    let limit = libc::rlimit {
      rlim_cur: bytes as libc::rlim_t,
      rlim_max: bytes as libc::rlim_t,
    };
    // SAFETY: reads a structure. Where it fails there is no such bound.
    unsafe { libc::setrlimit(resource, &raw const limit) };
  };
  bound(libc::RLIMIT_CORE, 0);
  if limits.heap > 0
    && let Some(used) = writable_memory()
  {
    bound(
      libc::RLIMIT_DATA,
      used
        .saturating_add(limits.heap.saturating_mul(2))
        .saturating_add(limits.buffers)
        .saturating_add(MARGIN),
    );
  }
}

/// What counts against `RLIMIT_DATA`; only Linux says it.
fn writable_memory() -> Option<usize> {
  let status = std::fs::read_to_string("/proc/self/status").ok()?;
  let line = status
    .lines()
    .find_map(|line| line.strip_prefix("VmData:"))?;
  let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
  Some(kib << 10)
}

impl Serving {
  /// The thread that takes orders.
  fn obey(&self, mut control: UnixStream, parent: u64) {
    loop {
      let mut polled = libc::pollfd {
        fd: 1,
        events: libc::POLLIN,
        revents: 0,
      };
      // SAFETY: one structure.
      let ready = unsafe { libc::poll(&raw mut polled, 1, LOOK) };
      // SAFETY: asks for a number.
      let is_orphan = u64::from(unsafe { libc::getppid() }.unsigned_abs()) != parent;
      if is_orphan {
        leave();
      }
      if ready <= 0 {
        continue;
      }
      let mut orders = [0; 64];
      let count = match control.read(&mut orders) {
        Ok(0) => leave(),
        Ok(count) => count,
        Err(_) => continue,
      };
      for order in &orders[..count] {
        // SAFETY: an isolate that stays; both are for any thread.
        unsafe {
          match *order {
            order::TERMINATE => (self.table.terminate)(self.isolate),
            order::CHECK_HEAP => (self.table.check_heap)(self.isolate),
            _ => {}
          }
        }
      }
      let mut obeyed = lock(&self.orders);
      *obeyed = obeyed.wrapping_add(u32::try_from(count).unwrap_or_default());
      self.obeyed.notify_all();
    }
  }

  fn send(&self, head: Head, bytes: &[u8]) -> io::Result<()> {
    write_all(&self.data, &head.to_bytes(), bytes)
  }

  /// Does what it is told until there is an answer to what it has asked itself; at the outermost there is none.
  fn until_answered(&self) -> io::Result<(c_int, Vec<u8>)> {
    loop {
      let (head, bytes) = frames::read(&mut &self.data, u64::MAX)?;
      if head.kind == kind::ANSWER {
        return Ok((head.status, bytes));
      }
      let mut out = Bytes::new();
      if let Some(status) = self.execute(head, &bytes, &mut out) {
        // SAFETY: an isolate that stays.
        let is_full = unsafe { (self.table.is_out_of_memory)(self.isolate) } != 0;
        let out = out.as_slice();
        let result = Head {
          status,
          ..Head::new(kind::RESULT, u32::from(is_full), &[out])
        };
        self.send(result, out)?;
      }
    }
  }

  /// Does what a frame says; gives a status where that was asked for.
  fn execute(&self, head: Head, bytes: &[u8], out: &mut Bytes) -> Option<c_int> {
    let (table, isolate) = (self.table, self.isolate);
    let split = bytes.split_at_checked(head.number as usize);
    // SAFETY: an isolate that stays, entered by this thread only, with bytes that stay.
    unsafe {
      match head.kind {
        kind::EVAL => split.map(|(name, code)| {
          let (code, name) = (Span::of(code), Span::of(name));
          (table.eval)(isolate, code, name, Evaluation::Script, &raw mut *out)
        }),
        kind::BIND => split.map(|(name, value)| {
          (table.bind)(isolate, Span::of(name), Span::of(value), &raw mut *out)
        }),
        kind::CALL => Some((table.call)(
          isolate,
          head.number,
          Span::of(bytes),
          &raw mut *out,
        )),
        kind::RESET => Some((table.reset)(isolate)),
        kind::STATISTICS => {
          let mut found = Statistics::default();
          (table.statistics)(isolate, &raw mut found);
          out.set(&found.to_bytes());
          Some(status::NOTHING)
        }
        kind::RELEASE => {
          let functions: Vec<u32> = bytes
            .chunks_exact(4)
            .filter_map(|number| Some(u32::from_le_bytes(number.try_into().ok()?)))
            .collect();
          (table.release)(isolate, functions.as_ptr(), functions.len());
          None
        }
        kind::RESUME => {
          let obeyed = lock(&self.orders);
          let waited = self
            .obeyed
            .wait_while(obeyed, |obeyed| is_before(*obeyed, head.number));
          drop(waited.unwrap_or_else(PoisonError::into_inner));
          (table.resume)(isolate);
          None
        }
        _ => None,
      }
    }
  }
}

/// Whether so many orders are fewer than those. More may have come meanwhile; the numbers begin anew at their end.
fn is_before(obeyed: u32, sent: u32) -> bool {
  (1..=u32::MAX / 2).contains(&sent.wrapping_sub(obeyed))
}

/// JavaScript calls a function of Python's: the parent has it.
extern "C" fn call(user: *mut c_void, function: u32, arguments: Span, out: *mut Bytes) -> c_int {
  // SAFETY: what the engine was told, and bytes that it keeps while it calls.
  let (serving, arguments, out) =
    unsafe { (&*user.cast::<Serving>(), arguments.as_slice(), &mut *out) };
  let asked = Head::new(kind::HOST_CALL, function, &[arguments]);
  let answered = serving
    .send(asked, arguments)
    .and_then(|()| serving.until_answered());
  match answered {
    Ok((code @ (answer::RETURN | answer::RAISE), bytes)) => {
      // SAFETY: the engine's, and empty.
      unsafe { out.set(&bytes) };
      code
    }
    Ok(_) => answer::STOP,
    Err(_) => leave(),
  }
}

/// Nobody is there to serve.
fn leave() -> ! {
  // SAFETY: ends the process, and runs nothing.
  unsafe { libc::_exit(0) }
}

/// Two parts by one call, as far as the socket takes them.
fn write_all(to: &UnixStream, head: &[u8], bytes: &[u8]) -> io::Result<()> {
  let mut to = to;
  let mut written = to.write_vectored(&[IoSlice::new(head), IoSlice::new(bytes)])?;
  if written < head.len() {
    to.write_all(&head[written..])?;
    written = head.len();
  }
  to.write_all(&bytes[written - head.len()..])
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn limits_come_as_they_went() {
    let limits = Limits {
      heap: 1,
      buffers: 2,
      head_room: 3,
      depth: 4,
      value: 5,
    };
    let opening = Opening::new(&limits);
    assert_eq!(Opening::of(&opening.to_bytes()), Some(opening));
    assert_eq!(Opening::of(&opening.to_bytes()[1..]), None);
  }

  #[test]
  fn orders_are_waited_for_and_not_those_behind_them() {
    assert!(is_before(3, 4));
    assert!(!is_before(4, 4));
    assert!(!is_before(5, 4));
    assert!(is_before(u32::MAX, 1));
    assert!(!is_before(1, u32::MAX));
  }

  #[test]
  fn this_process_has_writable_memory() {
    assert_eq!(writable_memory().is_some(), cfg!(target_os = "linux"));
  }
}
