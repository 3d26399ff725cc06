//! A connection to another process of this machine, watched for what comes. Unix.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use rustix::io::{Result as Written, writev};
use rustix::net::{SendFlags, Shutdown, send, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::task::coop;

/// After so many writes in a row that did not have to wait, the next one is not expected to.
const CALM: u32 = 32;

/// A stream socket. The system tells who watches such a socket for room to write whenever the other end has read
/// something: one more turn of the runtime for each request, with nothing to do. So it is asked only while writes find no
/// room.
pub struct Socket {
    /// What tokio has for one direction alone is called a pipe, and does for any descriptor.
    input: Receiver,
    room: Mutex<Room>,
}

/// What is known of the room for what is written.
#[derive(Default)]
struct Room {
    /// Told of it, while it may be short.
    output: Option<Sender>,
    /// Writes since the last one that had to wait.
    calm: u32,
}

impl Socket {
    /// Lets the runtime of the calling thread watch a connection that does not block.
    ///
    /// # Errors
    /// When it cannot.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        Ok(Self {
            input: Receiver::from_owned_fd_unchecked(stream.into())?,
            room: Mutex::default(),
        })
    }

    /// Reads what there is, for who shares it with a writer; 0 at the end.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn poll_receive(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.input.poll_read_ready(context))?;
            match self.input.try_read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Writes what fits, for who shares it with a reader.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        room.poll_put(&self.input, context, |socket| put(socket, bytes))
    }

    fn room(&mut self) -> (&mut Room, &Receiver) {
        let room = self.room.get_mut().unwrap_or_else(PoisonError::into_inner);
        (room, &self.input)
    }
}

fn put(socket: BorrowedFd<'_>, bytes: &[u8]) -> Written<usize> {
    send(socket, bytes, SendFlags::NOSIGNAL)
}

impl Room {
    fn poll_put(
        &mut self,
        socket: &Receiver,
        context: &mut Context<'_>,
        write: impl Fn(BorrowedFd<'_>) -> Written<usize>,
    ) -> Poll<io::Result<usize>> {
        let turn = ready!(coop::poll_proceed(context));
        loop {
            let write = || write(socket.as_fd()).map_err(io::Error::from);
            let written = match &self.output {
                None => write(),
                Some(output) => {
                    ready!(output.poll_write_ready(context))?;
                    output.try_io(write)
                }
            };
            if !matches!(&written, Err(error) if error.kind() == ErrorKind::WouldBlock) {
                turn.made_progress();
                self.calm = self.calm.saturating_add(1);
                if self.calm == CALM {
                    self.output = None;
                }
                return Poll::Ready(written);
            }
            self.calm = 0;
            if self.output.is_none() {
                let handle = socket.as_fd().try_clone_to_owned()?;
                self.output = Some(Sender::from_owned_fd_unchecked(handle)?);
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (room, socket) = self.room();
        room.poll_put(socket, context, |socket| put(socket, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (room, socket) = self.room();
        room.poll_put(socket, context, |socket| writev(socket, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(&self.input, Shutdown::Write).map_err(Into::into))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn pair() -> (Socket, Socket) {
        let (one, other) = UnixStream::pair().unwrap();
        let socket = |stream: UnixStream| {
            stream.set_nonblocking(true).unwrap();
            Socket::new(stream).unwrap()
        };
        (socket(one), socket(other))
    }

    #[tokio::test]
    async fn a_write_that_finds_no_room_waits_for_it() {
        const LENGTH: usize = 4 * 1024 * 1024;
        let (mut one, mut other) = pair();
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(LENGTH).collect();
        let sent = bytes.clone();
        let sending = tokio::spawn(async move {
            one.write_all(&sent).await.unwrap();
            one.shutdown().await.unwrap();
            one
        });
        let mut received = Vec::new();
        other.read_to_end(&mut received).await.unwrap();
        assert!(received == bytes);
        // The other direction is open still.
        let mut one = sending.await.unwrap();
        other.write_all(b"x").await.unwrap();
        drop(other);
        let mut rest = String::new();
        one.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "x");
    }

    #[tokio::test]
    async fn room_is_watched_only_while_it_is_short() {
        let (mut one, mut other) = pair();
        let context = &mut Context::from_waker(std::task::Waker::noop());
        one.write_all(b"x").await.unwrap();
        assert!(one.room().0.output.is_none());
        let pieces = [IoSlice::new(&[0; 4096]), IoSlice::new(&[1; 4096])];
        while Pin::new(&mut one)
            .poll_write_vectored(context, &pieces)
            .is_ready()
        {
            tokio::task::yield_now().await;
        }
        assert!(one.room().0.output.is_some());
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            other.read_to_end(&mut all).await.unwrap();
        });
        for _ in 0..=CALM {
            one.write_all(b"x").await.unwrap();
        }
        assert!(one.room().0.output.is_none());
        drop(one);
        reading.await.unwrap();
    }

    #[tokio::test]
    async fn a_write_that_waits_notices_the_end() {
        let (mut one, other) = pair();
        let writing = tokio::spawn(async move {
            let error = one.write_all(&[0; 4 * 1024 * 1024]).await.unwrap_err();
            assert!(matches!(
                error.kind(),
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            ));
        });
        // It has begun, and waits.
        tokio::task::yield_now().await;
        drop(other);
        writing.await.unwrap();
    }
}
