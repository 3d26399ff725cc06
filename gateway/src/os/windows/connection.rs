//! Connections to workers.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{NamedPipeServer, PipeMode, ServerOptions};
use tokio::process::Command;

use crate::os::Connections;

/// What a pipe holds in each direction, bytes.
const PIPE_SIZE: u32 = 64 * 1024;

/// A connection to a worker: two pipes, one for each direction, since who waits for reading at one handle keeps others
/// from writing to it.
pub struct Connection {
    /// `None`: its end has been sent.
    to_worker: Option<NamedPipeServer>,
    from_worker: NamedPipeServer,
}

/// The runtime that creates a connection watches it.
pub type Unregistered = Connection;

/// Nothing is left to do.
///
/// # Errors
/// None here.
pub fn register(connection: Unregistered) -> io::Result<Connection> {
    Ok(connection)
}

/// Gives the worker that this command starts a connection: its standard input and output. To be called inside a
/// runtime.
///
/// # Errors
/// When pipes cannot be had.
pub async fn connect(command: &mut Command, _: usize, _: bool) -> io::Result<Connections> {
    let (to_worker, input) = pipe(Direction::ToWorker).await?;
    let (from_worker, output) = pipe(Direction::FromWorker).await?;
    command.stdin(input).stdout(output);
    let connection = Connection {
        to_worker: Some(to_worker),
        from_worker,
    };
    Ok(Connections {
        lanes: vec![connection],
        memory: None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToWorker,
    FromWorker,
}

/// A pipe: our end, and the worker's. Pipes without a name cannot be watched.
async fn pipe(direction: Direction) -> io::Result<(NamedPipeServer, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (own, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let name = format!(r"\\.\pipe\isapi-gateway.{own}.{count}");
    let outbound = direction == Direction::ToWorker;
    // Nobody else's pipe, and nobody else at its other end: there is one, and the worker's is opened here.
    let ours = ServerOptions::new()
        .first_pipe_instance(true)
        .max_instances(1)
        .reject_remote_clients(true)
        .pipe_mode(PipeMode::Byte)
        .access_outbound(outbound)
        .access_inbound(!outbound)
        .in_buffer_size(PIPE_SIZE)
        .out_buffer_size(PIPE_SIZE)
        .create(&name)?;
    let theirs = File::options()
        .read(outbound)
        .write(!outbound)
        .open(&name)?;
    ours.connect().await?;
    Ok((ours, theirs))
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.from_worker).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.to_worker {
            Some(pipe) => Pin::new(pipe).poll_write(context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes our end; what has been written before still arrives.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.to_worker = None;
        Poll::Ready(Ok(()))
    }
}
