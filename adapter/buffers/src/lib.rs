//! Memory that the gateway shares with a worker: long pieces of answers and of bodies lie in it, and only their places go
//! through a connection. A piece is copied once on its way from the extension to the client's socket, not three times.
//!
//! The memory is two rows of buffers: one that the worker writes, and one that the gateway writes. Which of them is whose is
//! settled by records of the connection (types 140 and 141). Nothing that the gateway reads here may be trusted to stay as it is:
//! the worker can change it at any time.

mod share;

use std::fs::File;
use std::io;
use std::slice;
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};

pub use share::Share;

/// Bytes in a buffer: 64 KiB less the header of a FastCGI record (FastCGI 1.0 §3.3). Web servers read into buffers of some
/// pages; records that fill these leave nothing over that is read and written by itself.
pub const SIZE: usize = 64 * 1024 - 8;

/// Bytes that are worth a buffer, which waits for the client as long as they do. Fewer are never in one, so that who gets bytes
/// can tell by their number which ones may change while they are looked at.
pub const LEAST: usize = 16 * 1024;

/// Buffers that each end of one connection writes.
pub const COUNT: u32 = u32::BITS;

/// One end of the memory.
#[derive(Clone, Debug)]
pub struct Memory {
    /// What the other end writes.
    pub reader: Arc<Reader>,
    /// What this end writes.
    pub writer: Arc<Writer>,
}

impl Memory {
    /// The gateway's end of memory for so many connections, and the file by which a worker can map it. It takes room only as
    /// far as it is written.
    ///
    /// # Errors
    /// When the system has no such memory.
    #[cfg(unix)]
    pub fn create(connections: usize) -> io::Result<(Self, File)> {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

        let row = row(connections)?;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(memfd_create("isapi-buffers", flags)?);
        file.set_len(2 * row as u64)?;
        // Whoever made it shorter would end the gateway, which reads there.
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let memory = Self::map(&file, row, [0, row])?;
        Ok((memory, file))
    }

    /// The worker's end of memory that a gateway has created.
    ///
    /// # Errors
    /// When this file is none.
    pub fn open(file: &File, connections: usize) -> io::Result<Self> {
        let row = row(connections)?;
        if file.metadata()?.len() < 2 * row as u64 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Self::map(file, row, [row, 0])
    }

    /// What a connection has of it, which is to be asked for once.
    #[must_use]
    pub fn share(&self, connection: usize) -> Share {
        Share::new(self.clone(), connection)
    }

    /// Maps a row to read and a row to write.
    fn map(file: &File, row: usize, [read, write]: [usize; 2]) -> io::Result<Self> {
        let mut options = MmapOptions::new();
        let options = options.len(row);
        let reader = options.offset(read as u64).map_raw_read_only(file)?;
        let writer = options.offset(write as u64).map_raw(file)?;
        Ok(Self {
            reader: Arc::new(Reader(reader)),
            writer: Arc::new(Writer(writer)),
        })
    }
}

