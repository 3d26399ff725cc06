//! Name-value pairs (FastCGI 1.0 §3.4) and the parameters of a request.

use crate::ProtocolError;

/// What each pair counts against [`Limits::total`] beside its own bytes: a peer that sends nothing but empty pairs
/// must not cost more memory than one that sends long ones.
pub const PAIR_OVERHEAD: usize = 32;

/// Bytes of a usual pair, lengths included.
const USUAL_PAIR: usize = 24;

/// The longest name or value that the coding can express.
const MAX_LENGTH: usize = 0x7FFF_FFFF;

/// Appends one pair, each length in one byte up to 127 and in four above.
///
/// # Panics
///
/// When name or value is 2 GiB or longer.
#[inline]
pub fn encode_pair(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    match (u8::try_from(name.len()), u8::try_from(value.len())) {
        (Ok(name @ ..=127), Ok(value @ ..=127)) => out.extend_from_slice(&[name, value]),
        _ => {
            let (lengths, used) = encode_lengths(name.len(), value.len());
            out.extend_from_slice(&lengths[..used]);
        }
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

/// Pairs that are encoded once and sent with many requests.
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

    /// The pairs as they are sent.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What they count against [`Limits::total`].
    #[must_use]
    #[inline]
    pub fn cost(&self) -> usize {
        self.cost
    }
}

/// Name-value pairs in the order in which they came. A name may occur more than once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Params {
    /// Name, value, name, value … with nothing between them.
    bytes: Vec<u8>,
    pairs: Vec<Pair>,
}

/// Offsets of one pair in the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Pair {
    name: usize,
    value: usize,
    end: usize,
}

