//! ASGI 3.0 as the app sees it. Everything here runs on the Python thread, attached to the interpreter.

pub mod awaitable;
pub mod cycle;
pub mod lifespan;
pub mod message;
pub mod scope;
