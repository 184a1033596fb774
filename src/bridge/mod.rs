pub mod body;
pub mod linger;
pub mod process;
pub mod queues;
pub mod wake;
