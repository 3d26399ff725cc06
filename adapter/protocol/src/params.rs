//! Name-value pairs (FastCGI 1.0 §3.4) and the parameters of a request.

mod encoded;
mod indexed;

use crate::ProtocolError;
pub use encoded::{EncodedPairs, Pair, pairs};
pub use indexed::IndexedParams;

/// What each pair counts against [`Limits::total`] beside its own bytes: a peer that sends nothing but empty pairs
/// must not cost more memory than one that sends long ones.
pub const PAIR_OVERHEAD: usize = 32;

/// The longest name or value that the coding can express.
const MAX_LENGTH: usize = 0x7FFF_FFFF;

/// Appends one pair, each length in one byte up to 127 and in four above.
///
/// # Panics
///
/// When name or value is 2 GiB or longer.
#[inline]
pub fn encode_pair(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if name.len() | value.len() <= 127 {
        let ([name, ..], [value, ..]) = (name.len().to_le_bytes(), value.len().to_le_bytes());
        out.extend_from_slice(&[name, value]);
    } else {
        let (lengths, used) = encode_lengths(name.len(), value.len());
        out.extend_from_slice(&lengths[..used]);
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

/// The two lengths before a pair, and how many bytes they take.
fn encode_lengths(name: usize, value: usize) -> ([u8; 8], usize) {
    let mut bytes = [0; 8];
    let mut used = 0;
    for length in [name, value] {
        assert!(length <= MAX_LENGTH, "a name or value of 2 GiB or more");
        let [.., b3, b2, b1, b0] = length.to_be_bytes();
        if length <= 127 {
            bytes[used] = b0;
            used += 1;
        } else {
            bytes[used..used + 4].copy_from_slice(&[b3 | 0x80, b2, b1, b0]);
            used += 4;
        }
    }
    (bytes, used)
}

/// Name-value pairs in the order in which they came. A name may occur more than once.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// Whole pairs, each as it was sent: to take them apart costs less than to keep where they are.
    bytes: Vec<u8>,
}

impl Params {
    /// No pairs.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Reads pairs that are at hand as a whole.
    ///
    /// # Errors
    ///
    /// As [`ParamsDecoder`] with the default limits.
    pub fn parse(content: &[u8]) -> Result<Self, ProtocolError> {
        let mut decoder = ParamsDecoder::new(Limits::default());
        decoder.push(content)?;
        decoder.finish()
    }

    /// Appends a pair, even if the name exists.
    ///
    /// # Panics
    ///
    /// As [`encode_pair`].
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        encode_pair(&mut self.bytes, name, value);
    }

    /// Gives the first pair with that name the value, or appends the pair if there is none.
    ///
    /// # Panics
    ///
    /// As [`encode_pair`].
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let mut pairs = self.pairs(0);
        let place = loop {
            let start = self.bytes.len() - pairs.0.len();
            match pairs.next() {
                None => return self.push(name, value),
                Some((other, old)) if other == name && old == value => return,
                Some((other, _)) if other == name => break start..self.bytes.len() - pairs.0.len(),
                Some(_) => {}
            }
        };
        let mut pair = Vec::new();
        encode_pair(&mut pair, name, value);
        self.bytes.splice(place, pair);
    }

    /// The value of the first pair with exactly that name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.pairs(0).value_of(name)
    }

    /// The value of the last pair with exactly that name.
    #[must_use]
    pub fn last(&self, name: &[u8]) -> Option<&[u8]> {
        let named = self.iter().filter(|(other, _)| *other == name);
        named.last().map(|(_, value)| value)
    }

    /// All pairs, name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs(0)
    }

    /// The number of pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// True when there are no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of all names and values together.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        let sizes = self.iter().map(|(name, value)| name.len() + value.len());
        sizes.sum()
    }

    /// The pairs from this byte on.
    fn pairs(&self, start: usize) -> Pairs<'_> {
        Pairs(self.bytes.get(start..).unwrap_or_default())
    }
}

/// The pairs as they are sent.
impl From<Params> for Vec<u8> {
    fn from(params: Params) -> Self {
        params.bytes
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Params {}

/// Takes pairs apart, as long as they are whole.
#[derive(Clone)]
struct Pairs<'a>(&'a [u8]);

impl<'a> Pairs<'a> {
    /// The value of the next pair with exactly that name.
    #[inline]
    fn value_of(mut self, name: &[u8]) -> Option<&'a [u8]> {
        // Most names differ in length already.
        let (_, value) = self.find(|(other, _)| other.len() == name.len() && *other == name)?;
        Some(value)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (name, value, rest) = split_pair(self.0)?;
        self.0 = rest;
        Some((name, value))
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut params = Self::new();
        for (name, value) in pairs {
            params.push(name.as_ref(), value.as_ref());
        }
        params
    }
}

