//! Sockets in the file system: none that a runtime can watch.

use std::io;
use std::path::Path;

use tokio::net::TcpStream;

/// Whether this system has sockets in the file system that a runtime can watch.
pub const HAS_SOCKET_FILES: bool = false;

/// What this system does not have.
pub enum BoundFile {}

impl BoundFile {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn bind(_: &Path, _: u32, _: Option<u32>, _: Option<u32>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn listen(self, _: u32) -> io::Result<FileListener> {
        match self {}
    }
}

/// Fails.
///
/// # Errors
/// Always.
pub async fn connect_file(_: &Path) -> io::Result<TcpStream> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Fails.
///
/// # Errors
/// Always.
pub fn permit(_: &Path, _: u32, _: Option<u32>, _: Option<u32>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What this system does not have.
pub enum FileListener {}

impl FileListener {
    /// Cannot be called.
    pub fn is_own(&self) -> bool {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub async fn accept(&self) -> io::Result<FileStream> {
        match *self {}
    }
}

/// What this system does not have.
pub enum FileStream {}

impl FileStream {
    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn register(self) -> io::Result<TcpStream> {
        match self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn set_send_buffer(&self, _: usize) -> io::Result<()> {
        match *self {}
    }
}
