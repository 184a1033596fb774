//! What every room may know: errors, options, and small tools without a home of their own.

pub mod error;
pub mod lock;
pub mod masking;
pub mod options;
pub mod spin;
