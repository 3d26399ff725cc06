//! TCP connections are alike on all systems.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::Transport;

/// How long a client may take to close its side after we have closed ours.
pub const CLOSE_GRACE: Duration = Duration::from_secs(5);

pub(super) fn accept(listener: &TcpListener) -> io::Result<Arc<dyn Transport>> {
    let stream = listener.accept()?.0;
    stream.set_nodelay(true)?;
    Ok(Arc::new(stream))
}

impl Transport for TcpStream {
    #[cfg(unix)]
    fn input(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(self)
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&mut &*self).write_all(bytes)
    }

    fn write_slices(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        super::write_slices(self, slices)
    }

    fn is_writable(&self) -> bool {
        super::is_writable(self)
    }

    fn finish(&self) {
        // A socket that is gone already is as good as closed.
        let _ = self
            .set_read_timeout(Some(CLOSE_GRACE))
            .and_then(|()| self.shutdown(Shutdown::Write));
    }
}
