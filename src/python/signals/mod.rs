//! Signals where two runtimes share them. Each signal has one handler a process, and both Node and CPython take it for
//! theirs.
//!
//! * Node's libuv has a handler for each signal that JavaScript listens to, which writes to pipes of its loops.
//! * CPython's handler sets a flag, which Python's main thread looks at between two steps of bytecode.
//!
//! In a served process [`functions`] stand before `signal.signal` and `signal.getsignal`: what Python takes is shared
//! ([`shared`]), so that both are told. What a child that Python forks would inherit of Node's is put back in
//! [`forked`], and V8 keeps the SIGSEGV of WebAssembly in [`crash`]. Under `amphis run` signals are Python's alone: see the room `run`.

pub mod action;
pub mod crash;
pub mod forked;
pub mod functions;
pub mod guard;
pub mod node_code;
pub mod nudge;
pub mod shared;
