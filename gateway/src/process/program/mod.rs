//! Programs that run for one request: how they are started, with streams between them and the gateway.

#[cfg(target_os = "linux")]
mod starter;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::CStr;
use std::io;
use std::process::Command;

use fastcgi_protocol::{Order, Ordered};

#[cfg(unix)]
pub use unix::{Error, Input, Output, start};
#[cfg(windows)]
pub use windows::{Error, Input, Output, start};

use super::leader::Leader;
use crate::os::os_str;

/// A program that runs, and our ends of its streams.
pub struct Program {
    /// Its process and all that it starts.
    pub leader: Leader,
    /// Where it reads, if it was to have an input.
    pub input: Option<Input>,
    /// What it writes.
    pub output: Output,
    /// What it writes to standard error.
    pub error: Error,
}

fn bytes(order: &Order) -> io::Result<&[u8]> {
    let has_nul = || io::Error::new(io::ErrorKind::InvalidInput, "a NUL is in what it would get");
    order.bytes().ok_or_else(has_nul)
}

/// The command that an order stands for.
fn command(order: &[u8]) -> io::Result<Command> {
    let order = Ordered::parse(order).ok_or(io::ErrorKind::InvalidInput)?;
    let text = |text: &CStr| os_str(text.to_bytes()).into_owned();
    let mut command = Command::new(text(order.program()));
    command
        .current_dir(text(order.folder))
        .args(
            order
                .arguments
                .iter()
                .skip(1)
                .map(|argument| text(argument)),
        )
        .env_clear();
    for variable in order.environment {
        let variable = variable.to_bytes();
        let name = variable.iter().position(|byte| *byte == b'=');
        let (name, value) = variable.split_at(name.unwrap_or(variable.len()));
        command.env(os_str(name), os_str(value.get(1..).unwrap_or_default()));
    }
    Ok(command)
}
