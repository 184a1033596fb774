//! Who waits for an answer of JavaScript: tasks, by a future of their loop, and threads that are blocked.
//!
//! JavaScript's thread hands an answer straight to a thread that waits for it. It does the same with what the call has
//! led to on its side: a call of Python that comes out of the call that the thread is blocked in is put before that
//! thread, which runs it where it is. So a chain of calls is one stack on one thread, however often it goes back and
//! forth, and needs no other.
//!
//! The table is locked for a look or a change, a waiter's own lock likewise; neither thread holds one while it does
//! anything else, and Python's waits without the GIL.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::base::lock::lock;
use crate::base::spin::{Streak, spin};
use crate::bridge::bytes::Memory;

/// How long a thread looks for what it waits for before it sleeps, where that has come so soon of late: to wake takes as
/// long as many a function.
const AWAIT: Duration = Duration::from_micros(100);

/// Of the waits of all threads.
static QUICK: Streak = Streak::new();

/// Bytes of an answer or a call, and the buffers that belong to them.
pub struct Payload {
  pub bytes: Box<[u8]>,
  pub buffers: Vec<Memory>,
}

/// A call of JavaScript's that a blocked thread is to run.
pub struct Visitor {
  pub owner: u32,
  pub call: u32,
  pub payload: Payload,
}

/// What a blocked thread is woken for.
pub enum Event {
  Answer(Payload),
  Visitor(Visitor),
  /// The environment has gone.
  Gone,
  /// Python is about to end.
  Ending,
  TimedOut,
}

#[derive(Default)]
struct Inbox {
  answer: Option<Payload>,
  visitors: VecDeque<Visitor>,
  gone: bool,
  ending: bool,
  /// The thread has left: what comes now has to go elsewhere.
  left: bool,
}

impl Inbox {
  fn is_empty(&self) -> bool {
    self.visitors.is_empty() && self.answer.is_none() && !self.gone && !self.ending
  }

  fn take(&mut self) -> Option<Event> {
    if let Some(visitor) = self.visitors.pop_front() {
      return Some(Event::Visitor(visitor));
    }
    if let Some(answer) = self.answer.take() {
      return Some(Event::Answer(answer));
    }
    if self.gone {
      return Some(Event::Gone);
    }
    self.ending.then_some(Event::Ending)
  }
}

/// A thread that is blocked.
pub struct Waiter {
  pub host: u32,
  /// It is one of the pool, for which the end of Python waits.
  of_pool: bool,
  inbox: Mutex<Inbox>,
  /// There is something in it, for a thread that looks and does not sleep yet.
  has_come: AtomicBool,
  changed: Condvar,
}

