//! Tests of the whole system through the built programs.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod access_log;
mod affinity;
mod async_io;
mod bad_input;
mod bench;
mod cgi;
mod circuit;
mod client_gone;
mod concurrency;
mod config;
mod conformance;
mod crash;
mod crash_reports;
mod dependencies;
mod dlls;
mod echo;
mod exec_url;
mod fastcgi;
mod fastcgi_backend;
mod fastcgi_client;
mod fastcgi_front;
mod fronts;
mod gateway_side;
mod innocent;
mod memory;
mod pools_of_dlls;
mod processors;
mod rapid_fail;
mod recycle;
mod reload;
mod samples;
mod sandbox;
mod sanitized;
mod several;
mod shutdown;
mod status;
mod stderr;
mod steady;
mod systemd;
mod table;
mod trace;
mod variables;
mod windows;
mod windows_gateway;
mod worker;
mod worker_alone;
mod worker_lane;
mod worker_readers;
