//! A connection's share of the memory: long pieces are copied there once, and only their places are sent.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::{LEAST, Memory, SIZE};

/// The buffers of one connection, as one end has them.
#[derive(Debug)]
pub struct Share {
    memory: Memory,
    connection: usize,
    /// Those that are ours to write: bit 0 stands for the first.
    free: AtomicU32,
    /// Those of the other end's that it has not been told that we have done with.
    done: AtomicU32,
}

impl Share {
    /// Those of this connection; all are free.
    pub(crate) fn new(memory: Memory, connection: usize) -> Self {
        Self {
            memory,
            connection,
            free: AtomicU32::new(u32::MAX),
            done: AtomicU32::new(0),
        }
    }

    /// [`Reader::bytes`](crate::Reader::bytes) of this connection.
    #[must_use]
    pub fn bytes(&self, buffer: u32, length: usize) -> Option<&[u8]> {
        self.memory.reader.bytes(self.connection, buffer, length)
    }

    /// Copies bytes, one part behind the other, into free buffers, as long as it is worth one, and tells `each` buffer with the
    /// number of bytes in it. Returns what is left.
    pub fn put<'a>(
        &self,
        mut parts: [&'a [u8]; 2],
        mut each: impl FnMut(u32, u32),
    ) -> [&'a [u8]; 2] {
        while parts[0].len() + parts[1].len() >= LEAST
            && let Some(buffer) = self.take()
        {
            let (first, later) = parts[0].split_at(parts[0].len().min(SIZE));
            let (second, rest) = parts[1].split_at(parts[1].len().min(SIZE - first.len()));
            let filled = self
                .memory
                .writer
                .fill(self.connection, buffer, [first, second]);
            let length = u32::try_from(first.len() + second.len());
            let Some(length) = length.ok().filter(|_| filled) else {
                break;
            };
            each(buffer, length);
            parts = [later, rest];
        }
        parts
    }

    /// The other end has done with these. `false` if it had not got them.
    #[must_use]
    pub fn release(&self, buffers: u32) -> bool {
        self.free.fetch_or(buffers, Ordering::AcqRel) & buffers == 0
    }

    /// We have done with these of the other end's.
    pub fn done_with(&self, buffers: u32) {
        self.done.fetch_or(buffers, Ordering::AcqRel);
    }

    /// Those that the other end is to be told of now.
    #[must_use]
    pub fn take_done(&self) -> u32 {
        self.done.swap(0, Ordering::AcqRel)
    }

    /// The first that is free: the fewer are used in turn, the less memory that is, and the likelier it is in a cache.
    fn take(&self) -> Option<u32> {
        let without_first = |free: u32| (free != 0).then(|| free & (free - 1));
        let taken = self
            .free
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, without_first);
        taken.ok().map(u32::trailing_zeros)
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::COUNT;

    #[test]
    fn long_bytes_go_into_the_first_free_buffers() {
        let (ours, file) = Memory::create(2).unwrap();
        let theirs = Memory::open(&file, 2).unwrap().share(1);
        let buffers = ours.share(1);
        let bytes: Vec<u8> = (0..=250).cycle().take(2 * SIZE + LEAST - 1).collect();
        let put = |bytes: &[u8]| {
            let mut places = Vec::new();
            let (before, behind) = bytes.split_at(bytes.len() / 3);
            let rest = buffers.put([before, behind], |buffer, length| {
                places.push((buffer, length))
            });
            (places, rest[0].len() + rest[1].len())
        };
        let size = u32::try_from(SIZE).unwrap();
        assert_eq!(put(&bytes), (vec![(0, size), (1, size)], LEAST - 1));
        let read = |buffer| theirs.bytes(buffer, SIZE).unwrap();
        assert!([read(0), read(1)].concat() == bytes[..2 * SIZE]);
        assert_eq!(put(&bytes[..LEAST - 1]), (vec![], LEAST - 1));
        assert_eq!(put(&bytes[..LEAST]), (vec![(2, 16 * 1024)], 0));
        assert!(buffers.release(0b101));
        let places = [(0, size), (2, size), (3, size)];
        assert_eq!(put(&vec![0; 3 * SIZE]).0, places);
        assert!(!buffers.release(1 << 8));
        assert_eq!(put(&vec![7; COUNT as usize * SIZE]).1, 4 * SIZE);
        assert_eq!(put(&bytes), (vec![], bytes.len()));
    }
}
