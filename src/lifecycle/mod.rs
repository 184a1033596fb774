//! Starting and ending: Python itself, one app, one environment.
//!
//! All of it waits for something, so it runs as tokio tasks, which send jobs to the Python thread and wait
//! for their answers without holding the GIL.

pub mod answer;
pub mod calls;
pub mod close;
mod jobs;
pub mod leave;
pub mod python;
pub mod start;
