//! A connected socket, of either family, that several tasks share: one reads, one writes, each may end it.

use std::io;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

use crate::alarms::timeout;
use crate::config::Endpoint;
#[cfg(unix)]
use crate::os::{Socket, connect_file};

/// A connection to a FastCGI application.
pub enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(Socket),
}

impl Stream {
    /// Connects; of a name with several addresses, to the first that takes it.
    ///
    /// # Errors
    /// When nobody takes the connection in time.
    pub async fn connect(address: &Endpoint, limit: Duration) -> io::Result<Self> {
        let connecting = async {
            match address {
                #[cfg(unix)]
                Endpoint::Unix(path) => {
                    let stream = connect_file(path).await?.into_std()?;
                    Socket::new(stream).map(Self::Unix)
                }
                #[cfg(windows)]
                Endpoint::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
                Endpoint::Tcp(host, port) => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await?;
                    // Records are whole when they are written.
                    stream.set_nodelay(true)?;
                    Ok(Self::Tcp(stream))
                }
            }
        };
        let slow = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {limit:?}"));
        timeout(limit, connecting).await.map_err(slow)?
    }

    /// Reads what there is; 0 at the end.
    pub fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let stream = match self {
            Self::Tcp(stream) => stream,
            #[cfg(unix)]
            Self::Unix(socket) => return socket.poll_receive(context, buffer),
        };
        loop {
            ready!(stream.poll_read_ready(context))?;
            match stream.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Writes what fits.
    pub fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = match self {
            Self::Tcp(stream) => stream,
            #[cfg(unix)]
            Self::Unix(socket) => return socket.poll_send(context, bytes),
        };
        loop {
            ready!(stream.poll_write_ready(context))?;
            match stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Ends it in both directions; whoever reads or writes it notices.
    pub fn shutdown(&self) {
        // An error means that the other end has gone already.
        let _ = self.socket().shutdown(Shutdown::Both);
    }

    /// Whether it is open and nothing has come: what an idle connection must be.
    pub fn is_quiet(&self) -> bool {
        is_empty(&self.peek())
    }

    /// Whether the other end has closed it, and everything that came before has been read.
    pub fn is_closed(&self) -> bool {
        let peeked = self.peek();
        !is_empty(&peeked) && !matches!(peeked, Ok(1..))
    }

    /// Asks the system itself, as the runtime may not have looked yet.
    fn peek(&self) -> io::Result<usize> {
        self.socket().peek(&mut [MaybeUninit::uninit()])
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream),
            #[cfg(unix)]
            Self::Unix(stream) => SockRef::from(stream),
        }
    }
}

/// Whether a look at a socket, which does not block, says that something may still come.
fn is_empty(peeked: &io::Result<usize>) -> bool {
    matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
