//! One keep-alive connection of the load generator.

use std::io;
use std::net::SocketAddr;

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::bench::http::{AnswerReader, Defect};

/// Bytes read at once.
const BUFFER: usize = 64 * 1024;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no connection, or it broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The answer is wrong.
    #[error("{0}")]
    Defect(#[from] Defect),
    /// The connection ended within or before the answer.
    #[error("the connection ended after {0} bytes of the answer's body")]
    Short(u64),
}

/// A connection that is opened when it is needed, and anew when the server has closed it.
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    reader: AnswerReader,
    buffer: Box<[u8]>,
}

impl Connection {
    /// Not connected yet; `reader` reads the first answer.
    pub fn new(address: SocketAddr, reader: AnswerReader) -> Self {
        Self {
            address,
            stream: None,
            reader,
            buffer: vec![0; BUFFER].into(),
        }
    }

    /// Connects, if it is not.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn connect(&mut self) -> io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// Sends a request and reads its answer; `received` is told the bytes of its body as they come.
    ///
    /// # Errors
    /// When there is no whole answer. The next request goes over a new connection.
    pub async fn exchange(
        &mut self,
        request: &[u8],
        received: impl FnMut(u64),
    ) -> Result<(), Fault> {
        let done = self.try_exchange(request, received).await;
        if done.is_err() || self.reader.closes() {
            self.stream = None;
        }
        done
    }

    /// The last answer.
    pub fn reader(&mut self) -> &mut AnswerReader {
        &mut self.reader
    }

    /// Makes ready for the next answer.
    pub fn reset(&mut self) {
        self.reader.reset();
    }

    async fn try_exchange(
        &mut self,
        request: &[u8],
        mut received: impl FnMut(u64),
    ) -> Result<(), Fault> {
        self.connect().await?;
        let Some(stream) = &self.stream else {
            return Err(Fault::Short(0));
        };
        let reader = &mut self.reader;
        let mut rest = &request[written(stream.try_write(request))?..];
        while !reader.is_done() {
            // A server may answer while it still reads: whoever only writes waits for ever.
            let interest = match rest.is_empty() {
                true => Interest::READABLE,
                false => Interest::READABLE | Interest::WRITABLE,
            };
            let ready = stream.ready(interest).await?;
            if !rest.is_empty() && ready.is_writable() {
                rest = &rest[written(stream.try_write(rest))?..];
            }
            if ready.is_readable() {
                match stream.try_read(&mut self.buffer) {
                    Ok(0) if reader.end() => break,
                    Ok(0) => return Err(Fault::Short(reader.body_bytes())),
                    Ok(count) => {
                        let before = reader.body_bytes();
                        reader.push(&self.buffer[..count])?;
                        received(reader.body_bytes() - before);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

/// Bytes that were written, 0 if the socket takes none now.
fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
