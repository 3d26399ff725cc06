//! Tests of the whole system through the built programs.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod dependencies;
mod fastcgi;
mod worker_alone;
