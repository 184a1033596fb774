//! Calls between the two languages: JavaScript that calls Python's functions, Python that calls the host's JavaScript.
//!
//! # Who may call what from which thread
//!
//! * JavaScript never waits: a call is a command in the inbox (`bridge/inbox.rs`), its answer a record in the outbox.
//!   The one exception to the inbox: what a chain of calls brings back to a thread of Python's that is blocked in it
//!   is put before that very thread (`waiters.rs`), on which it runs.
//! * A call of JavaScript's is read on the thread of the loop. `async def` functions run on the loop, in an eager task;
//!   everything else that may take long runs on the threads of `pool.rs`, which grow in number while some are blocked.
//! * A call of Python's is written by any thread that holds the GIL (`outgoing.rs`). A task awaits a future of its own
//!   loop, which the loop's thread settles; a thread waits in `waiters.rs`, without the GIL, and is woken by
//!   JavaScript's thread itself.
//! * Whoever drops a proxy, on whatever thread, only writes a record or a command: nothing enters the other language.
//!
//! # Whose a call is
//!
//! Every call belongs to an [`owner::Owner`]: a `Python` or a `PythonHandler` of one environment. Numbers of objects mean
//! something within their owner only, and end with it.
//!
//! # Locks
//!
//! Those of `owner.rs`, `exports.rs`, `waiters.rs` and `pool.rs` are held for a look or a change, never across a call
//! into Python: what is dropped is taken out first, and dropped without them.

mod attribute;
mod call;
pub mod context;
pub mod ending;
pub mod exports;
mod handles;
pub mod incoming;
mod members;
pub mod opening;
pub mod outgoing;
pub mod owner;
pub mod package;
pub mod pool;
mod proxy;
mod remote;
mod reply;
mod running;
mod support;
pub mod waiters;
