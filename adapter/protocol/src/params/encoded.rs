//! Pairs that stay encoded.

use super::{PAIR_OVERHEAD, Pairs, encode_pair, split_pair};

/// Pairs as they are sent: encoded once for many requests, or passed on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EncodedPairs {
    bytes: Vec<u8>,
    cost: usize,
}

impl EncodedPairs {
    /// Appends a pair.
    ///
    /// # Panics
    ///
    /// As [`encode_pair`].
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        encode_pair(&mut self.bytes, name, value);
        self.cost += name.len() + value.len() + PAIR_OVERHEAD;
    }

    /// Appends a pair that somebody else has sent.
    #[inline]
    pub fn pass_on(&mut self, pair: Pair<'_>) {
        self.bytes.extend_from_slice(pair.encoded);
        self.cost += pair.name.len() + pair.value.len() + PAIR_OVERHEAD;
    }

    /// Appends all of these pairs.
    pub fn append(&mut self, others: &Self) {
        self.bytes.extend_from_slice(&others.bytes);
        self.cost += others.cost;
    }

    /// Makes room for so many bytes more.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// All pairs, name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        Pairs(&self.bytes)
    }

    /// The pairs as they are sent.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What they count against [`Limits::total`](super::Limits::total).
    #[must_use]
    #[inline]
    pub fn cost(&self) -> usize {
        self.cost
    }
}

/// A pair among the bytes as which it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pair<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// All of it, with the lengths.
    encoded: &'a [u8],
}

/// The pairs in bytes as they are sent, as long as they are whole.
pub fn pairs(bytes: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (name, value, behind) = split_pair(rest)?;
        let encoded = &rest[..rest.len() - behind.len()];
        rest = behind;
        Some(Pair {
            name,
            value,
            encoded,
        })
    })
}