impl Params {
    /// No pairs.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            pairs: Vec::new(),
        }
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
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.open(name.len(), value.len());
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
    }

    /// Gives the first pair with that name the value, or appends the pair if there is none.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let Some(index) = self.iter().position(|(other, _)| other == name) else {
            return self.push(name, value);
        };
        let Pair {
            value: start,
            end: old_end,
            ..
        } = self.pairs[index];
        if self.bytes[start..old_end] == *value {
            return;
        }
        self.bytes.splice(start..old_end, value.iter().copied());
        let new_end = start + value.len();
        self.pairs[index].end = new_end;
        for pair in &mut self.pairs[index + 1..] {
            for offset in [&mut pair.name, &mut pair.value, &mut pair.end] {
                *offset = *offset - old_end + new_end;
            }
        }
    }

    /// The value of the first pair with exactly that name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let pair = self.pairs.iter().find(|pair| self.is_named(pair, name))?;
        Some(&self.bytes[pair.value..pair.end])
    }

    /// The value of the last pair with exactly that name.
    #[must_use]
    pub fn last(&self, name: &[u8]) -> Option<&[u8]> {
        let mut pairs = self.pairs.iter().rev();
        let pair = pairs.find(|pair| self.is_named(pair, name))?;
        Some(&self.bytes[pair.value..pair.end])
    }

    /// All pairs, name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs.iter().map(|pair| {
            (
                &self.bytes[pair.name..pair.value],
                &self.bytes[pair.value..pair.end],
            )
        })
    }

    /// The number of pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// True when there are no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The bytes of all names and values together.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.bytes.len()
    }

    /// Most names differ in length already.
    #[inline]
    fn is_named(&self, pair: &Pair, name: &[u8]) -> bool {
        pair.value - pair.name == name.len() && self.bytes[pair.name..pair.value] == *name
    }

    /// Adds the offsets of a pair whose bytes will follow.
    fn open(&mut self, name_len: usize, value_len: usize) {
        let name = self.bytes.len();
        let value = name + name_len;
        self.pairs.push(Pair {
            name,
            value,
            end: value + value_len,
        });
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

/// Decodes a stream of name-value pairs that may be split anywhere.
#[derive(Debug)]
pub struct ParamsDecoder {
    limits: Limits,
    /// What may still be claimed of [`Limits::total`].
    left: usize,
    /// The lengths before a pair, as far as they have come.
    lengths: [u8; 8],
    lengths_len: usize,
    /// Bytes of the last pair that have not come.
    missing: usize,
    params: Params,
}

impl ParamsDecoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            left: limits.total,
            lengths: [0; 8],
            lengths_len: 0,
            missing: 0,
            params: Params::new(),
        }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::NameTooLong`] and [`ProtocolError::ParamsTooLong`] as soon as a length claims too much, before
    /// anything of that pair is stored.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), ProtocolError> {
        self.params.bytes.reserve(bytes.len());
        self.params.pairs.reserve(bytes.len() / USUAL_PAIR);
        while let Some((&first, rest)) = bytes.split_first() {
            // Most pairs are short, and whole.
            if self.missing == 0
                && self.lengths_len == 0
                && let [name @ ..=127, value @ ..=127, rest @ ..] = bytes
                && let Some((pair, rest)) =
                    rest.split_at_checked(usize::from(*name) + usize::from(*value))
            {
                self.open(usize::from(*name), usize::from(*value))?;
                self.params.bytes.extend_from_slice(pair);
                self.missing = 0;
                bytes = rest;
                continue;
            }
            if self.missing > 0 {
                let (pair, rest) = bytes.split_at(self.missing.min(bytes.len()));
                self.params.bytes.extend_from_slice(pair);
                self.missing -= pair.len();
                bytes = rest;
                continue;
            }
            self.lengths[self.lengths_len] = first;
            self.lengths_len += 1;
            bytes = rest;
            if let Some((name, value)) = decode_lengths(&self.lengths[..self.lengths_len]) {
                self.lengths_len = 0;
                self.open(name, value)?;
            }
        }
        Ok(())
    }

    /// The stream has ended.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::IncompletePair`] when it ended in the middle of a pair.
    pub fn finish(self) -> Result<Params, ProtocolError> {
        if self.missing > 0 || self.lengths_len > 0 {
            return Err(ProtocolError::IncompletePair);
        }
        Ok(self.params)
    }

    /// Admits a pair of the claimed lengths, or refuses it.
    fn open(&mut self, name: usize, value: usize) -> Result<(), ProtocolError> {
        if name > self.limits.name {
            return Err(ProtocolError::NameTooLong {
                len: name,
                limit: self.limits.name,
            });
        }
        self.left = name
            .checked_add(value)
            .and_then(|size| size.checked_add(PAIR_OVERHEAD))
            .and_then(|size| self.left.checked_sub(size))
            .ok_or(ProtocolError::ParamsTooLong {
                limit: self.limits.total,
            })?;
        self.missing = name + value;
        self.params.open(name, value);
        Ok(())
    }
}

/// The two lengths of a pair, or `None` when `bytes` does not hold them both yet.
fn decode_lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let (name, rest) = decode_length(bytes)?;
    let (value, _) = decode_length(rest)?;
    Some((name, value))
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
                let held = decoder.params.bytes.capacity()
                    + decoder.params.pairs.capacity() * size_of::<Pair>();
                prop_assert!(decoder.params.bytes.len() <= total);
                prop_assert!(held <= 4 * total + 2 * largest + 4 * size_of::<Pair>());
                if result.is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_pair_of_offsets_costs_no_more_than_it_counts() {
        assert!(size_of::<Pair>() <= PAIR_OVERHEAD);
    }

    #[test]
    fn a_length_over_the_limit_stores_nothing() {
        let mut decoder = ParamsDecoder::new(Limits::default());
        let error = decoder
            .push(&[1, 0xFF, 0xFF, 0xFF, 0xFF, b'N'])
            .unwrap_err();
        assert_eq!(error, ProtocolError::ParamsTooLong { limit: 1024 * 1024 });
        assert!(decoder.params.is_empty() && decoder.params.bytes.is_empty());
    }
}
