//! amphis: Python ASGI apps inside a Node process.
//!
//! # Threads
//!
//! There are three kinds, and one rule for each:
//!
//! * **JavaScript threads** (Node's main thread and its workers) never take the GIL: a busy Python would
//!   freeze Node. What they have to say is appended to the inbox (`batch.rs`); what they hear comes as a
//!   batch of records through one weak threadsafe function per environment (`host.rs`).
//! * **The Python thread** (`interpreter.rs`) runs the asyncio or uvloop loop (`event_loop.rs`) and every
//!   app on it. It never calls Node-API except through a host's waker.
//! * **tokio's two threads** carry what waits: start and close of an app, their limits (`lifecycle.rs`).
//!   They never hold the GIL while they wait. No waker takes the GIL, and no lock is held across a call
//!   into Python: code of the app may run there and come back.
//!
//! # One request
//!
//! `handler.rs` appends head and small body to the inbox and wakes the loop if it sleeps; `drain` builds the
//! scope (`asgi/scope.rs`) and starts the app on a cycle (`asgi/http_cycle.rs`); the app's `send` appends
//! records to the outbox, and JavaScript is woken once for many of them. A small response is one record.
//! A WebSocket goes the same way, a record for each message (`asgi/websocket_cycle.rs`).
//!
//! # Layers
//!
//! Only `host.rs` and `handler.rs` touch Node-API; only `asgi/`, `event_loop.rs`, `importer.rs`,
//! `interpreter.rs`, `body.rs`, `lifecycle.rs` and `task.rs` touch Python; `batch.rs`, `bridge.rs` and `wake.rs` are
//! what they meet in.

mod asgi;
mod base;
mod bridge;
mod lifecycle;
mod node;
mod python;
mod run;

use pyo3::prelude::*;

/// The built-in module `_amphis`: the types that apps meet as `receive` and `send`.
#[pymodule]
mod _amphis {
  #[pymodule_export]
  use crate::asgi::awaitable::{Ready, Waiting};
  #[pymodule_export]
  use crate::asgi::http_cycle::HttpCycle;
  #[pymodule_export]
  use crate::asgi::lifespan::LifespanCycle;
  #[pymodule_export]
  use crate::asgi::websocket_cycle::WebSocketCycle;
}

/// Makes `_amphis` importable.
///
/// # Safety
///
/// Before Python is initialised.
unsafe fn register_module() {
  pyo3::append_to_inittab!(_amphis);
}
