//! What the operator sees of the gateway's work.

pub mod access_log;
mod journal;

pub use journal::Journal;
