//! What differs between systems: streams, descriptors, last error, threads, paths, loading a library.
#![allow(unsafe_code)]

#[cfg(not(all(windows, target_pointer_width = "64")))]
mod anywhere;
#[cfg(unix)]
mod image;
#[cfg(all(windows, target_pointer_width = "64"))]
mod low;
mod tcp;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io::{self, IoSlice, Write};
use std::time::Duration;

// Only 64-bit Windows has extensions that count on an address that fits into 32 bits, and memory where it does not.
#[cfg(not(all(windows, target_pointer_width = "64")))]
pub use anywhere::Low;
#[cfg(unix)]
pub use image::Images;
#[cfg(all(windows, target_pointer_width = "64"))]
pub use low::Low;
#[cfg(unix)]
pub use tcp::CLOSE_GRACE;
#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

/// Has glibc keep free memory: twice as much in each of its arenas as the largest block that was freed. At first it gives
/// all but a little back to the system, and what is allocated for each long body would be new pages. To be called when all
/// large buffers that stay are there: those that come later are filled with zeros, and so in memory as a whole.
pub fn keep_freed_memory() {
    const FREED: usize = 4 * 1024 * 1024;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(FREED)));
}

/// Reads again what a signal has interrupted: an extension may have installed a handler without `SA_RESTART`.
///
/// # Errors
/// Those of `read`, but for that one.
pub fn uninterrupted(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A connection's two directions. Reading and writing go on at the same time from several threads.
pub trait Transport: Send + Sync {
    /// What is to be waited for until there is something to read.
    #[cfg(unix)]
    fn input(&self) -> std::os::fd::BorrowedFd<'_>;

    /// Reads what is there, waits for at least one byte; zero at the end.
    ///
    /// # Errors
    /// When the connection broke.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Waits until there is something to read or the end has come, no longer than `limit`. Returns whether that came true;
    /// where it cannot be told, `false` at once.
    #[cfg(unix)]
    fn wait_readable(&self, limit: Option<Duration>) -> bool {
        wait_readable(self.input(), limit)
    }

    /// As above: it cannot be told.
    #[cfg(windows)]
    fn wait_readable(&self, _limit: Option<Duration>) -> bool {
        false
    }

    /// Writes all bytes.
    ///
    /// # Errors
    /// When the other end does not read any more.
    fn write_all(&self, bytes: &[u8]) -> io::Result<()>;

    /// Writes all bytes of several buffers, one after the other; the slices are used up.
    ///
    /// # Errors
    /// When the other end does not read any more.
    fn write_slices(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        // In few writes all the same, for systems that write one buffer at a time.
        let mut joined = Vec::new();
        for slice in slices.iter() {
            joined.extend_from_slice(slice);
            if joined.len() >= JOINED {
                self.write_all(&joined)?;
                joined.clear();
            }
        }
        self.write_all(&joined)
    }

    /// Whether a few kilobytes could be written without waiting.
    fn is_writable(&self) -> bool;

    /// Says that nothing more comes. The other end is given a moment to end its direction.
    fn finish(&self);
}

/// Bytes that are joined for one write.
const JOINED: usize = 256 * 1024;

/// Slices of one write. Wine refuses more than Linux takes, which are 1,024.
const SLICES: usize = 1024;

/// Writes all bytes of these slices.
fn write_slices(mut stream: impl Write, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let some = slices.len().min(SLICES);
        match stream.write_vectored(&slices[..some]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut slices, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