/// What a peer may send as name-value pairs (`ISAPI.md` §9.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most bytes in all pairs of a request, each counted with [`PAIR_OVERHEAD`]. Default 1 MiB.
    pub total: usize,
    /// The most bytes in one name. Default 1 KiB.
    pub name: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total: 1024 * 1024,
            name: 1024,
        }
    }
}

impl Limits {
    /// Admits a pair of the claimed lengths where so much may be claimed, or refuses it. Returns what may be claimed then.
    #[inline]
    fn admit(&self, left: usize, name: usize, value: usize) -> Result<usize, ProtocolError> {
        if name > self.name {
            return Err(ProtocolError::NameTooLong {
                len: name,
                limit: self.name,
            });
        }
        // The name is within its limit, and the value's length has 31 bits.
        left.checked_sub(PAIR_OVERHEAD + name + value)
            .ok_or(ProtocolError::ParamsTooLong { limit: self.total })
    }
}

/// Decodes a stream of name-value pairs that may be split anywhere.
#[derive(Debug)]
pub struct ParamsDecoder {
    limits: Limits,
    /// What may still be claimed of [`Limits::total`].
    left: usize,
    /// Bytes of the pairs that are whole. The beginning of another one may follow them.
    whole: usize,
    params: Params,
}

impl ParamsDecoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            left: limits.total,
            whole: 0,
            params: Params::new(),
        }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::NameTooLong`] and [`ProtocolError::ParamsTooLong`] as soon as a length claims too much. Nothing of
    /// that pair is kept.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.params.bytes.extend_from_slice(bytes);
        let mut rest = self.params.bytes.get(self.whole..).unwrap_or_default();
        let mut left = self.left;
        let result = loop {
            let Some((name, value, behind)) = split_pair(rest) else {
                // The end of one that is not whole may never come.
                let lengths = decode_lengths(rest);
                break lengths.map_or(Ok(left), |(name, value, _)| {
                    self.limits.admit(left, name, value)
                });
            };
            match self.limits.admit(left, name.len(), value.len()) {
                Ok(less) => left = less,
                error => break error,
            }
            rest = behind;
        };
        self.left = left;
        self.whole = self.params.bytes.len() - rest.len();
        if result.is_err() {
            self.params.bytes.truncate(self.whole);
        }
        result.map(drop)
    }

    /// The stream has ended.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::IncompletePair`] when it ended in the middle of a pair.
    pub fn finish(self) -> Result<Params, ProtocolError> {
        if self.whole < self.params.bytes.len() {
            return Err(ProtocolError::IncompletePair);
        }
        Ok(self.params)
    }
}

/// The pair at the start of `bytes`, its name and value, and what is behind it; `None` when it is not whole.
#[inline]
fn split_pair(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    // Most pairs are short.
    let (name, value, rest) = match bytes.split_first_chunk() {
        Some((&[name, value], rest)) if (name | value) & 0x80 == 0 => {
            (name.into(), value.into(), rest)
        }
        _ => decode_lengths(bytes)?,
    };
    let (pair, rest) = rest.split_at_checked(name + value)?;
    let (name, value) = pair.split_at_checked(name)?;
    Some((name, value, rest))
}

/// The two lengths of a pair and the bytes behind them, or `None` when `bytes` does not hold them both yet.
#[cold]
fn decode_lengths(bytes: &[u8]) -> Option<(usize, usize, &[u8])> {
    let (name, rest) = decode_length(bytes)?;
    let (value, rest) = decode_length(rest)?;
    Some((name, value, rest))
}

/// One length and the bytes after it; the four-byte form is good for short lengths too.
fn decode_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return Some((usize::from(first), rest));
    }
    let (&[b2, b1, b0], rest) = rest.split_first_chunk::<3>()?;
    let length = [first & 0x7F, b2, b1, b0]
        .iter()
        .fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    Some((length, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes in whatever pieces, the memory held is within a small factor of the limit and the largest piece.
        #[test]
        fn memory_is_bounded(
            pieces in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..200), 0..12),
            total in 0_usize..1_000,
        ) {
            let largest = pieces.iter().map(Vec::len).max().unwrap_or(0);
            let mut decoder = ParamsDecoder::new(Limits { total, name: 100 });
            for piece in &pieces {
                let result = decoder.push(piece);
                // The lengths of a pair are looked at when both are there.
                prop_assert!(decoder.params.bytes.len() <= total + 7);
                prop_assert!(decoder.params.bytes.capacity() <= 2 * (total + largest) + 8);
                if result.is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_length_over_the_limit_stores_nothing() {
        let mut decoder = ParamsDecoder::new(Limits::default());
        let error = decoder
            .push(&[1, 0xFF, 0xFF, 0xFF, 0xFF, b'N'])
            .unwrap_err();
        assert_eq!(error, ProtocolError::ParamsTooLong { limit: 1024 * 1024 });
        assert!(decoder.params.is_empty());
    }
}
