//! amphis: Python ASGI apps inside a Node process.
//!
//! # Threads
//!
//! There are three kinds, and one rule for each:
//!
//! * **JavaScript threads** (Node's main thread and its workers) never take the GIL: a busy Python would
//!   freeze Node. What they have to say is appended to the inbox (`bridge/inbox.rs`); what they hear comes as a
//!   batch of records through one weak threadsafe function per environment (`node/delivery.rs`).
//! * **The Python thread** (`python/interpreter/`) runs the asyncio or uvloop loop (`python/event_loop.rs`) and every
//!   app on it. It never calls Node-API except through a host's waker.
//! * **tokio's two threads** carry what waits: start and close of an app, their limits (`lifecycle/`).
//!   They never hold the GIL while they wait. No waker takes the GIL, and no lock is held across a call
//!   into Python: code of the app may run there and come back.
//!
//! # One request
//!
//! `node/handler.rs` appends head and small body to the inbox and wakes the loop if it sleeps; `dispatch/` builds the
//! scope (`asgi/scope.rs`) and starts the app on a cycle (`asgi/http_cycle.rs`); the app's `send` appends
//! records to the outbox, and JavaScript is woken once for many of them. A small response is one record.
//! A WebSocket goes the same way, a record for each message (`asgi/websocket_cycle.rs`).
//!
//! # Rooms
//!
//! `node` touches Node-API and nobody else does; `bridge` is where it and Python meet. A room may know those below it
//! only: `node`, `lifecycle` and `run`, `dispatch`, `asgi`, `calls`, `js`, `python`, `values`, `bridge`, `base`. `npm run lint` holds that, by the
//! table in `scripts/lib/rooms.mjs`.

mod asgi;
mod base;
mod bridge;
mod calls;
mod dispatch;
mod js;
mod lifecycle;
mod node;
mod python;
mod run;
mod values;
