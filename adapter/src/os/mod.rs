//! What differs between systems: streams, descriptors, last error, threads.
#![allow(unsafe_code)]

#[cfg(unix)]
mod unix;

use std::io;

#[cfg(unix)]
pub use unix::*;

/// A connection's two directions. Reading and writing go on at the same time from several threads.
pub trait Transport: Send + Sync {
    /// Reads what is there, waits for at least one byte; zero at the end.
    ///
    /// # Errors
    /// When the connection broke.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all bytes.
    ///
    /// # Errors
    /// When the other end does not read any more.
    fn write_all(&self, bytes: &[u8]) -> io::Result<()>;

    /// Whether a few kilobytes could be written without waiting.
    fn is_writable(&self) -> bool;

    /// Says that nothing more comes. The other end is given a moment to end its direction.
    fn finish(&self);
}
