//! A connection's share of the memory that the gateway reads: long pieces of answers are copied there once, and only their
//! places are sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fastcgi_protocol::ProtocolError;
use shared_buffers::{LEAST, SIZE, Writer};

// What an answer is cut into, and a record holds.
const _: () = assert!(SIZE == fastcgi_protocol::encode::CHUNK);

/// The buffers of one connection.
pub struct Buffers {
    memory: Arc<Writer>,
    connection: u16,
    /// Those that are ours to write: bit 0 stands for the first.
    free: AtomicU32,
}

impl Buffers {
    /// Those of this connection; all are free.
    pub fn new(memory: Arc<Writer>, connection: u16) -> Self {
        Self {
            memory,
            connection,
            free: AtomicU32::new(u32::MAX),
        }
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
            let connection = self.connection.into();
            let filled = self.memory.fill(connection, buffer, [first, second]);
            let length = u32::try_from(first.len() + second.len());
            let Some(length) = length.ok().filter(|_| filled) else {
                break;
            };
            each(buffer, length);
            parts = [later, rest];
        }
        parts
    }

    /// The gateway has done with these.
    ///
    /// # Errors
    /// When it had not got them.
    pub fn release(&self, buffers: u32) -> Result<(), ProtocolError> {
        match self.free.fetch_or(buffers, Ordering::AcqRel) & buffers {
            0 => Ok(()),
            _ => Err(ProtocolError::BadBuffer),
        }
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

    use shared_buffers::{COUNT, Reader};

    use super::*;

    #[test]
    fn long_bytes_go_into_the_first_free_buffers() {
        let (reader, file) = Reader::create(2).unwrap();
        let memory = Arc::new(Writer::open(&file, 2).unwrap());
        let buffers = Buffers::new(memory, 1);
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
        let read = |buffer| reader.bytes(1, buffer, SIZE).unwrap();
        assert!([read(0), read(1)].concat() == bytes[..2 * SIZE]);
        assert_eq!(put(&bytes[..LEAST - 1]), (vec![], LEAST - 1));
        assert_eq!(put(&bytes[..LEAST]), (vec![(2, 16 * 1024)], 0));
        buffers.release(0b101).unwrap();
        let places = [(0, size), (2, size), (3, size)];
        assert_eq!(put(&vec![0; 3 * SIZE]).0, places);
        assert!(buffers.release(1 << 8).is_err());
        assert_eq!(put(&vec![7; COUNT as usize * SIZE]).1, 4 * SIZE);
        assert_eq!(put(&bytes), (vec![], bytes.len()));
    }
}
