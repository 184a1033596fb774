pub mod error;
pub mod masking;
