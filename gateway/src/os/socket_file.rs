//! Sockets in the file system, and how the end of a connection is seen that is not read. Unix.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::Socket;

/// Whether this system has them.
pub const HAS_SOCKET_FILES: bool = true;

/// A socket whose file is there, but that does not listen yet.
pub struct BoundFile(State);

enum State {
    /// One of our own; the file goes with it.
    Bound(UnixSocket, SocketFile),
    /// Somebody else's, which listens already.
    Inherited(StdUnixListener),
}

impl BoundFile {
    /// Makes the file with these permissions, in place of one that a killed gateway has left.
    ///
    /// # Errors
    /// When the system refuses, and when somebody listens there.
    pub fn bind(
        path: &Path,
        mode: u32,
        owner: Option<u32>,
        group: Option<u32>,
    ) -> io::Result<Self> {
        remove_stale(path);
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        let file = SocketFile(path.to_owned());
        // Before anybody can connect: it does not listen yet.
        permit(path, mode, owner, group)?;
        Ok(Self(State::Bound(socket, file)))
    }

    /// One that this process was given.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn inherited(socket: StdUnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self(State::Inherited(socket)))
    }

    /// Starts to listen. To be called inside a runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen(self, backlog: u32) -> io::Result<FileListener> {
        let (socket, file) = match self.0 {
            State::Bound(socket, file) => (socket.listen(backlog)?, Some(file)),
            State::Inherited(socket) => (UnixListener::from_std(socket)?, None),
        };
        Ok(FileListener { socket, file })
    }
}

/// Connects to the socket at this path.
///
/// # Errors
/// When nobody listens there, or not for us.
pub async fn connect_file(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

/// Says who may connect to a socket.
///
/// # Errors
/// When the system refuses.
pub fn permit(path: &Path, mode: u32, owner: Option<u32>, group: Option<u32>) -> io::Result<()> {
    chown(path, owner, group)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Nobody answers on it.
fn remove_stale(path: &Path) {
    let refused = StdUnixStream::connect(path)
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    if refused {
        // If it cannot be removed, binding says so.
        let _ = fs::remove_file(path);
    }
}

/// A socket that listens.
pub struct FileListener {
    socket: UnixListener,
    /// Gone with this, if it is our own.
    file: Option<SocketFile>,
}

impl FileListener {
    /// Whether its file is our own.
    pub fn is_own(&self) -> bool {
        self.file.is_some()
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn accept(&self) -> io::Result<FileStream> {
        let (stream, _) = self.socket.accept().await?;
        Ok(FileStream(stream.into_std()?))
    }
}

/// A connection that no runtime knows yet.
pub struct FileStream(StdUnixStream);

impl FileStream {
    /// Lets the runtime of the calling thread watch it.
    ///
    /// # Errors
    /// When it cannot.
    pub fn register(self) -> io::Result<Socket> {
        Socket::new(self.0)
    }

    /// Has so many bytes find room on their way to the other end.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_send_buffer(&self, size: usize) -> io::Result<()> {
        SockRef::from(&self.0).set_send_buffer_size(size)
    }
}

/// The file of a socket.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // One that has gone already is no harm.
        let _ = fs::remove_file(&self.0);
    }
}

/// A connection's socket.
pub trait Stream: AsyncRead + AsyncWrite + AsFd + Unpin {}
impl<S: AsyncRead + AsyncWrite + AsFd + Unpin> Stream for S {}

/// Sees that the other end of a connection closes it while nothing is read: another handle to the same socket. The first
/// one would tell no news, since it knows already that there is something to read. Nothing is read or written through
/// this one, so its kind does not matter.
pub struct Closing(UnixStream);

impl Closing {
    /// For that connection.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn of(stream: &impl Stream) -> io::Result<Self> {
        let handle = stream.as_fd().try_clone_to_owned()?;
        UnixStream::from_std(handle.into()).map(Self)
    }

    /// Waits until it has been closed.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            if self.is_closed()? {
                return Poll::Ready(Ok(()));
            }
            // Wait from now on for more than there is to read already. That it would block is all there is to say.
            let nothing = || Err::<(), _>(ErrorKind::WouldBlock.into());
            let _ = self.0.try_io(Interest::READABLE, nothing);
        }
    }

    fn is_closed(&self) -> io::Result<bool> {
        let closed = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut asked = [PollFd::new(&self.0, PollFlags::RDHUP)];
        poll(&mut asked, Some(&Timespec::default()))?;
        Ok(asked[0].revents().intersects(closed))
    }
}
