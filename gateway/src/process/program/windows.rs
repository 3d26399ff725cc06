//! Windows: the gateway starts them itself.

use std::io;
use std::path::Path;
use std::process::Stdio;

use fastcgi_protocol::Order;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};

use super::{Leader, Program, bytes, command};
use crate::os::Group;

/// Our end of an input.
pub type Input = ChildStdin;

/// Our end of an output.
pub type Output = ChildStdout;

/// Our end of standard error.
pub type Error = ChildStderr;

/// Starts a program, with an input if it has one.
///
/// # Errors
/// When it cannot be started.
pub async fn start(_: Option<&Path>, order: &Order, has_input: bool) -> io::Result<Program> {
    let mut command = Command::from(command(bytes(order)?)?);
    let input = if has_input {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    let command = Group::lead(&mut command).stdin(input);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (input, output, error) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let leader = Leader::new(child)?;
    let not_piped = || io::Error::other("its output is not piped");
    Ok(Program {
        leader,
        input,
        output: output.ok_or_else(not_piped)?,
        error: error.ok_or_else(not_piped)?,
    })
}
