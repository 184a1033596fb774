//! CPython in this process: its start and end, its event loop and what that does for others, and apps' modules.

pub mod adoption;
pub mod binding;
pub mod collector;
pub mod event_loop;
pub mod exceptions;
pub mod importer;
pub mod interpreter;
pub mod logging;
pub mod original;
pub mod pacing;
pub mod signals;
pub mod sources;
mod task_register;
pub mod tasks;
mod title;
