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
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use pyo3::prelude::*;

use crate::base::lock::lock;
use crate::bridge::bytes::Memory;

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

/// A thread that is blocked.
pub struct Waiter {
  pub host: u32,
  /// It is one of the pool, for which the end of Python waits.
  of_pool: bool,
  inbox: Mutex<Inbox>,
  changed: Condvar,
}

impl Waiter {
  /// Waits for something to happen, without the GIL.
  pub fn wait(&self, deadline: Option<Instant>) -> Event {
    let mut inbox = lock(&self.inbox);
    loop {
      if let Some(visitor) = inbox.visitors.pop_front() {
        return Event::Visitor(visitor);
      }
      if let Some(answer) = inbox.answer.take() {
        return Event::Answer(answer);
      }
      if inbox.gone {
        return Event::Gone;
      }
      if inbox.ending {
        return Event::Ending;
      }
      inbox = match deadline {
        None => self
          .changed
          .wait(inbox)
          .unwrap_or_else(PoisonError::into_inner),
        Some(deadline) => {
          let left = deadline.saturating_duration_since(Instant::now());
          if left.is_zero() {
            return Event::TimedOut;
          }
          self
            .changed
            .wait_timeout(inbox, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0
        }
      };
    }
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
    changed: Condvar::new(),
  });
  (add(Waiting::Thread(Arc::clone(&waiter))), waiter)
}

/// The thread waits no more, for whatever reason. Returns who was put before it and has not been run.
pub fn remove_thread(number: u32, waiter: &Waiter) -> VecDeque<Visitor> {
  drop(remove(number));
  waiter.leave()
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
  lock(&waiter.inbox).answer = Some(Payload { bytes, buffers });
  waiter.changed.notify_one();
  Ok(())
}

/// JavaScript's thread: puts a call before the thread that is blocked in the call that it came from. What is returned has
/// to be sent like any other: that thread is not there, or no more.
pub fn visit(number: u32, host: u32, visitor: Visitor) -> Result<(), Visitor> {
  let waiter = match lock(&WAITING).as_ref().and_then(|table| table.get(&number)) {
    Some(Waiting::Thread(waiter)) if waiter.host == host => Arc::clone(waiter),
    _ => return Err(visitor),
  };
  {
    let mut inbox = lock(&waiter.inbox);
    if inbox.left || inbox.answer.is_some() || inbox.gone {
      return Err(visitor);
    }
    inbox.visitors.push_back(visitor);
  }
  waiter.changed.notify_one();
  Ok(())
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
    lock(&waiter.inbox).ending = true;
    waiter.changed.notify_one();
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
    lock(&waiter.inbox).gone = true;
    waiter.changed.notify_one();
  }
  tasks
}
