//! What names a worker to the clients that are bound to it.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use super::state::WorkerId;

/// A number that says nothing of the worker, and that nobody guesses who has not been told: else a client could choose
/// whom it burdens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(u64);

impl Token {
    /// That of a worker, by the keys of its pool.
    pub fn of(keys: &RandomState, id: WorkerId) -> Self {
        Self(keys.hash_one(id))
    }

    /// From a client.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.iter().all(is_digit) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_differ() {
        let keys = RandomState::new();
        let [one, other] = [1, 2].map(|id| Token::of(&keys, WorkerId(id)));
        assert_ne!(one, other);
        assert_eq!(Token::parse(one.to_string().as_bytes()), Some(one));
        assert_eq!(Token(10).to_string(), "000000000000000a");
        for wrong in [
            "",
            "0",
            "000000000000000A",
            "+00000000000000a",
            "00000000000000000",
        ] {
            assert_eq!(Token::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
