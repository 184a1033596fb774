//! The process of one runtime, from its parent: it is asked, told, given orders, and ended.
//!
//! What it does not give in time, it is ended for. All that comes from it is bounded, and read as what nobody trusts.

use std::ffi::{c_int, c_void};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::abi::{Bytes, Host, Limits, Span, status};
use super::engine;
use super::frames::{self, Head, kind, order};
use super::node;
use super::process_child::Opening;
use crate::base::lock::lock;

/// How long a process has to end what it was told to end, when it is its turn; then it is killed.
const GRACE: u64 = 500;
/// How often one that waits looks at the time and at signals.
const LOOK: c_int = 50;
/// How long a process may take to be there.
const START: Duration = Duration::from_secs(60);
/// What a frame may be longer than a value: stacks and messages of errors.
const MARGIN: u64 = 64 << 20;

/// What of this process' environment the other one gets: where libraries are, the time zone, the language.
const PASSED_ON: [&str; 5] = ["LD_LIBRARY_PATH", "TZ", "TZDIR", "LANG", "LC_ALL"];

/// What the program of the process does.
const PROGRAM: &str = "const m = { exports: {} }; const [, addon, engine, facts] = process.argv; process.dlopen(m, addon, 2); \
   const problem = m.exports.serveRuntime(engine, JSON.parse(facts)); if (problem) process._rawDebug('amphis:', problem); \
   process.reallyExit(problem ? 1 : 0)";

/// The process is not there any more, or speaks another language.
pub struct Gone;

impl From<io::Error> for Gone {
  fn from(_: io::Error) -> Self {
    Self
  }
}

pub struct Remote {
  data: UnixStream,
  control: UnixStream,
  child: Mutex<Child>,
  process: u32,
  stderr: Mutex<Option<ChildStderr>>,
  call: extern "C" fn(*mut c_void, u32, Span, *mut Bytes) -> c_int,
  interrupted: extern "C" fn(*mut c_void),
  user: *mut c_void,
  /// The longest frame that is taken.
  most: u64,
  has_heap_limit: bool,
  /// When it was told to end what it does; 0: it was not.
  told: AtomicU64,
  /// Since when it is its turn; 0: it is this side's.
  turn: AtomicU64,
  /// Orders that were sent.
  orders: AtomicU32,
  wants_interrupt: AtomicBool,
  is_full: AtomicBool,
  /// Why it has ended.
  end: OnceLock<String>,
}

/// Milliseconds since some time, and never 0.
fn now() -> u64 {
  static BEGAN: OnceLock<Instant> = OnceLock::new();
  let passed = BEGAN.get_or_init(Instant::now).elapsed().as_millis();
  u64::try_from(passed).unwrap_or(u64::MAX).saturating_add(1)
}

impl Remote {
  pub fn begin(limits: &Limits, host: &Host, user: *mut c_void) -> Result<Self, String> {
    let failed = |error: io::Error| format!("The process of the runtime does not start ({error}).");
    let (data, its_data) = UnixStream::pair().map_err(failed)?;
    let (control, its_control) = UnixStream::pair().map_err(failed)?;
    data.set_nonblocking(true).map_err(failed)?;
    control.set_nonblocking(true).map_err(failed)?;
    let mut child = spawn(its_data.into(), its_control.into())?;
    let remote = Self {
      data,
      control,
      process: child.id(),
      stderr: Mutex::new(child.stderr.take()),
      child: Mutex::new(child),
      call: host.call,
      interrupted: host.interrupted,
      user,
      most: (limits.value as u64)
        .saturating_mul(2)
        .saturating_add(MARGIN),
      has_heap_limit: limits.heap > 0,
      told: AtomicU64::new(0),
      turn: AtomicU64::new(0),
      orders: AtomicU32::new(0),
      wants_interrupt: AtomicBool::new(false),
      is_full: AtomicBool::new(false),
      end: OnceLock::new(),
    };
    let opening = Opening::new(limits).to_bytes();
    let until = now().saturating_add(u64::try_from(START.as_millis()).unwrap_or(u64::MAX));
    // Told in advance to be there by then.
    remote
      .told
      .store(until.saturating_sub(GRACE), Ordering::Release);
    let head = Head::new(kind::OPEN, 0, &[&opening]);
    let greeted = remote
      .send(head, &[&opening])
      .and_then(|()| remote.receive());
    match greeted {
      Ok((head, _)) if head.kind == kind::READY => {
        remote.told.store(0, Ordering::Release);
        Ok(remote)
      }
      _ => {
        remote.finish();
        Err(remote.end.get().cloned().unwrap_or_default())
      }
    }
  }

