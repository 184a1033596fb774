//! The thread that a runtime gets while something asynchronous is under way in it: it runs jobs and timers.
//!
//! It is born when there is something to do, and gone once there has been nothing for a while. It does not hold the GIL,
//! nor its own lock while it does anything.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::abi::{Bytes, Isolate, Table, status};
use super::awake::Awake;
use super::call::{self, Failure, For};
use super::core::{Core, End};
use super::counts::Kind;
use super::deadline::Deadline;
use super::entry::Refusal;
use super::owner::Owner;
use super::pending::{Pending, Settled};
use super::timer::Timers;
use super::watchdog::expire;
use super::work;
use crate::base::lock::lock;

/// How long a thread waits for something to do.
const IDLE: Duration = Duration::from_secs(2);
/// As much as Python's threads have.
const STACK: usize = 8 * 1024 * 1024;

type Inside = Box<dyn FnOnce(&Table, Isolate, &mut Bytes) -> c_int + Send>;

/// What is done inside of the runtime, without the GIL, and what is done by Python, outside of it.
pub enum Run {
  Inside(Inside),
  Outside(Box<dyn FnOnce(Python<'_>) + Send>),
}

pub struct Job {
  pub run: Run,
  /// Whom the outcome is for, if anybody.
  pub pending: Option<Arc<Pending>>,
  pub owner: Option<Arc<Owner>>,
  /// As what it counts, if it does.
  pub kind: Option<Kind>,
}

#[derive(Default)]
struct State {
  jobs: VecDeque<Job>,
  timers: Timers,
  has_tasks: bool,
  /// It lives on without anything to do.
  is_kept: bool,
  is_alive: bool,
  /// The thread waits for something to do, and has to be woken.
  is_asleep: bool,
  is_stopped: bool,
  /// The job that runs, and the number of its watch.
  running: Option<(Option<Arc<Pending>>, u64)>,
  /// A timer has come after the last job, so that neither keeps the other from its turn.
  is_jobs_turn: bool,
}

#[derive(Default)]
pub struct Driver {
  state: Mutex<State>,
  changed: Condvar,
  pub awake: Awake,
}

enum Next {
  Job(Job),
  Timer(u32, Option<Arc<Owner>>),
  Tasks,
}

impl Driver {
  /// Whether jobs or timers wait.
  pub fn is_busy(&self) -> bool {
    let state = lock(&self.state);
    !state.jobs.is_empty() || !state.timers.is_empty() || state.running.is_some()
  }

  fn change(&self, core: &Arc<Core>, change: impl FnOnce(&mut State)) {
    let (is_born, is_asleep) = {
      let mut state = lock(&self.state);
      if state.is_stopped {
        return;
      }
      change(&mut state);
      let is_born = !std::mem::replace(&mut state.is_alive, true);
      self.awake.has_job(!is_born && !state.is_asleep);
      (is_born, state.is_asleep)
    };
    if !is_born {
      if is_asleep {
        self.changed.notify_all();
      }
      return;
    }
    let core_of_thread = Arc::clone(core);
    let started = thread::Builder::new()
      .name("amphis-js".into())
      .stack_size(STACK)
      .spawn(move || live(&core_of_thread));
    if started.is_err() {
      // The next change tries again.
      lock(&self.state).is_alive = false;
    }
  }

  /// Has the thread live on while it has nothing to do, or not.
  pub fn keep(&self, core: &Arc<Core>, is_kept: bool) {
    self.change(core, |state| state.is_kept = is_kept);
  }

  pub fn submit(&self, core: &Arc<Core>, job: Job) {
    self.change(core, |state| state.jobs.push_back(job));
  }

  pub fn submit_inside(
    &self,
    core: &Arc<Core>,
    owner: Option<Arc<Owner>>,
    run: impl FnOnce(&Table, Isolate, &mut Bytes) -> c_int + Send + 'static,
  ) {
    let job = Job {
      run: Run::Inside(Box::new(run)),
      pending: None,
      owner,
      kind: None,
    };
    self.submit(core, job);
  }

  pub fn submit_outside(&self, core: &Arc<Core>, run: impl FnOnce(Python<'_>) + Send + 'static) {
    let job = Job {
      run: Run::Outside(Box::new(run)),
      pending: None,
      owner: None,
      kind: None,
    };
    self.submit(core, job);
  }

  pub fn set_timer(&self, core: &Arc<Core>, number: u32, after: Duration) {
    let owner = core.work.current();
    self.change(core, |state| state.timers.set(number, after, owner));
  }

  pub fn clear_timer(&self, number: u32) {
    lock(&self.state).timers.clear(number);
  }

  /// V8 wants to be entered.
  pub fn wake(&self, core: &Arc<Core>) {
    self.change(core, |state| state.has_tasks = true);
  }

  /// Nobody wants the outcome any more: what waits is dropped, what runs is terminated.
  pub fn cancel(&self, pending: &Arc<Pending>) {
    let is_it = |other: &Option<Arc<Pending>>| {
      other
        .as_ref()
        .is_some_and(|other| Arc::ptr_eq(other, pending))
    };
    let mut state = lock(&self.state);
    if let Some(place) = state.jobs.iter().position(|job| is_it(&job.pending)) {
      let job = state.jobs.remove(place);
      drop(state);
      drop(job);
    } else if let Some((running, watch)) = &state.running
      && is_it(running)
    {
      expire(*watch);
    }
  }

  /// Begins nothing any more. What was still to come is given back.
  pub fn stop(&self) -> Vec<Arc<Pending>> {
    let (jobs, timers) = {
      let mut state = lock(&self.state);
      state.is_stopped = true;
      (
        std::mem::take(&mut state.jobs),
        std::mem::take(&mut state.timers),
      )
    };
    self.changed.notify_all();
    drop(timers);
    jobs.into_iter().filter_map(|job| job.pending).collect()
  }

  /// Forgets the timers of a context that is gone.
  pub fn clear_timers(&self) {
    let timers = std::mem::take(&mut lock(&self.state).timers);
    drop(timers);
  }

  /// Waits until the thread has ended, without the GIL.
  pub fn wait_for_end(&self, most: Duration) {
    let deadline = Instant::now() + most;
    let mut state = lock(&self.state);
    while state.is_alive {
      let left = deadline.saturating_duration_since(Instant::now());
      if left.is_zero() {
        return;
      }
      state = self
        .changed
        .wait_timeout(state, left)
        .unwrap_or_else(PoisonError::into_inner)
        .0;
    }
  }

  /// What is to be done next; `None` when the thread may go.
  fn next(&self) -> Option<Next> {
    let mut state = lock(&self.state);
    let idle_since = Instant::now();
    let mut idle_until = idle_since + IDLE;
    let (mut is_idle, mut may_linger) = (false, self.awake.lingers());
    loop {
      let found = if state.is_stopped {
        None
      } else {
        find_next(&mut state)
      };
      if found.is_some() {
        if is_idle {
          self.awake.waited(idle_since.elapsed());
        }
        return found;
      }
      is_idle = true;
      let next_timer = state.timers.next();
      if next_timer.is_some() || state.is_kept {
        idle_until = Instant::now() + IDLE;
      }
      let wait = next_timer
        .unwrap_or(idle_until)
        .saturating_duration_since(Instant::now());
      if state.is_stopped || (next_timer.is_none() && !state.is_kept && wait.is_zero()) {
        state.is_alive = false;
        drop(state);
        self.changed.notify_all();
        return None;
      }
      if std::mem::take(&mut may_linger) {
        let jobs = self.awake.jobs();
        drop(state);
        self.awake.linger(jobs, next_timer.map(|_| wait));
        state = lock(&self.state);
        continue;
      }
      state.is_asleep = true;
      state = self
        .changed
        .wait_timeout(state, wait)
        .unwrap_or_else(PoisonError::into_inner)
        .0;
      state.is_asleep = false;
    }
  }

  /// On an event loop's thread, after a job was given: stays awake for what comes of it, where that is soon.
  pub fn await_outcome(
    &self,
    py: Python<'_>,
    posts: u64,
    has_come: impl Fn() -> bool + Send + Sync,
  ) {
    if self.awake.is_worth_awaiting() && lock(&self.state).jobs.len() <= 1 {
      py.detach(|| self.awake.await_outcome(posts, has_come));
    }
  }

  fn set_running(&self, running: Option<(Option<Arc<Pending>>, u64)>) {
    let before = std::mem::replace(&mut lock(&self.state).running, running);
    drop(before);
  }
}

fn find_next(state: &mut State) -> Option<Next> {
  if std::mem::take(&mut state.has_tasks) {
    return Some(Next::Tasks);
  }
  let is_jobs_turn = std::mem::replace(&mut state.is_jobs_turn, true);
  if is_jobs_turn && let Some(job) = state.jobs.pop_front() {
    state.is_jobs_turn = false;
    return Some(Next::Job(job));
  }
  if let Some((number, owner)) = state.timers.take_due(Instant::now()) {
    return Some(Next::Timer(number, owner));
  }
  state.jobs.pop_front().map(Next::Job)
}

/// The whole life of the thread. Python's idea of it is made once, for that takes its time.
fn live(core: &Arc<Core>) {
  let is_attached = Python::try_attach(|py| py.detach(|| run(core))).is_some();
  if !is_attached {
    // Python has ended: nobody waits.
    drop(core.work.driver.stop());
    let _ = core.work.driver.next();
  }
}

fn run(core: &Arc<Core>) {
  while let Some(next) = core.work.driver.next() {
    let job = match next {
      Next::Job(job) => job,
      Next::Timer(number, owner) => timer_job(number, owner),
      Next::Tasks => Job {
        // SAFETY: inside of the runtime.
        run: Run::Inside(Box::new(|table, isolate, _| unsafe {
          (table.run_tasks)(isolate)
        })),
        pending: None,
        owner: None,
        kind: None,
      },
    };
    perform(core, job);
    work::flush(core);
  }
}

fn timer_job(number: u32, owner: Option<Arc<Owner>>) -> Job {
  Job {
    // SAFETY: inside of the runtime, with bytes to write to.
    run: Run::Inside(Box::new(move |table, isolate, out| unsafe {
      (table.fire)(isolate, number, out)
    })),
    pending: None,
    owner,
    kind: None,
  }
}

fn perform(core: &Arc<Core>, job: Job) {
  let Job {
    run,
    pending,
    owner,
    kind,
  } = job;
  let run = match run {
    Run::Inside(run) => run,
    Run::Outside(run) => {
      let _ = Python::try_attach(run);
      return;
    }
  };
  if pending.as_ref().is_some_and(|pending| !pending.is_open()) {
    return;
  }
  // What follows from a call that has come to its end has no deadline of its own any more.
  let now = Instant::now();
  let own = pending
    .as_ref()
    .and_then(|pending| pending.deadline)
    .or_else(|| owner.as_ref().and_then(|owner| owner.deadline));
  let deadline = own
    .filter(|deadline| deadline.now(&core.held) > now || pending.is_some())
    .or_else(|| {
      let timeout = core.timeout()?;
      Deadline::after(timeout, &core.held)
    });
  let whom = For {
    deadline,
    is_main: false,
    pending: pending.as_ref(),
    owner: owner.as_ref(),
  };
  let watched = |watch| {
    core
      .work
      .driver
      .set_running(Some((pending.as_ref().map(Arc::clone), watch)));
  };
  let counting = kind.map(|kind| core.counts.count(kind));
  let outcome = call::inside(core, &whom, watched, run);
  drop(counting);
  core.work.driver.set_running(None);
  let settled = match outcome {
    Ok(outcome) if outcome.status == status::PENDING && pending.is_some() => return,
    Ok(outcome) => {
      if pending.is_none() {
        report(core, &outcome);
      }
      Settled::Outcome(outcome)
    }
    Err(Failure::Refused(Refusal::TimedOut)) => Settled::TimedOut,
    Err(_) => Settled::Ended,
  };
  if let Some(pending) = pending {
    core.work.settle(&pending, settled);
  }
  if core.end() != End::Open {
    work::end(core);
  }
}

/// A timer has thrown, or has run for too long.
fn report(core: &Core, outcome: &call::Outcome) {
  if outcome.status == status::THROWN {
    core.work.report(outcome.out.as_slice());
  }
}
