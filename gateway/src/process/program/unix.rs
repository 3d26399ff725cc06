//! Unix: a process of ours starts them, where there is one.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

use fastcgi_protocol::Order;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use tokio::net::unix::pipe;

#[cfg(target_os = "linux")]
use super::starter;
use super::{Leader, Program, bytes, command};
use crate::runtime;

/// Our end of an input.
pub type Input = pipe::Sender;

/// Our end of an output.
pub type Output = pipe::Receiver;

/// Our end of standard error.
pub type Error = pipe::Receiver;

/// The program's ends of its streams.
pub struct Streams {
    pub output: OwnedFd,
    pub error: OwnedFd,
    pub input: Option<OwnedFd>,
}

/// Starts a program, with an input if it has one. `worker` is the executable that may do it for us.
///
/// # Errors
/// When it cannot be started.
pub async fn start(worker: Option<&Path>, order: &Order, has_input: bool) -> io::Result<Program> {
    let order = bytes(order)?;
    let (output, its_output) = pipe_with(PipeFlags::CLOEXEC)?;
    let (error, its_error) = pipe_with(PipeFlags::CLOEXEC)?;
    let (its_input, input) = has_input
        .then(|| pipe_with(PipeFlags::CLOEXEC))
        .transpose()?
        .unzip();
    let (output, error) = (receiver(output)?, receiver(error)?);
    let input = input.map(sender).transpose()?;
    let streams = Streams {
        output: its_output,
        error: its_error,
        input: its_input,
    };
    Ok(Program {
        leader: Leader::started(start_process(worker, order, streams).await?),
        input,
        output,
        error,
    })
}

#[cfg(target_os = "linux")]
async fn start_process(worker: Option<&Path>, order: &[u8], streams: Streams) -> io::Result<Pid> {
    if let Some(starter) = worker.and_then(starter::of_this_thread)
        && let Some(process) = starter.order(order, &streams).await?
    {
        return Ok(process);
    }
    start_directly(order, streams)
}

#[cfg(not(target_os = "linux"))]
async fn start_process(_: Option<&Path>, order: &[u8], streams: Streams) -> io::Result<Pid> {
    start_directly(order, streams)
}

/// Nothing here takes std off its `posix_spawn` path (which is a vfork inside glibc, so that its cost does not grow
/// with the gateway's memory): a program with a slash in its name, a folder, a process group, an environment; no
/// user or group and no closure to run before exec.
fn start_directly(order: &[u8], streams: Streams) -> io::Result<Pid> {
    let mut command = command(order)?;
    command
        .process_group(0)
        .stdin(streams.input.map_or_else(Stdio::null, Stdio::from))
        .stdout(streams.output)
        .stderr(streams.error);
    let child = runtime::as_usual(|| command.spawn())?;
    let process = Pid::from_raw(child.id().cast_signed());
    process.ok_or_else(|| io::Error::other("it has no process number"))
}

fn receiver(end: OwnedFd) -> io::Result<pipe::Receiver> {
    fcntl_setfl(&end, OFlags::NONBLOCK)?;
    pipe::Receiver::from_owned_fd_unchecked(end)
}

fn sender(end: OwnedFd) -> io::Result<pipe::Sender> {
    fcntl_setfl(&end, OFlags::NONBLOCK)?;
    pipe::Sender::from_owned_fd_unchecked(end)
}