  pub fn id(&self) -> u32 {
    self.process
  }

  /// Why it has ended, if it has.
  pub fn end(&self) -> Option<&str> {
    self.end.get().map(String::as_str)
  }

  /// Whether its memory was full.
  pub fn is_full(&self) -> bool {
    self.is_full.load(Ordering::Acquire)
  }

  /// Has it end what it does, from any thread. If it does not, whoever waits for it ends the process.
  pub fn terminate(&self) {
    let _ = self
      .told
      .compare_exchange(0, now(), Ordering::AcqRel, Ordering::Acquire);
    self.order(order::TERMINATE);
  }

  /// What was terminated may go on. The frame comes behind all orders that are under way.
  pub fn resume(&self) {
    self.told.store(0, Ordering::Release);
    let orders = self.orders.load(Ordering::Acquire);
    self.tell(Head::new(kind::RESUME, orders, &[]), &[]);
  }

  /// Has the thread that waits for it look at its signals: they are not meant for the process.
  pub fn interrupt(&self) {
    self.wants_interrupt.store(true, Ordering::Release);
  }

  pub fn check_heap(&self) {
    if self.has_heap_limit && self.turn.load(Ordering::Acquire) != 0 {
      self.order(order::CHECK_HEAP);
    }
  }

  /// Asks, and answers what it asks, until its result is there.
  pub fn ask(&self, kind: u8, number: u32, parts: &[&[u8]], out: &mut Bytes) -> c_int {
    if self.end.get().is_some() {
      return status::TERMINATED;
    }
    self
      .exchange(kind, number, parts, out)
      .unwrap_or_else(|Gone| {
        self.finish();
        status::TERMINATED
      })
  }

  fn exchange(
    &self,
    kind: u8,
    number: u32,
    parts: &[&[u8]],
    out: &mut Bytes,
  ) -> Result<c_int, Gone> {
    self.send(Head::new(kind, number, parts), parts)?;
    loop {
      let (head, bytes) = self.receive()?;
      match head.kind {
        kind::RESULT => {
          if head.number != 0 {
            self.is_full.store(true, Ordering::Release);
          }
          // SAFETY: the bytes are `malloc`'s, as all `Bytes` are.
          unsafe { out.set(&bytes) };
          return Ok(head.status);
        }
        kind::HOST_CALL => {
          let mut given = Bytes::new();
          let code = (self.call)(self.user, head.number, Span::of(&bytes), &raw mut given);
          let given = given.as_slice();
          let answer = Head {
            status: code,
            ..Head::new(kind::ANSWER, 0, &[given])
          };
          self.send(answer, &[given])?;
        }
        _ => return Err(Gone),
      }
    }
  }

  fn send(&self, head: Head, parts: &[&[u8]]) -> Result<(), Gone> {
    let mut frame = head.to_bytes().to_vec();
    for part in parts {
      frame.extend_from_slice(part);
    }
    // It has to read from here on.
    self.turn.store(now(), Ordering::Release);
    let mut left = frame.as_slice();
    while !left.is_empty() {
      // Without a signal where nobody is there to read.
      // SAFETY: as many bytes as it says.
      let sent = unsafe {
        libc::send(
          self.data.as_raw_fd(),
          left.as_ptr().cast(),
          left.len(),
          libc::MSG_NOSIGNAL,
        )
      };
      match usize::try_from(sent) {
        Ok(sent) => left = &left[sent..],
        Err(_) => match io::Error::last_os_error().kind() {
          io::ErrorKind::WouldBlock => self.wait(libc::POLLOUT)?,
          io::ErrorKind::Interrupted => {}
          _ => return Err(Gone),
        },
      }
    }
    Ok(())
  }

  fn receive(&self) -> Result<(Head, Vec<u8>), Gone> {
    let frame = frames::read(&mut Patient(self), self.most)?;
    self.turn.store(0, Ordering::Release);
    Ok(frame)
  }

