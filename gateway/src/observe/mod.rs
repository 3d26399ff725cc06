//! What the operator sees of the gateway's work.

pub mod access_log;
pub mod crash_report;
mod journal;
pub mod metrics;
mod overview;
pub mod page;
pub mod status;
mod traffic;

pub use journal::{Journal, Sent};
pub use overview::Overview;
pub use traffic::Ledger;
