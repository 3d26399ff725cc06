//! The private greeting between a gateway and its worker.

use std::io::Write as _;
use std::str;

use crate::{MAX_WINDOW, Params, ProtocolError};

/// The version of the private records that this crate speaks.
pub const HELLO_VERSION: u16 = 4;

const VERSION: &str = "version";
const STDIN_WINDOW: &str = "stdin-window";
const STDOUT_WINDOW: &str = "stdout-window";
const MAX_REQUESTS: &str = "max-requests";
const ERROR: &[u8] = b"error";

/// The private greeting (record type 128): the first record in each direction of a gateway's connection to its worker.
///
/// The gateway sends its offer first. The worker answers when the extension has been loaded, or with the field `error`
/// when it could not be. Both sides then obey the values of the worker's answer, which never exceed the offer: see
/// [`limit_to`](Self::limit_to). The content is name-value pairs with decimal numbers, so unknown names do no harm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The version of the private records: [`HELLO_VERSION`].
    pub version: u16,
    /// Bytes of STDIN that the gateway may send for each request before it needs [`Credit`](crate::RecordType::Credit).
    pub stdin_window: u32,
    /// Bytes of STDOUT that the worker may send for each request before it needs credit.
    pub stdout_window: u32,
    /// Requests that may be active at once on the connection.
    pub max_requests: u16,
    /// Everything else, such as `error`, `pid`, `extension-version`, `description`, `threads`.
    pub fields: Params,
}

impl Hello {
    /// Reads a record's content.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::HelloVersion`] for another version, [`ProtocolError::BadHello`] for a field that is missing,
    /// not a number or out of range (windows 1 to [`MAX_WINDOW`], requests from 1; not checked beside an `error`), and
    /// what [`Params::parse`] finds.
    pub fn parse(content: &[u8]) -> Result<Self, ProtocolError> {
        let params = Params::parse(content)?;
        let version = number(&params, VERSION)?;
        if version != HELLO_VERSION {
            return Err(ProtocolError::HelloVersion(version));
        }
        let hello = Self {
            version,
            stdin_window: number(&params, STDIN_WINDOW)?,
            stdout_window: number(&params, STDOUT_WINDOW)?,
            max_requests: number(&params, MAX_REQUESTS)?,
            fields: params.iter().filter(|(name, _)| !is_number(name)).collect(),
        };
        if hello.error().is_none() {
            hello.check()?;
        }
        Ok(hello)
    }

    /// The worker's answer: these values, but none above those of the gateway's offer.
    #[must_use]
    pub fn limit_to(mut self, offer: &Self) -> Self {
        self.stdin_window = self.stdin_window.min(offer.stdin_window);
        self.stdout_window = self.stdout_window.min(offer.stdout_window);
        self.max_requests = self.max_requests.min(offer.max_requests);
        self
    }

    /// Why the worker cannot serve, if it cannot.
    #[must_use]
    pub fn error(&self) -> Option<&[u8]> {
        self.fields.get(ERROR)
    }

    /// All fields as the pairs that are sent.
    pub(crate) fn to_params(&self) -> Params {
        let mut params = Params::new();
        let mut digits = Vec::new();
        for (name, value) in [
            (VERSION, self.version.into()),
            (STDIN_WINDOW, self.stdin_window),
            (STDOUT_WINDOW, self.stdout_window),
            (MAX_REQUESTS, self.max_requests.into()),
        ] {
            digits.clear();
            // Writing to a Vec cannot fail.
            let _ = write!(digits, "{value}");
            params.push(name.as_bytes(), &digits);
        }
        for (name, value) in self.fields.iter() {
            params.push(name, value);
        }
        params
    }

    fn check(&self) -> Result<(), ProtocolError> {
        let windows = 1..=MAX_WINDOW;
        if !windows.contains(&self.stdin_window) {
            return Err(ProtocolError::BadHello(STDIN_WINDOW));
        }
        if !windows.contains(&self.stdout_window) {
            return Err(ProtocolError::BadHello(STDOUT_WINDOW));
        }
        if self.max_requests == 0 {
            return Err(ProtocolError::BadHello(MAX_REQUESTS));
        }
        Ok(())
    }
}

fn number<T: str::FromStr>(params: &Params, name: &'static str) -> Result<T, ProtocolError> {
    params
        .get(name.as_bytes())
        .and_then(|value| str::from_utf8(value).ok()?.parse().ok())
        .ok_or(ProtocolError::BadHello(name))
}

fn is_number(name: &[u8]) -> bool {
    [VERSION, STDIN_WINDOW, STDOUT_WINDOW, MAX_REQUESTS]
        .iter()
        .any(|known| known.as_bytes() == name)
}