/// Bytes of a row, for so many connections. Two of them can be counted.
fn row(connections: usize) -> io::Result<usize> {
    let buffers = connections.checked_mul(COUNT as usize);
    buffers
        .and_then(|buffers| buffers.checked_mul(SIZE))
        .filter(|row| row.checked_mul(2).is_some())
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Where a connection's buffer begins, if there are so many bytes from there to the end of its last one.
fn start(map: &MmapRaw, connection: usize, buffer: u32, length: usize) -> Option<usize> {
    let left = COUNT.checked_sub(buffer)? as usize * SIZE;
    let index = connection.checked_mul(COUNT as usize)?;
    let start = index.checked_add(buffer as usize)?.checked_mul(SIZE)?;
    let fits = length <= left && start.checked_add(left)? <= map.len();
    fits.then_some(start)
}

/// A row of buffers that the other end writes.
#[derive(Debug)]
pub struct Reader(MmapRaw);

impl Reader {
    /// Bytes from the start of a buffer on, which may go on in those behind it; `None` if there are not so many. The other end may
    /// change them while they are looked at.
    #[must_use]
    pub fn bytes(&self, connection: usize, buffer: u32, length: usize) -> Option<&[u8]> {
        let start = start(&self.0, connection, buffer, length)?;
        // SAFETY: the place is inside the mapping, which lives as long as `self` and cannot be made shorter. That another process
        // may write there is no more than the kernel's buffers suffer: nothing is decided by these bytes, they are handed to
        // the system or copied.
        Some(unsafe { slice::from_raw_parts(self.0.as_ptr().add(start), length) })
    }
}

/// A row of buffers that this end writes.
#[derive(Debug)]
pub struct Writer(MmapRaw);

impl Writer {
    /// Copies bytes, one part behind the other, into a buffer, and those behind it if they are more than one takes. The caller
    /// alone uses these. `false` if there is no room for them.
    #[must_use]
    pub fn fill(&self, connection: usize, buffer: u32, parts: [&[u8]; 2]) -> bool {
        let [before, behind] = parts;
        let length = before.len().checked_add(behind.len());
        let Some(start) = length.and_then(|length| start(&self.0, connection, buffer, length))
        else {
            return false;
        };
        // SAFETY: the place is inside the mapping, which lives as long as `self`; the parts are not in it, since nothing hands
        // out references to what is.
        unsafe {
            let to = self.0.as_mut_ptr().add(start);
            before.as_ptr().copy_to_nonoverlapping(to, before.len());
            let to = to.add(before.len());
            behind.as_ptr().copy_to_nonoverlapping(to, behind.len());
        }
        true
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_written_is_read_and_buffers_are_apart() {
        let (ours, file) = Memory::create(2).unwrap();
        let theirs = Memory::open(&file, 2).unwrap();
        drop(file);
        for (from, to) in [(&ours, &theirs), (&theirs, &ours)] {
            // What the other way leaves alone stays as it is.
            assert_eq!(to.reader.bytes(0, 0, 1), Some(&[0][..]));
            there_and_apart(&from.writer, &to.reader);
        }
    }

    fn there_and_apart(writer: &Writer, reader: &Reader) {
        let piece = |connection: usize, buffer: u32| {
            let byte = u8::try_from(connection * 100).unwrap() + u8::try_from(buffer).unwrap();
            vec![byte; SIZE]
        };
        let places =
            (0..2).flat_map(|connection| (0..COUNT).map(move |buffer| (connection, buffer)));
        for (connection, buffer) in places.clone() {
            assert!(writer.fill(connection, buffer, [&piece(connection, buffer), &[]]));
        }
        for (connection, buffer) in places {
            let bytes = reader.bytes(connection, buffer, SIZE).unwrap();
            assert!(bytes == piece(connection, buffer));
        }
        assert!(writer.fill(1, 3, [b"sh", b"ort"]));
        assert_eq!(reader.bytes(1, 3, 5), Some(&b"short"[..]));
        assert!(writer.fill(1, COUNT - 2, [&[7; SIZE], &[7; SIZE]]));
        assert_eq!(
            reader.bytes(1, COUNT - 2, 2 * SIZE),
            Some(&[7; 2 * SIZE][..])
        );
    }

    #[test]
    fn nothing_is_outside() {
        let (Memory { reader, .. }, file) = Memory::create(1).unwrap();
        let Memory { writer, .. } = Memory::open(&file, 1).unwrap();
        for (connection, buffer, length) in [
            (0, COUNT, 1),
            (1, 0, 1),
            (0, COUNT - 1, SIZE + 1),
            (0, u32::MAX, 1),
            (usize::MAX, COUNT - 1, 1),
        ] {
            assert!(reader.bytes(connection, buffer, length).is_none());
            assert!(!writer.fill(connection, buffer, [&[0], &vec![0; length - 1]]));
        }
        assert!(Memory::open(&file, 2).is_err());
        assert!(Memory::create(usize::MAX).is_err());
        assert!(Memory::create(usize::MAX / COUNT as usize / SIZE).is_err());
    }

    #[test]
    fn nobody_makes_it_shorter() {
        let (_, file) = Memory::create(1).unwrap();
        assert!(file.set_len(0).is_err());
        assert!(file.set_len(u64::MAX >> 8).is_err());
    }
}
