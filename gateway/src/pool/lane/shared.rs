//! Long pieces that lie in memory which the worker shares. Of answers: which buffers we have, and for whom. A piece goes to
//! the client from where it lies, and its buffer back to the worker when nobody holds it any more. Only then does the request get
//! credit for it: a client that does not read costs no more than its window. Pieces of bodies are copied there, and again when
//! the worker reads them: their buffers wait for nobody.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use bytes::{Buf as _, Bytes};
use fastcgi_protocol::{ProtocolError, encode};
use shared_buffers::{COUNT, LEAST, SIZE, Share};

use crate::pool::exchange::Exchange;
use crate::pool::lock;

/// The buffers of one lane.
pub struct Buffers {
    common: Arc<Common>,
    /// The bytes in each one that we have, and whose they are.
    held: [Option<(Arc<Exchange>, usize)>; COUNT as usize],
    /// How many these are.
    count: u32,
}

/// What the pieces know.
struct Common {
    share: Share,
    /// Woken when it has done with a buffer.
    driver: Mutex<Option<Waker>>,
}

/// Bytes of an answer in buffers that follow one another, all full but the last.
pub struct Piece {
    common: Arc<Common>,
    first: u32,
    count: u32,
    length: usize,
}

impl Buffers {
    /// Those of a connection to a worker; each side has its own.
    pub fn new(share: Share) -> Self {
        let common = Common {
            share,
            driver: Mutex::new(None),
        };
        Self {
            common: Arc::new(common),
            held: [const { None }; COUNT as usize],
            count: 0,
        }
    }

    /// Says where the first pieces of these bytes of a body lie now, as many as are worth it and have room. The others are left.
    pub fn put(&self, out: &mut Vec<u8>, id: u16, bytes: &mut Bytes) {
        let each = |buffer, length| encode::shared(out, id, buffer, length);
        let [left, _] = self.common.share.put([bytes, &[]], each);
        let put = bytes.len() - left.len();
        bytes.advance(put);
    }

    /// The worker has done with these, that we have written.
    ///
    /// # Errors
    /// When it had not got them.
    pub fn come_back(&self, buffers: u32) -> Result<(), ProtocolError> {
        let were_there = self.common.share.release(buffers);
        were_there.then_some(()).ok_or(ProtocolError::BadBuffer)
    }

    /// The worker has given us the first bytes of this buffer, for that request.
    ///
    /// # Errors
    /// When there is no such buffer, we have it already, or so many bytes do not belong there.
    pub fn take(
        &mut self,
        buffer: u32,
        length: u32,
        exchange: &Arc<Exchange>,
    ) -> Result<Piece, ProtocolError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let holder = self.held.get_mut(buffer as usize);
        let holder = holder.filter(|holder| holder.is_none() && (LEAST..=SIZE).contains(&length));
        *holder.ok_or(ProtocolError::BadBuffer)? = Some((Arc::clone(exchange), length));
        self.count += 1;
        Ok(Piece {
            common: Arc::clone(&self.common),
            first: buffer,
            count: 1,
            length,
        })
    }

    /// The buffers that nobody holds any more: bit 0 stands for the first. The driver is woken when there are others.
    pub fn released(&mut self, driver: &Waker) -> u32 {
        if self.count == 0 {
            return 0;
        }
        let mut waiting = lock(&self.common.driver);
        if !waiting
            .as_ref()
            .is_some_and(|waker| waker.will_wake(driver))
        {
            *waiting = Some(driver.clone());
        }
        drop(waiting);
        self.common.share.take_done()
    }

    /// For whom these buffers were, and how many bytes were in each.
    pub fn give_back(&mut self, buffers: u32) -> impl Iterator<Item = (Arc<Exchange>, usize)> {
        let places = (0..COUNT).filter(move |bit| buffers & (1 << bit) != 0);
        places.filter_map(|bit| {
            let holder = self.held.get_mut(bit as usize)?.take()?;
            self.count -= 1;
            Some(holder)
        })
    }
}

impl Piece {
    /// How many bytes these are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Takes the next piece in, if it lies right behind this one.
    ///
    /// # Errors
    /// The next piece, if it does not.
    pub fn join(&mut self, mut next: Piece) -> Result<(), Piece> {
        let is_full = self.length == self.count as usize * SIZE;
        if !is_full || next.first != self.first + self.count {
            return Err(next);
        }
        self.count += std::mem::take(&mut next.count);
        self.length += next.length;
        Ok(())
    }

