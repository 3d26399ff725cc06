//! The server that people start: HTTP in front, ISAPI extensions in worker processes and CGI programs behind.
//! A library only so that the fuzzer reaches what it drives.
#![forbid(unsafe_code)]

mod admin;
mod alarms;
mod backend;
#[cfg(unix)]
mod bench;
mod body;
mod command;
mod config;
mod dispatch;
mod error;
mod fields;
mod file;
mod front;
mod front_takes;
mod library;
mod observe;
mod os;
mod outbox;
mod pool;
mod process;
mod request;
mod response;
mod runtime;
#[cfg(test)]
mod sample;
mod shutdown;
mod site;
mod wine;

pub use command::run;
#[cfg(fuzzing)]
pub use front::fastcgi::fuzzing;
