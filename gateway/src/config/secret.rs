//! Secrets that clients show.

use std::fmt;

use super::diagnostic::Wrong;

/// A secret: visible ASCII characters, at least 16 of them, none of them `;`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Without what it is.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl Secret {
    /// Fewest characters of a secret.
    const SHORTEST: usize = 16;

    /// Takes a secret that somebody has thought of.
    ///
    /// # Errors
    /// When it is too short or has other characters.
    pub fn new(text: &str) -> Result<Self, Wrong> {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b';';
        if text.len() >= Self::SHORTEST && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(Wrong::with_remedy(
            format!(
                "the secret has at least {} visible ASCII characters, none of them `;`",
                Self::SHORTEST
            ),
            "let `openssl rand -hex 16` make one",
        ))
    }

    /// Whether this is it. How long the comparison takes tells nothing about it but its length.
    pub fn is(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        if given.len() != own.len() {
            return false;
        }
        let pairs = given.iter().zip(own);
        let difference = pairs.fold(0, |all, (given, own)| all | (given ^ own));
        std::hint::black_box(difference) == 0
    }

    /// The secret itself, to be shown to who asks for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
