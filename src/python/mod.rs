pub mod collector;
pub mod event_loop;
pub mod importer;
pub mod interpreter;
pub mod logging;
pub mod tasks;
