//! The socket of a connection: reads and writes as either is possible, and notices its end while nothing is read.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest, ReadBuf};

/// What a connection runs over.
pub trait Socket: AsyncRead + AsyncWrite + AsFd + Unpin + Sized {
    /// A second handle to it, which knows by itself whether there is something to read.
    ///
    /// # Errors
    /// When the system has none.
    fn second(&self) -> io::Result<Self>;

    /// Waits for something to read, be it the end.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Waits from now on for more than there is to read already.
    fn forget(&self);
}

macro_rules! socket {
    ($kind:ty, $std:ty) => {
        impl Socket for $kind {
            fn second(&self) -> io::Result<Self> {
                Self::from_std(<$std>::from(self.as_fd().try_clone_to_owned()?))
            }

            fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_read_ready(context)
            }

            fn forget(&self) {
                let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                // That it would block is all that is to be said.
                let _ = self.try_io(Interest::READABLE, nothing);
            }
        }
    };
}

socket!(tokio::net::TcpStream, std::net::TcpStream);
socket!(tokio::net::UnixStream, std::os::unix::net::UnixStream);

/// What has been done.
#[derive(Debug, PartialEq, Eq)]
pub enum Moved {
    /// So many bytes have been read; 0: the other end has closed the connection.
    In(usize),
    /// So many bytes have been written.
    Out(usize),
}

/// The socket.
pub struct Wire<S> {
    stream: S,
    /// Another handle to the same socket, while nothing is read: the first one would tell no news, since it knows
    /// already that there is something to read.
    watch: Option<S>,
}

impl<S: Socket> Wire<S> {
    /// Of a connection.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            watch: None,
        }
    }

    /// Writes some of `rest`, if there is anything, or reads some bytes into `space`. Without space it only waits for
    /// the other end to close. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn exchange(
        &mut self,
        mut space: Option<&mut [u8]>,
        rest: &[u8],
    ) -> io::Result<Moved> {
        poll_fn(|context| {
            if !rest.is_empty()
                && let Poll::Ready(count) = Pin::new(&mut self.stream).poll_write(context, rest)
            {
                return Poll::Ready(count.map(Moved::Out));
            }
            match &mut space {
                Some(space) => {
                    self.watch = None;
                    let mut buffer = ReadBuf::new(space);
                    ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
                    Poll::Ready(Ok(Moved::In(buffer.filled().len())))
                }
                None => self.poll_closed(context).map_ok(|()| Moved::In(0)),
            }
        })
        .await
    }

    /// Writes all of the bytes.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Closes our end and reads what still comes, until the other end has closed too.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn finish(mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut thrown = [0; 4096];
        while self.stream.read(&mut thrown).await? > 0 {}
        Ok(())
    }

    fn poll_closed(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let watch = match &mut self.watch {
            Some(watch) => watch,
            none => none.insert(self.stream.second()?),
        };
        loop {
            ready!(watch.poll_readable(context))?;
            if is_closed(&*watch)? {
                return Poll::Ready(Ok(()));
            }
            watch.forget();
        }
    }
}

/// Whether the other end has closed, be there something to read or not.
fn is_closed(socket: impl AsFd) -> io::Result<bool> {
    let closed = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    let mut asked = [PollFd::new(&socket, PollFlags::RDHUP)];
    poll(&mut asked, Some(&Timespec::default()))?;
    Ok(asked[0].revents().intersects(closed))
}
