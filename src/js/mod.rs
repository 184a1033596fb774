//! Isolated JavaScript runtimes for Python: `amphis.js`.
//!
//! Each is an isolate of the V8 that is in the process anyway. What is C++ of it is the engine (`src/engine/`), a library
//! of its own for each binary interface of Node.js, behind a table of C functions (`abi.rs`).
//!
//! # Threads
//!
//! * A call runs on the thread of Python's that makes it, without the GIL; a callback takes the GIL on that very thread. So
//!   there is no hand-over, thread-locals and context variables are the caller's, and JavaScript that calls Python that
//!   calls JavaScript is one stack.
//! * Only where that stack is too short, or is a greenlet's that can be moved, the call runs on a thread of its own while
//!   the caller's waits.
//! * What is asynchronous runs on a thread of the runtime's own (`driver.rs`), which there is only while something is under
//!   way. Event loops are woken by `call_soon_threadsafe`, once for all that a job has settled.
//! * One more runtime is made ready by a thread that does nothing else (`spare.rs`).
//! * Node's JavaScript threads enter no runtime. What debuggers say comes on one of them, and is left in a mailbox
//!   (`inspector.rs`, `src/engine/inspector.h`); the thread that runs JavaScript reads it, or the runtime's own.
//! * A thread that a debugger holds waits without the GIL, and outside of the exit gate. The clock of all deadlines of the
//!   runtime stands meanwhile (`deadline.rs`).
//!
//! # Rules
//!
//! 1. The order is: the runtime's entry (`entry.rs`), V8's locker, the GIL. Nobody waits for a runtime with the GIL held,
//!    and no lock but the entry is held across code of Python's.
//! 2. Waiting for the entry ends by the call's timeout, by `terminate()` and `close()`, and by Ctrl+C.
//! 3. V8 is read without the GIL, and Python's objects are made without V8: a getter that loops freezes nobody.
//! 4. Whoever drops a handle only makes a note; the next call tells V8 (`Core::forget_released`). Runtimes are freed by
//!    `close()`, or by the reaper.
//! 5. Every way into V8 passes the exit gate (`src/engine/exit_gate.cc`). A forked child has none.
#![cfg_attr(
  test,
  allow(dead_code, reason = "what Node-API calls is left out of test binaries")
)]

mod abi;
mod asynchronous;
mod awake;
mod beginning;
mod call;
mod callback;
mod config;
mod core;
mod counts;
mod deadline;
mod default_snapshot;
mod defining;
mod driver;
pub mod ending;
pub mod engine;
mod entry;
pub mod errors;
mod flow;
mod frames;
mod function;
mod function_calls;
mod greenlets;
mod handles;
mod importing;
pub mod inspected;
pub mod inspector;
mod lending;
mod main_thread;
pub mod memory;
pub mod module;
pub mod node;
mod ops;
mod owner;
mod parking;
mod pending;
mod process;
pub mod process_child;
mod promise;
mod reaper;
mod remote;
mod runtime;
mod set_up;
mod snapshot;
mod spare;
mod statistics;
mod step;
mod streams;
mod support;
mod synchronous;
mod timer;
mod watchdog;
mod work;