    /// The bytes. Their buffers are free again when the last of these is gone.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        let bytes = self.common.share.bytes(self.first, self.length);
        bytes.unwrap_or_default()
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let buffers = (0..self.count).fold(0, |buffers, next| buffers | 1 << (self.first + next));
        self.common.share.done_with(buffers);
        if let Some(driver) = &*lock(&self.common.driver) {
            driver.wake_by_ref();
        }
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes from buffer {} on", self.length, self.first)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use shared_buffers::Memory;

    use super::*;

    /// [`SIZE`].
    const LENGTH: u32 = 65_528;

    fn buffers() -> (Buffers, Memory) {
        let (ours, file) = Memory::create(2).unwrap();
        let theirs = Memory::open(&file, 2).unwrap();
        (Buffers::new(ours.share(1)), theirs)
    }

    fn exchange(id: u16) -> Arc<Exchange> {
        Arc::new(Exchange::new(id, 1, 1))
    }

    #[test]
    fn a_buffer_is_ours_until_the_last_of_its_bytes_is_gone() {
        let (mut buffers, Memory { writer, .. }) = buffers();
        assert!(writer.fill(1, 3, [b"some ", &[b'x'; SIZE - 5]]));
        let piece = buffers.take(3, LENGTH, &exchange(7)).unwrap();
        let bytes = piece.into_bytes();
        assert_eq!(bytes.len(), SIZE);
        let part = bytes.slice(..5);
        drop(bytes);
        assert!(buffers.take(3, LENGTH, &exchange(8)).is_err());
        assert_eq!(buffers.released(Waker::noop()), 0);
        assert_eq!(part, "some ");
        drop(part);
        let released = buffers.released(Waker::noop());
        assert_eq!(released, 1 << 3);
        assert_eq!(buffers.released(Waker::noop()), 0);
        let mut holders = buffers.give_back(released);
        let (holder, length) = holders.next().unwrap();
        assert!((holder.id, length) == (7, SIZE) && holders.next().is_none());
        drop(holders);
        buffers.take(3, LENGTH, &exchange(8)).unwrap();
    }

    #[test]
    fn long_bodies_lie_where_the_worker_reads() {
        let (buffers, theirs) = buffers();
        let mut body: Bytes = (0..=250).cycle().take(2 * SIZE + 5).collect();
        let (whole, mut out, mut expected) = (body.clone(), Vec::new(), Vec::new());
        buffers.put(&mut out, 7, &mut body);
        assert!(body == whole[2 * SIZE..]);
        encode::shared(&mut expected, 7, 0, LENGTH);
        encode::shared(&mut expected, 7, 1, LENGTH);
        assert_eq!(out, expected);
        let read = |buffer| theirs.reader.bytes(1, buffer, SIZE).unwrap();
        assert!([read(0), read(1)].concat() == whole[..2 * SIZE]);
        buffers.come_back(0b10).unwrap();
        let again = buffers.come_back(0b10);
        assert!(matches!(again, Err(ProtocolError::BadBuffer)));
    }

    #[test]
    fn only_what_lies_together_is_joined() {
        let (mut buffers, Memory { writer, .. }) = buffers();
        let exchange = exchange(1);
        for (buffer, byte) in [(4, 1), (5, 2), (6, 3)] {
            assert!(writer.fill(1, buffer, [&[byte; SIZE], &[]]));
        }
        let mut take = |buffer, length| buffers.take(buffer, length, &exchange).unwrap();
        let mut first = take(4, LENGTH);
        let apart = first.join(take(6, LENGTH)).unwrap_err();
        first.join(take(5, LENGTH - 1)).unwrap();
        // The one before is not full.
        drop(first.join(apart).unwrap_err());
        assert_eq!(first.len(), 2 * SIZE - 1);
        let bytes = first.into_bytes();
        assert!(bytes == [vec![1; SIZE], vec![2; SIZE - 1]].concat());
        assert_eq!(buffers.released(Waker::noop()), 1 << 6);
        drop(bytes);
        assert_eq!(buffers.released(Waker::noop()), 0b11_0000);
    }

    #[test]
    fn a_place_that_there_is_not_is_refused() {
        let (mut buffers, _) = buffers();
        for (buffer, length) in [
            (COUNT, LENGTH),
            (u32::MAX, LENGTH),
            (0, LENGTH + 1),
            (0, u32::MAX),
            (0, 16 * 1024 - 1),
        ] {
            let refused = buffers.take(buffer, length, &exchange(1));
            assert!(matches!(refused, Err(ProtocolError::BadBuffer)));
        }
        buffers.take(0, LENGTH, &exchange(1)).unwrap();
    }
}
