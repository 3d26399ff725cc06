//! Bytes that have arrived and not been read.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::outbox::SHARED;
use crate::pool::lane::Piece;

/// Room that is made for short pieces: a head and the first bytes behind it mostly come apart.
const LEAST: usize = 512;

/// A queue of bytes. Long pieces share the buffer that they were read into, others are put together.
#[derive(Debug, Default)]
pub struct Arrived {
    front: VecDeque<Item>,
    /// Bytes in `front` but those in shared memory.
    ahead: usize,
    tail: BytesMut,
    /// What comes last, if that is all there was to read when it came.
    last: Bytes,
}

/// A long piece, or what was put together before it.
#[derive(Debug)]
enum Item {
    Bytes(Bytes),
    Shared(Piece),
}

impl Arrived {
    /// Appends bytes that are a part of `whole`.
    pub fn push(&mut self, bytes: &[u8], whole: &Bytes) {
        if bytes.len() < SHARED {
            if self.tail.is_empty() {
                self.tail.reserve(LEAST.max(bytes.len()));
            }
            return self.tail.extend_from_slice(bytes);
        }
        self.close_tail();
        self.ahead += bytes.len();
        self.front.push_back(Item::Bytes(whole.slice_ref(bytes)));
    }

    /// Appends a piece that lies in shared memory.
    pub fn push_shared(&mut self, piece: Piece) {
        self.close_tail();
        let piece = match self.front.back_mut() {
            Some(Item::Shared(last)) => match last.join(piece) {
                Ok(()) => return,
                Err(piece) => piece,
            },
            _ => piece,
        };
        self.front.push_back(Item::Shared(piece));
    }

    /// Appends bytes that are a part of `whole`, the last ones.
    pub fn push_last(&mut self, bytes: &[u8], whole: &Bytes) {
        if self.is_empty() && bytes.len() < SHARED {
            // No room for more is needed.
            self.last = Bytes::copy_from_slice(bytes);
        } else {
            self.push(bytes, whole);
        }
    }

    /// Takes the first bytes, as many as are in one piece, with the number of those that are consumed by this: what lies in
    /// shared memory is not before that is free again.
    pub fn pop(&mut self) -> Option<(Bytes, usize)> {
        let bytes = match self.front.pop_front() {
            Some(Item::Shared(piece)) => return Some((piece.into_bytes(), 0)),
            Some(Item::Bytes(bytes)) => {
                self.ahead -= bytes.len();
                bytes
            }
            None if !self.tail.is_empty() => self.tail.split().freeze(),
            None if self.last.is_empty() => return None,
            None => std::mem::take(&mut self.last),
        };
        let consumed = bytes.len();
        Some((bytes, consumed))
    }

    /// How many bytes would be consumed if all were taken.
    pub fn counted(&self) -> usize {
        self.ahead + self.tail.len() + self.last.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.front.is_empty() && self.tail.is_empty() && self.last.is_empty()
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.ahead += self.tail.len();
            let tail = self.tail.split().freeze();
            self.front.push_back(Item::Bytes(tail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(arrived: &mut Arrived) -> Vec<Bytes> {
        let pop = || {
            let (bytes, counted) = arrived.pop()?;
            assert_eq!(counted, bytes.len());
            Some(bytes)
        };
        std::iter::from_fn(pop).collect()
    }

    #[test]
    fn bytes_keep_their_order_and_long_ones_their_place() {
        let whole: Bytes = (0..=250).cycle().take(3 * SHARED).collect();
        let mut arrived = Arrived::default();
        let cuts = [0, 10, 500, 500 + SHARED, 3 * SHARED - 1, 3 * SHARED];
        for cut in cuts.windows(2) {
            arrived.push(&whole[cut[0]..cut[1]], &whole);
        }
        assert_eq!(arrived.counted(), whole.len());
        let pieces = all(&mut arrived);
        let lengths: Vec<usize> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [500, SHARED, 2 * SHARED - 501, 1]);
        assert_eq!(pieces[1].as_ptr(), whole[500..].as_ptr());
        assert!(pieces.concat() == whole && arrived.is_empty());
        for before in [0, 10, SHARED] {
            for last in [0, 10, SHARED] {
                let expected = &whole[..before + last];
                arrived.push(&whole[..before], &whole);
                arrived.push_last(&whole[before..before + last], &whole);
                assert_eq!(arrived.counted(), expected.len());
                assert!(all(&mut arrived).concat() == expected && arrived.is_empty());
            }
        }
    }
}
