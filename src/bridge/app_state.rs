//! What requests count on while they run: which handler they belong to, and whether it still takes any.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The part of a handler that its requests and WebSockets know.
pub struct AppState {
  /// That of the handler.
  pub index: u32,
  /// The environment that it belongs to.
  pub host: u32,
  /// New requests are refused.
  closing: AtomicBool,
  /// Who sends events is told that the server is to stop.
  ending_events: AtomicBool,
  /// Requests whose app has not returned. Changed on the Python thread only.
  active: AtomicUsize,
  /// Notified each time `active` reaches zero while `closing`.
  idle: Notify,
}

impl AppState {
  pub fn new(index: u32, host: u32) -> Self {
    Self {
      index,
      host,
      closing: AtomicBool::new(false),
      ending_events: AtomicBool::new(false),
      active: AtomicUsize::new(0),
      idle: Notify::new(),
    }
  }

  pub fn is_closing(&self) -> bool {
    self.closing.load(Ordering::Acquire)
  }

  pub fn request_started(&self) {
    self.active.fetch_add(1, Ordering::AcqRel);
  }

  pub fn request_finished(&self) {
    if self.active.fetch_sub(1, Ordering::AcqRel) == 1 && self.is_closing() {
      self.idle.notify_waiters();
    }
  }

  pub fn ends_events(&self) -> bool {
    self.ending_events.load(Ordering::Acquire)
  }

  pub fn end_events(&self) {
    self.ending_events.store(true, Ordering::Release);
  }

  pub fn start_closing(&self) {
    self.end_events();
    self.closing.store(true, Ordering::Release);
  }

  /// Waits until no request is running. Call after [`Self::start_closing`].
  pub async fn drained(&self) {
    loop {
      let idle = self.idle.notified();
      tokio::pin!(idle);
      // Registered before the look, so that no notification is missed.
      idle.as_mut().enable();
      if self.active.load(Ordering::Acquire) == 0 {
        return;
      }
      idle.await;
    }
  }
}
