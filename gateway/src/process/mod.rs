//! What workers and programs have in common as processes: how they end, and what they say on standard error.

#[cfg(unix)]
pub mod companion;
pub mod environment;
pub mod exit;
pub mod leader;
pub mod program;
pub mod stderr;
pub mod user;
