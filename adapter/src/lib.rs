//! The worker's side: an ISAPI extension behind FastCGI records or CGI streams.
//!
//! Way of a request: [`connection`] (records in and out) → [`session`] (one request: body, answer, life cycle) →
//! [`ecb`] (the C callbacks) → [`extension`] (the loaded library). No async runtime and no HTTP stack is linked, so
//! that a worker is small and starts in milliseconds.
//!
//! `unsafe` lives in [`ecb`], [`extension`], [`crash`] and [`os`] only.
#![deny(unsafe_code)]
// It panics when nobody reads: see `log`.
#![deny(clippy::print_stderr)]

pub mod bell;
pub mod body;
pub mod call;
pub mod completions;
pub mod connection;
pub mod crash;
pub mod directories;
pub mod drives;
pub mod ecb;
pub mod extension;
pub mod life;
#[cfg(unix)]
pub mod limit;
pub mod link;
pub mod log;
pub mod options;
pub mod os;
pub mod outgoing;
pub mod path;
pub mod response;
pub mod run;
#[cfg(unix)]
pub mod sandbox;
pub mod sendfile;
pub mod session;
pub mod support;
pub mod threads;
pub mod trace;
pub mod url;
pub mod variables;
