//! One signal, two who want it: which handler the kernel has, by what Node and Python ask for.
//!
//! | Python asks for | Node listens | the kernel has |
//! | --- | --- | --- |
//! | nothing, or its default | yes | libuv's handler |
//! | nothing, or its default | no | what it had when Python started: Node's default action |
//! | to ignore it | yes | libuv's handler |
//! | to ignore it | no | `SIG_IGN` |
//! | a handler | either | [`forward`], which runs both |
//!
//! Everything but [`forward`] runs on Python's main thread, where `signal.signal` is called. While Python has a handler
//! libuv is kept from the signal ([`guard`]).

use std::ffi::{c_int, c_void};
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use libc::{sigaction, siginfo_t};

use super::action::{
  Dispositions, LAST_SIGNAL, action, errno, is_pythons, set_action, set_errno, take_back,
};
use super::{guard, node_code, nudge};
use crate::base::lock::lock;

/// What a thread itself does raises these: they are nobody's to share.
const OF_A_THREAD: [c_int; 7] = [
  libc::SIGSEGV,
  libc::SIGBUS,
  libc::SIGFPE,
  libc::SIGILL,
  libc::SIGTRAP,
  libc::SIGSYS,
  libc::SIGABRT,
];

/// What [`forward`] reads. Addresses of functions; 0 is none.
struct Line {
  python: AtomicUsize,
  node: AtomicUsize,
  /// Node's wants more than the signal's number.
  node_wants_info: AtomicBool,
  /// How often both were told.
  forwarded: AtomicUsize,
  /// Of these, how many Python has passed on to Node, who knew.
  passed_on: AtomicUsize,
}

static LINES: [Line; LAST_SIGNAL as usize + 1] = [const {
  Line {
    python: AtomicUsize::new(0),
    node: AtomicUsize::new(0),
    node_wants_info: AtomicBool::new(false),
    forwarded: AtomicUsize::new(0),
    passed_on: AtomicUsize::new(0),
  }
}; LAST_SIGNAL as usize + 1];

/// What was installed when Python started.
static FIRST: OnceLock<Dispositions> = OnceLock::new();

/// Node's action of each signal that Python has taken.
static NODES: Mutex<Vec<(c_int, sigaction)>> = Mutex::new(Vec::new());

/// This is a child that Python has forked: there is no Node.
static WITHOUT_NODE: AtomicBool = AtomicBool::new(false);

fn line(signal: c_int) -> Option<&'static Line> {
  usize::try_from(signal).ok().and_then(|at| LINES.get(at))
}

/// Notes what Node has installed before Python starts.
pub fn remember(first: Dispositions) {
  let _ = FIRST.set(first);
}

/// What starting Python has changed since is taken back, of one signal.
pub fn restore_first(signal: c_int) {
  if let Some(first) = FIRST.get().and_then(|first| first.of(signal)) {
    take_back(signal, &first);
  }
}

/// The same of all.
pub fn restore_all() {
  if let Some(first) = FIRST.get() {
    first.take_back_from_python();
  }
}

/// Whether signals are shared: not so under `amphis run`, where they are Python's.
pub fn is_used() -> bool {
  FIRST.get().is_some()
}

/// Whether Node and Python can share this signal.
pub fn can_be(signal: c_int) -> bool {
  (1..=LAST_SIGNAL).contains(&signal) && !OF_A_THREAD.contains(&signal)
}

/// Whether this is a child that Python has forked.
pub fn is_without_node() -> bool {
  WITHOUT_NODE.load(Ordering::Acquire)
}

/// Whether somebody in this process but Python and Node's own default listens to the signal now.
pub fn node_listens(signal: c_int) -> bool {
  let Some(now) = action(signal) else {
    return false;
  };
  match now.sa_sigaction {
    libc::SIG_DFL | libc::SIG_IGN => false,
    handler if Some(handler) == guard::handler() => true,
    handler => !node_code::contains(handler) && !is_forward(&now) && !is_pythons(&now),
  }
}

fn is_forward(action: &sigaction) -> bool {
  action.sa_sigaction == (forward as *const ()).addr()
}

/// Whether the action is a function of neither Node nor Python: of another addon, say.
fn is_of_others(action: &sigaction) -> bool {
  !matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN)
    && !node_code::contains(action.sa_sigaction)
    && !is_forward(action)
    && !is_pythons(action)
}

