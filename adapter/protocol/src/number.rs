//! What is kept of requests by their numbers.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by the numbers of requests. There are 65,535 numbers, too few for a peer to do harm by choosing them: their hash
/// needs no secret, and costs one multiplication.
pub type ByNumber<T> = HashMap<u16, T, BuildHasherDefault<NumberHasher>>;

/// 2^64 divided by the golden ratio: numbers that follow each other share neither the upper nor the lower bits of their
/// products with it.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Spreads a number over the bits of its hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberHasher(u64);

impl Hasher for NumberHasher {
    #[inline]
    fn write_u16(&mut self, number: u16) {
        self.0 = u64::from(number).wrapping_mul(SPREAD);
    }

    /// Only numbers are hashed.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(SPREAD);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
