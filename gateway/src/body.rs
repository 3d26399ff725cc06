//! Bodies in both directions: a stream of byte chunks that ends cleanly or with an error, never silently.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};

/// A streamed body.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client went away or sent a malformed body.
    #[error("the client's body ended early: {0}")]
    Client(String),
    /// The backend's answer was cut short (worker died, program was ended, too few bytes).
    #[error("the answer was cut short: {0}")]
    Cut(String),
}

/// A body without bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is already whole.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}
