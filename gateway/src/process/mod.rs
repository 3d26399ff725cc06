//! What workers and CGI programs have in common as processes: how they end, and what they say on standard error.

pub mod environment;
pub mod exit;
pub mod stderr;
pub mod user;