  /// Waits for the process, but no longer than it may take.
  fn wait(&self, events: i16) -> Result<(), Gone> {
    loop {
      let mut polled = libc::pollfd {
        fd: self.data.as_raw_fd(),
        events,
        revents: 0,
      };
      // SAFETY: one structure.
      let ready = unsafe { libc::poll(&raw mut polled, 1, LOOK) };
      if ready > 0 {
        return Ok(());
      }
      if self.wants_interrupt.swap(false, Ordering::AcqRel) {
        (self.interrupted)(self.user);
      }
      if self.is_overdue() {
        return Err(Gone);
      }
    }
  }

  fn is_overdue(&self) -> bool {
    let (told, turn) = (
      self.told.load(Ordering::Acquire),
      self.turn.load(Ordering::Acquire),
    );
    told != 0 && turn != 0 && now() >= told.max(turn).saturating_add(GRACE)
  }

  /// Says what asks nothing.
  pub fn tell(&self, head: Head, bytes: &[u8]) {
    if self.end.get().is_none() {
      match self.send(head, &[bytes]) {
        Ok(()) => self.turn.store(0, Ordering::Release),
        Err(Gone) => self.finish(),
      }
    }
  }

  /// An order that JavaScript does not hold up. From any thread, and without waiting.
  fn order(&self, order: u8) {
    // SAFETY: one byte.
    let sent = unsafe {
      libc::send(
        self.control.as_raw_fd(),
        ptr::from_ref(&order).cast(),
        1,
        libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
      )
    };
    if sent == 1 {
      self.orders.fetch_add(1, Ordering::AcqRel);
    }
  }

  /// Ends the process, if it has not done so itself, and finds out why.
  pub fn finish(&self) {
    if self.end.get().is_some() {
      return;
    }
    let was_late = self.is_overdue();
    let mut child = lock(&self.child);
    let _ = child.kill();
    let status = child.wait();
    drop(child);
    let how = match status {
      _ if was_late => "It did not stop when it was told to, and was killed".to_owned(),
      Ok(status) => match (status.code(), status.signal()) {
        (Some(code), _) => format!("It has ended with code {code}"),
        (None, Some(signal)) => format!("It was ended by signal {signal}"),
        (None, None) => "It has ended".to_owned(),
      },
      Err(error) => format!("It is gone ({error})"),
    };
    let said = lock(&self.stderr).take().map(said).unwrap_or_default();
    let _ = self.end.set(if said.is_empty() {
      format!("{how}.")
    } else {
      format!("{how}: {said}.")
    });
  }
}

/// Reads without blocking, and waits.
struct Patient<'a>(&'a Remote);

impl Read for Patient<'_> {
  fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
    loop {
      match (&self.0.data).read(into) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => self
          .0
          .wait(libc::POLLIN)
          .map_err(|Gone| io::Error::from(io::ErrorKind::TimedOut))?,
        outcome => return outcome,
      }
    }
  }
}

/// The line of what it has said that tells most.
fn said(stderr: ChildStderr) -> String {
  let stderr = OwnedFd::from(stderr);
  let mut file = std::fs::File::from(stderr);
  // A pipe holds no more, and there is nobody who could write to it any more.
  let mut bytes = vec![0; 64 << 10];
  let count = file.read(&mut bytes).unwrap_or_default();
  let text = String::from_utf8_lossy(&bytes[..count]);
  let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
  let first = lines.clone().next();
  lines
    .find(|line| line.starts_with("amphis:") || line.starts_with("FATAL ERROR"))
    .or(first)
    .unwrap_or_default()
    .trim_end_matches('.')
    .to_owned()
}

fn spawn(data: OwnedFd, control: OwnedFd) -> Result<Child, String> {
  let Some(facts) = node::facts() else {
    return Err("JavaScript has not said which Node.js this is.".to_owned());
  };
  let engine = engine::path_for(facts)?;
  let addon = engine::own_path().ok_or("The file of amphis' addon was not found.")?;
  let mut command = Command::new(&facts.program);
  command
    .args(["--no-warnings", "-e", PROGRAM])
    .args([addon.as_os_str(), engine.as_os_str()])
    .arg(facts.to_json())
    // Secrets of this process are none of its business.
    .env_clear()
    .envs(
      PASSED_ON
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?))),
    )
    // The addon asks for Python's symbols when it is loaded.
    .env("LD_PRELOAD", engine::libpython().unwrap_or_default())
    // Ctrl+C in a terminal is for this process.
    .process_group(0)
    .stdin(Stdio::from(data))
    .stdout(Stdio::from(control))
    .stderr(Stdio::piped());
  command
    .spawn()
    .map_err(|error| format!("The process of the runtime does not start ({error})."))
}
