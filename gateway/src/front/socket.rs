//! A client's socket, which can be closed so that nobody takes it for a clean end.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is known about a connection while it is served.
#[derive(Default)]
pub struct Condition {
    /// A whole request head has come.
    pub asked: AtomicBool,
    /// Something was cut short: the client must see the connection break.
    pub broken: AtomicBool,
}

/// The socket. Where the end of the connection is what marks the end of an answer (HTTP/1.0), an orderly end would make
/// a part of it look whole (docs/ARCHITECTURE.md, invariant 3): when the connection is broken, it ends with a reset instead.
pub struct Socket {
    stream: TcpStream,
    condition: Arc<Condition>,
}

impl Socket {
    /// The socket of a connection in that condition.
    pub fn new(stream: TcpStream, condition: Arc<Condition>) -> Self {
        Self { stream, condition }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.condition.broken.load(Ordering::Relaxed) || std::thread::panicking() {
            // Without effect only when the connection has ended already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
