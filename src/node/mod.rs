//! What touches Node-API: the classes and functions that JavaScript calls, and the way back to it.

pub mod arguments;
mod asking;
pub mod buffers;
mod calls;
pub mod delivery;
mod engine;
pub mod environment;
pub mod handler;
mod inspector;
pub mod masking;
pub mod options;
mod payload;
pub mod python;
pub mod run;
pub mod waker;