/// Python takes a signal: `install` has CPython install its handler, and both are told from then on.
///
/// # Errors
///
/// Those of `install`; nothing has changed then.
pub fn take<E>(signal: c_int, install: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
  let Some(line) = line(signal) else {
    return install();
  };
  let before = action(signal);
  let is_new = line.python.load(Ordering::Acquire) == 0;
  if is_new
    && let Some(before) = before
    && !is_of_others(&before)
  {
    guard::hold(signal);
  }
  let nodes = action(signal);
  let installed = install();
  if installed.is_err() {
    if is_new && let Some(before) = before {
      guard::release(signal);
      if !node_listens(signal) {
        set_action(signal, &before);
      }
    }
    return installed;
  }
  if is_new && let Some(nodes) = nodes {
    let mut all = lock(&NODES);
    all.retain(|(of, _)| *of != signal);
    all.push((signal, nodes));
    let is_function = !matches!(nodes.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN);
    // Without libuv's functions this may be Node's default action, in whose place Python's comes.
    let is_default = node_code::contains(nodes.sa_sigaction)
      && guard::handler().is_some_and(|handler| handler != nodes.sa_sigaction);
    let address = if is_function && !is_default {
      nodes.sa_sigaction
    } else {
      0
    };
    line
      .node_wants_info
      .store(nodes.sa_flags & libc::SA_SIGINFO != 0, Ordering::Release);
    line.node.store(address, Ordering::Release);
  }
  adopt(signal, line);
  installed
}

/// `install` has CPython install its handler, whose place Node's action takes again at once: what Node listens to by
/// then, on another thread, is kept.
///
/// # Errors
///
/// Those of `install`.
pub fn leave_as_it_is<E>(signal: c_int, install: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
  let Some(before) = action(signal) else {
    return install();
  };
  let is_held = !is_of_others(&before) && guard::hold(signal);
  let nodes = if is_held { action(signal) } else { None };
  let installed = install();
  set_action(signal, &nodes.unwrap_or(before));
  if is_held {
    guard::release(signal);
    let is_default = Some(before.sa_sigaction) != guard::handler();
    if is_default && !node_listens(signal) {
      set_action(signal, &before);
    }
  }
  installed
}

/// Puts [`forward`] in front of the handler that CPython has just installed.
fn adopt(signal: c_int, line: &Line) {
  let Some(mut now) = action(signal) else {
    return;
  };
  if is_forward(&now) || !is_pythons(&now) {
    return;
  }
  line.python.store(now.sa_sigaction, Ordering::Release);
  now.sa_sigaction = (forward as *const ()).addr();
  now.sa_flags |= libc::SA_SIGINFO;
  // As libuv has it: its handler takes a lock that no other handler may meet.
  // SAFETY: fills a set.
  unsafe { libc::sigfillset(&raw mut now.sa_mask) };
  set_action(signal, &now);
}

/// Python asks for no handler any more, but for the default or, if it `ignores`, for nothing: what comes is Node's.
/// What Node wants is asked now.
pub fn give_back(signal: c_int, ignores: bool) {
  let Some(line) = line(signal) else { return };
  let nodes = {
    let mut all = lock(&NODES);
    let at = all.iter().position(|(of, _)| *of == signal);
    at.map(|at| all.swap_remove(at).1)
  };
  if let Some(nodes) = nodes {
    set_action(signal, &nodes);
    guard::release(signal);
  }
  line.python.store(0, Ordering::Release);
  line.node.store(0, Ordering::Release);
  if node_listens(signal) {
    return;
  }
  if ignores {
    // SAFETY: all of it is plain data.
    let mut ignore: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    ignore.sa_sigaction = libc::SIG_IGN;
    set_action(signal, &ignore);
  } else {
    set_action(signal, &default_of(signal));
  }
}

/// What the signal does where nobody listens: as it was when Python started, for Node has defaults of its own.
fn default_of(signal: c_int) -> sigaction {
  let first = FIRST
    .get()
    .and_then(|first| first.of(signal))
    .filter(|first| Some(first.sa_sigaction) != guard::handler());
  // SAFETY: all of it is plain data, whose zeroes are the default action.
  first.unwrap_or_else(|| unsafe { MaybeUninit::zeroed().assume_init() })
}

