//! Parameters that are looked up by their names.

use super::{Limits, Params, split_pair};
use crate::ProtocolError;

/// Pairs that are asked for by their names many times.
#[derive(Debug)]
pub struct IndexedParams {
    params: Params,
    /// For each kind of name where the first pair of it is, counted from 1; 0: there is none.
    places: [u16; KINDS],
}

/// Names are told apart by so many kinds.
const KINDS: usize = 64;

impl IndexedParams {
    /// Reads pairs that are at hand as a whole.
    ///
    /// # Errors
    ///
    /// As [`ParamsDecoder`](super::ParamsDecoder) with these limits.
    pub fn parse(content: &[u8], limits: &Limits) -> Result<Self, ProtocolError> {
        let mut index = Index::of(content);
        let (mut rest, mut left) = (content, limits.total);
        while let Some((name, value, behind)) = split_pair(rest) {
            left = limits.admit(left, name.len(), value.len())?;
            index.note(name, rest);
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(ProtocolError::IncompletePair);
        }
        let bytes = content.to_vec();
        let (params, places) = (Params { bytes }, index.places);
        Ok(Self { params, places })
    }

    /// The first pair with exactly that name, its value.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let place = self.places[kind(name)].checked_sub(1)?;
        self.params.pairs(place.into()).value_of(name)
    }

    /// The values of all pairs with exactly that name, in order.
    pub fn all(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        let place = self.places[kind(name)].checked_sub(1);
        let pairs = place.map(|place| self.params.pairs(place.into()));
        let named = pairs.into_iter().flatten();
        named.filter_map(move |(other, value)| (other == name).then_some(value))
    }

    /// All pairs, name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.params.iter()
    }
}

impl From<Params> for IndexedParams {
    fn from(params: Params) -> Self {
        let mut index = Index::of(&params.bytes);
        let mut rest = &params.bytes[..];
        while let Some((name, _, behind)) = split_pair(rest) {
            index.note(name, rest);
            rest = behind;
        }
        let places = index.places;
        Self { params, places }
    }
}

/// Where the first pair of each kind is, in the making.
struct Index {
    places: [u16; KINDS],
    /// Bytes of all pairs.
    size: usize,
}

impl Index {
    fn of(bytes: &[u8]) -> Self {
        // Where places do not reach, every search begins at the start.
        let is_short = bytes.len() <= usize::from(u16::MAX);
        Self {
            places: [u16::from(!is_short); KINDS],
            size: bytes.len(),
        }
    }

    /// A pair with that name is at the start of the bytes that are left.
    #[inline]
    fn note(&mut self, name: &[u8], left: &[u8]) {
        let place = &mut self.places[kind(name)];
        if *place == 0 {
            *place = u16::try_from(self.size - left.len() + 1).unwrap_or(1);
        }
    }
}

/// The usual names are of different kinds, nearly.
#[inline]
fn kind(name: &[u8]) -> usize {
    let [_, _, _, _, fifth, .., last] = name else {
        return 0;
    };
    (name.len() * 6 + usize::from(*fifth) * 21 + usize::from(*last)) % KINDS
}
