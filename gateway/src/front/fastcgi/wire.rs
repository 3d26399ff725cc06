//! The socket of a connection: reads and writes as either is possible, and notices its end while nothing is read.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};

use crate::os::{Closing, Stream};
use crate::outbox::Outbox;

/// What has been done.
#[derive(Debug, PartialEq, Eq)]
pub enum Moved {
    /// So many bytes have been read; 0: the other end has closed the connection.
    In(usize),
    /// Something has been written.
    Out,
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

    /// Writes some of `output`, if there is anything, or reads some bytes into `space`. Without space it only waits for
    /// the other end to close.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn poll_exchange(
        &mut self,
        context: &mut Context<'_>,
        space: Option<&mut [u8]>,
        output: &mut Outbox,
    ) -> Poll<io::Result<Moved>> {
        if !output.is_empty()
            && let Poll::Ready(written) = self.poll_write(context, output)
        {
            return Poll::Ready(written.map(|()| Moved::Out));
        }
        let Some(space) = space else {
            return self.poll_closed(context).map_ok(|()| Moved::In(0));
        };
        self.closing = None;
        let mut buffer = ReadBuf::new(space);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(Moved::In(buffer.filled().len())))
    }

    /// Writes all of `output`.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn write(&mut self, output: &mut Outbox) -> io::Result<()> {
        while !output.is_empty() {
            poll_fn(|context| self.poll_write(context, output)).await?;
        }
        Ok(())
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

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        output: &mut Outbox,
    ) -> Poll<io::Result<()>> {
        let stream = Pin::new(&mut self.stream);
        output.poll_write(context, |context, slices| match slices {
            [bytes] => stream.poll_write(context, bytes),
            slices => stream.poll_write_vectored(context, slices),
        })
    }

    fn poll_closed(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closing = match &self.closing {
            Some(closing) => closing,
            None => self.closing.insert(Closing::of(&self.stream)?),
        };
        closing.poll(context)
    }
}
