pub mod environment;
pub mod handler;
