//! The socket of a connection: reads and writes as either is possible, and notices its end while nothing is read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};

use crate::os::{Closing, Stream};

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
    /// Whether the other end closes, while nothing is read.
    closing: Option<Closing>,
}

impl<S: Stream> Wire<S> {
    /// Of a connection.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            closing: None,
        }
    }

    /// Writes some of `rest`, if there is anything, or reads some bytes into `space`. Without space it only waits for
    /// the other end to close.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn poll_exchange(
        &mut self,
        context: &mut Context<'_>,
        space: Option<&mut [u8]>,
        rest: &[u8],
    ) -> Poll<io::Result<Moved>> {
        if !rest.is_empty()
            && let Poll::Ready(count) = Pin::new(&mut self.stream).poll_write(context, rest)
        {
            return Poll::Ready(count.map(Moved::Out));
        }
        let Some(space) = space else {
            return self.poll_closed(context).map_ok(|()| Moved::In(0));
        };
        self.closing = None;
        let mut buffer = ReadBuf::new(space);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(Moved::In(buffer.filled().len())))
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
        let closing = match &self.closing {
            Some(closing) => closing,
            None => self.closing.insert(Closing::of(&self.stream)?),
        };
        closing.poll(context)
    }
}
