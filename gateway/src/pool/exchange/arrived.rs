//! Bytes that have arrived and not been read.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::outbox::SHARED;

/// Room that is made for short pieces: a head and the first bytes behind it mostly come apart.
const LEAST: usize = 512;

/// A queue of bytes. Long pieces share the buffer that they were read into, others are put together.
#[derive(Debug, Default)]
pub struct Arrived {
    front: VecDeque<Bytes>,
    /// Bytes in `front`.
    ahead: usize,
    tail: BytesMut,
    /// What comes last, if that is all there was to read when it came.
    last: Bytes,
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
        if !self.tail.is_empty() {
            let tail = self.tail.split().freeze();
            self.ahead += tail.len();
            self.front.push_back(tail);
        }
        self.ahead += bytes.len();
        self.front.push_back(whole.slice_ref(bytes));
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

    /// Takes the first bytes, as many as are in one piece.
    pub fn pop(&mut self) -> Option<Bytes> {
        if let Some(bytes) = self.front.pop_front() {
            self.ahead -= bytes.len();
            return Some(bytes);
        }
        if !self.tail.is_empty() {
            return Some(self.tail.split().freeze());
        }
        (!self.last.is_empty()).then(|| std::mem::take(&mut self.last))
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.ahead + self.tail.len() + self.last.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_their_order_and_long_ones_their_place() {
        let whole: Bytes = (0..=250).cycle().take(3 * SHARED).collect();
        let mut arrived = Arrived::default();
        let cuts = [0, 10, 500, 500 + SHARED, 3 * SHARED - 1, 3 * SHARED];
        for cut in cuts.windows(2) {
            arrived.push(&whole[cut[0]..cut[1]], &whole);
        }
        assert_eq!(arrived.len(), whole.len());
        let pieces: Vec<Bytes> = std::iter::from_fn(|| arrived.pop()).collect();
        let lengths: Vec<usize> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [500, SHARED, 2 * SHARED - 501, 1]);
        assert_eq!(pieces[1].as_ptr(), whole[500..].as_ptr());
        assert!(pieces.concat() == whole && arrived.is_empty());
        for before in [0, 10, SHARED] {
            for last in [0, 10, SHARED] {
                let all = &whole[..before + last];
                arrived.push(&whole[..before], &whole);
                arrived.push_last(&whole[before..before + last], &whole);
                assert_eq!(arrived.len(), all.len());
                let pieces: Vec<Bytes> = std::iter::from_fn(|| arrived.pop()).collect();
                assert!(pieces.concat() == all && arrived.is_empty());
            }
        }
    }
}
