//! ASGI 3.0 as the app sees it. Everything here runs on the Python thread, attached to the interpreter.

pub mod awaitable;
pub mod cycle;
pub mod extensions;
pub mod file;
pub mod http_cycle;
pub mod lifespan;
pub mod message;
pub mod module;
pub mod owner;
pub mod percent;
pub mod response;
pub mod scope;
pub mod waiters;
pub mod websocket_cycle;
