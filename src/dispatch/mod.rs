//! The one place that turns what JavaScript sends into running apps and events for them.

mod cycles;
mod drain;
mod execute;
pub mod handlers;

pub use self::cycles::of_app;
pub use self::drain::prepare;