impl Waiter {
  /// Waits for something to happen, without the GIL.
  pub fn wait(&self, deadline: Option<Instant>) -> Event {
    let begun = Instant::now();
    let may_look = QUICK.is_on() && is_only_one();
    let mut inbox = lock(&self.inbox);
    if may_look && inbox.is_empty() {
      self.has_come.store(false, Ordering::Relaxed);
      drop(inbox);
      let most = deadline.map_or(AWAIT, |deadline| deadline.duration_since(begun));
      spin(most.min(AWAIT), || self.has_come.load(Ordering::Acquire));
      inbox = lock(&self.inbox);
    }
    let event = loop {
      if let Some(event) = inbox.take() {
        break event;
      }
      inbox = match deadline {
        None => self
          .changed
          .wait(inbox)
          .unwrap_or_else(PoisonError::into_inner),
        Some(deadline) => {
          let left = deadline.saturating_duration_since(Instant::now());
          if left.is_zero() {
            break Event::TimedOut;
          }
          self
            .changed
            .wait_timeout(inbox, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0
        }
      };
    };
    drop(inbox);
    QUICK.came(begun.elapsed() < AWAIT);
    event
  }

  /// For another thread: changes what it waits for, and wakes it.
  fn tell(&self, change: impl FnOnce(&mut Inbox)) {
    let mut inbox = lock(&self.inbox);
    change(&mut inbox);
    self.has_come.store(true, Ordering::Release);
    drop(inbox);
    self.changed.notify_one();
  }

  /// The thread waits no more. Returns who has come too late.
  fn leave(&self) -> VecDeque<Visitor> {
    let mut inbox = lock(&self.inbox);
    inbox.left = true;
    std::mem::take(&mut inbox.visitors)
  }
}

/// A task that awaits a future.
pub struct Awaiting {
  pub host: u32,
  pub owner: u32,
  pub future: Py<PyAny>,
  /// The future's loop, unless that is amphis' own.
  pub other_loop: Option<Py<PyAny>>,
}

enum Waiting {
  Thread(Arc<Waiter>),
  Task(Awaiting),
}

static WAITING: Mutex<Option<HashMap<u32, Waiting>>> = Mutex::new(None);
static LAST: AtomicU32 = AtomicU32::new(0);

fn add(waiting: Waiting) -> u32 {
  let mut table = lock(&WAITING);
  let table = table.get_or_insert_with(HashMap::new);
  loop {
    let number = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    if number != 0 && !table.contains_key(&number) {
      table.insert(number, waiting);
      return number;
    }
  }
}

fn remove(number: u32) -> Option<Waiting> {
  lock(&WAITING).as_mut()?.remove(&number)
}

/// A number for a call that a task awaits the answer to.
pub fn add_task(awaiting: Awaiting) -> u32 {
  add(Waiting::Task(awaiting))
}

/// A number for a call that this thread is to wait for.
pub fn add_thread(host: u32, of_pool: bool) -> (u32, Arc<Waiter>) {
  let waiter = Arc::new(Waiter {
    host,
    of_pool,
    inbox: Mutex::default(),
    has_come: AtomicBool::new(false),
    changed: Condvar::new(),
  });
  (add(Waiting::Thread(Arc::clone(&waiter))), waiter)
}

/// The thread waits no more, for whatever reason. Returns who was put before it and has not been run.
pub fn remove_thread(number: u32, waiter: &Waiter) -> VecDeque<Visitor> {
  drop(remove(number));
  waiter.leave()
}

/// Whether one thread, or task, waits. Several would take the processors from those that they wait for.
fn is_only_one() -> bool {
  lock(&WAITING)
    .as_ref()
    .is_some_and(|table| table.len() == 1)
}

/// Whether nobody waits.
pub fn is_empty() -> bool {
  lock(&WAITING).as_ref().is_none_or(HashMap::is_empty)
}

/// The task that awaits this call, which is answered now.
pub fn take_task(number: u32) -> Option<Awaiting> {
  match remove(number)? {
    Waiting::Task(awaiting) => Some(awaiting),
    Waiting::Thread(_) => None,
  }
}

/// JavaScript's thread: answers a thread that waits. Where none does the buffers come back, and all is to be sent to the
/// loop's thread.
pub fn answer_thread(number: u32, bytes: &[u8], buffers: Vec<Memory>) -> Result<(), Vec<Memory>> {
  let waiter = match lock(&WAITING).as_ref().and_then(|table| table.get(&number)) {
    Some(Waiting::Thread(waiter)) => Arc::clone(waiter),
    _ => return Err(buffers),
  };
  let bytes = bytes.into();
  waiter.tell(|inbox| inbox.answer = Some(Payload { bytes, buffers }));
  Ok(())
}

/// JavaScript's thread: puts a call before the thread that is blocked in the call that it came from. What is returned has
/// to be sent like any other: that thread is not there, or no more.
pub fn visit(number: u32, host: u32, visitor: Visitor) -> Result<(), Visitor> {
  let waiter = match lock(&WAITING).as_ref().and_then(|table| table.get(&number)) {
    Some(Waiting::Thread(waiter)) if waiter.host == host => Arc::clone(waiter),
    _ => return Err(visitor),
  };
  let mut visitor = Some(visitor);
  waiter.tell(|inbox| {
    if !inbox.left && inbox.answer.is_none() && !inbox.gone {
      inbox.visitors.extend(visitor.take());
    }
  });
  visitor.map_or(Ok(()), Err)
}

/// Python is about to end: threads of the pool wait no more.
pub fn end_pool() {
  let threads: Vec<_> = lock(&WAITING)
    .iter()
    .flatten()
    .filter_map(|(_, waiting)| match waiting {
      Waiting::Thread(waiter) if waiter.of_pool => Some(Arc::clone(waiter)),
      _ => None,
    })
    .collect();
  for waiter in threads {
    waiter.tell(|inbox| inbox.ending = true);
  }
}

/// An environment goes away: nobody answers any more. Threads are woken; the tasks are returned.
pub fn host_goes(host: u32) -> Vec<Awaiting> {
  let mut tasks = Vec::new();
  let mut threads = Vec::new();
  if let Some(table) = lock(&WAITING).as_mut() {
    let gone: Vec<u32> = table
      .iter()
      .filter(|(_, waiting)| match waiting {
        Waiting::Thread(waiter) => waiter.host == host,
        Waiting::Task(awaiting) => awaiting.host == host,
      })
      .map(|(number, _)| *number)
      .collect();
    for number in gone {
      match table.remove(&number) {
        Some(Waiting::Thread(waiter)) => threads.push(waiter),
        Some(Waiting::Task(awaiting)) => tasks.push(awaiting),
        None => {}
      }
    }
  }
  for waiter in threads {
    waiter.tell(|inbox| inbox.gone = true);
  }
  tasks
}
