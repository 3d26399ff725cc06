//! Harness of the whole-system tests: starts the built programs as a user would, and talks to them from outside.
//!
//! What is missing or takes too long fails the test at once with a message that says what to do; nothing is skipped.
//! Tests wait for events (a line of a log, the end of a stream or of a process), never for time to pass.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "what goes wrong in the harness fails the test"
)]

mod application;
mod body;
mod built;
mod client;
mod fixture;
mod gateway;
mod lines;
mod load;
mod port;
mod process;
mod windows;

pub use application::{Application, Peer, Request};
pub use body::Body;
pub use built::{administrators, binary, peer, program, sample, sanitized, wine_prefix};
pub use client::{Client, Head, Reply, get, raw};
pub use fixture::{
    Gate, conformance, copy_program, extension, extension_as, fastcgi_program, library, script,
};
pub use gateway::{Gateway, Output, gateway_command, run, run_within};
pub use lines::Lines;
pub use load::{Load, Outcome};
pub use port::free_port;
pub use process::{
    Daemon, Memory, Process, Running, memory, mentioning, send, send_group, wait_until,
};
pub use rustix::process::Signal;
pub use windows::{Machine, windows_gateway};

use std::time::Duration;

/// How long anything may take before its test fails. Far more than it should take: only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);
