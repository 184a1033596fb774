//! Where the JavaScript threads and the Python thread meet: two queues, what goes through them, and who wakes whom.

pub mod app_state;
pub mod body;
pub mod bytes;
pub mod command;
pub mod host;
pub mod inbox;
pub mod linger;
pub mod outbox;
mod process;
pub mod record;
pub mod wake;

pub use self::process::{get, open, tokio};