/// Python has called for Node to be told of a signal. Node is, unless it knows of this one already; where it does not
/// listen any more its default action is done, which may end the process.
pub fn tell_node(signal: c_int) {
  let Some(line) = line(signal) else { return };
  if line.python.load(Ordering::Acquire) == 0 {
    // The kernel has what is Node's.
    raise(signal);
    return;
  }
  let forwarded = line.forwarded.load(Ordering::Acquire);
  let knows = line.passed_on.swap(forwarded, Ordering::AcqRel) != forwarded;
  if !still_listens(signal) {
    let forward = action(signal);
    guard::release(signal);
    set_action(signal, &default_of(signal));
    raise(signal);
    guard::hold(signal);
    if let Some(forward) = forward {
      set_action(signal, &forward);
    }
  } else if !knows {
    // libuv's handler is to be run with all signals blocked.
    let mask = block_all();
    run(line.node.load(Ordering::Acquire), signal);
    restore(&mask);
  }
}

/// Whether anybody but our guard asks libuv for the signal: it is released for a moment.
fn still_listens(signal: c_int) -> bool {
  let nodes = lock(&NODES)
    .iter()
    .find_map(|(of, nodes)| (*of == signal).then_some(*nodes));
  let (Some(nodes), Some(forward)) = (nodes, action(signal)) else {
    return false;
  };
  if Some(nodes.sa_sigaction) != guard::handler() {
    return is_of_others(&nodes);
  }
  set_action(signal, &nodes);
  guard::release(signal);
  let listens = node_listens(signal);
  guard::hold(signal);
  set_action(signal, &forward);
  listens
}

/// Runs Python's handler and Node's, and interrupts Python's main thread where that is another one. Async-signal-safe.
extern "C" fn forward(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
  let errno = errno();
  // SAFETY: the kernel's own information about this signal.
  let info = unsafe { &mut *info };
  if !nudge::is_one(info)
    && let Some(line) = line(signal)
  {
    line.forwarded.fetch_add(1, Ordering::AcqRel);
    run(line.python.load(Ordering::Acquire), signal);
    let node = line.node.load(Ordering::Acquire);
    if line.node_wants_info.load(Ordering::Acquire) && node != 0 {
      type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
      // SAFETY: the handler that was installed before, of the kind that its flags said.
      let node = unsafe { mem::transmute::<usize, Handler>(node) };
      node(signal, info, context);
    } else {
      run(node, signal);
    }
    nudge::pass_on(signal, info);
  }
  set_errno(errno);
}

/// Runs a handler that wants the signal's number only; 0 is none.
fn run(handler: usize, signal: c_int) {
  if handler != 0 {
    // SAFETY: it was installed for this signal, of the kind without further information.
    let handler = unsafe { mem::transmute::<usize, extern "C" fn(c_int)>(handler) };
    handler(signal);
  }
}

fn raise(signal: c_int) {
  // SAFETY: sends a signal to the calling thread.
  unsafe { libc::raise(signal) };
}

fn block_all() -> libc::sigset_t {
  let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
  // SAFETY: `sigfillset` makes the set valid, the other is filled in.
  unsafe {
    libc::sigfillset(all.as_mut_ptr());
    libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    before.assume_init()
  }
}

fn restore(mask: &libc::sigset_t) {
  // SAFETY: a set that the kernel has reported.
  unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, ptr::from_ref(mask), ptr::null_mut()) };
}

/// In a child that was just forked: what is Node's goes back to the default, what is Python's stays. Async-signal-safe,
/// with all signals blocked.
pub fn part_from_node() {
  WITHOUT_NODE.store(true, Ordering::Release);
  for signal in 1..=LAST_SIGNAL {
    let Some(mut now) = action(signal) else {
      continue;
    };
    if is_forward(&now) {
      now.sa_sigaction =
        line(signal).map_or(libc::SIG_DFL, |line| line.python.load(Ordering::Acquire));
      now.sa_flags &= !libc::SA_SIGINFO;
    } else if node_code::contains(now.sa_sigaction) {
      now.sa_sigaction = libc::SIG_DFL;
      now.sa_flags = 0;
    } else {
      continue;
    }
    set_action(signal, &now);
  }
}
