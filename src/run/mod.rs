//! `amphis run`: plain Python, as the `python` program runs it, inside the Node process.
//!
//! # Threads
//!
//! Node's main thread keeps its event loop; Python has a thread of its own, which is Python's main thread. There
//! `Py_RunMain` does what it does in the `python` program, from reading the command line to finalising, so arguments,
//! `sys.path`, `__main__`, tracebacks and exit codes need no imitation. The two threads meet twice: JavaScript starts
//! Python ([`program::start`]), and Python's end is the process' end ([`exit`]). In between nothing of ours runs.
//!
//! Signals are Python's here, all of them: [`signals`].

pub mod calls;
pub mod exit;
mod fork;
#[cfg(target_os = "linux")]
mod other_threads;
pub mod program;
mod signal_set;
mod signals;
