//! The headers of a request: as HTTP has them, or still as the variables that a web server has made of them.

use bytes::Bytes;
use fastcgi_protocol::{EncodedPairs, Pair};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE,
    HOST, REFERER, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::Error;
use crate::fields::{Fields, Readable, is_value};
use crate::site::variables;

/// The headers of a request. What a web server has sent stays variables as long as it can: a worker gets variables, and the
/// headers of most requests are for nobody else.
pub type Headers = Fields<Sent>;

impl Headers {
    /// Content-Length.
    pub fn content_length(&self) -> Option<&[u8]> {
        match self.unread() {
            Some(sent) => sent.content_length(),
            None => self.get(CONTENT_LENGTH).map(HeaderValue::as_bytes),
        }
    }

    /// The first value of a header, whose variable has that name, for who wants to know few.
    pub fn first(&self, name: &HeaderName, variable: &[u8]) -> Option<HeaderValue> {
        match self.unread() {
            Some(sent) => {
                let mut variables = sent.variables.iter();
                let (_, value) = variables.find(|(name, _)| *name == variable)?;
                HeaderValue::from_bytes(value).ok()
            }
            None => self.get(name).cloned(),
        }
    }
}

/// Headers as variables that mean the same as headers, and would be made of these again.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    variables: EncodedPairs,
    /// Where the host is in them, and the length of the body.
    host: Place,
    length: Place,
    /// What kinds of names there are.
    kinds: u64,
    /// Whether variables of the connection are among them.
    has_connection: bool,
}

/// Bytes of variables that are searched for a name that may be there already. To search more for each would take too long.
const SEARCHED: usize = 4 * 1024;

impl Sent {
    /// None yet, with room for variables of so many bytes.
    pub fn with_room(bytes: usize) -> Self {
        let mut sent = Self::default();
        sent.variables.reserve(bytes);
        sent
    }

    /// Takes a variable `HTTP_…`. Returns whether it could: not where the variable of the header would be another one.
    #[must_use]
    pub fn take(&mut self, pair: Pair<'_>) -> bool {
        let Pair { name, value, .. } = pair;
        match name {
            // Their own variables say what counts. The last: httpoxy.
            b"HTTP_CONTENT_TYPE" | b"HTTP_CONTENT_LENGTH" | b"HTTP_PROXY" => return true,
            _ if !is_usual(name) || !is_value(value) || !self.is_new(name) => return false,
            _ => {}
        }
        self.variables.pass_on(pair);
        if name == b"HTTP_HOST" {
            self.host = self.last(value);
        }
        true
    }

    /// Takes the variables of the client's connection: SERVER_ADDR, SERVER_PORT, REMOTE_ADDR, REMOTE_PORT.
    pub fn take_connection(&mut self, addresses: [Pair<'_>; 4], secure: bool) {
        for pair in addresses {
            self.variables.pass_on(pair);
        }
        variables::visit_scheme(secure, &mut |name, value| self.variables.push(name, value));
        self.has_connection = true;
    }

    /// The headers, with these of the request's body; `None` if they cannot be variables, or there is no host among them.
    pub fn into_headers(mut self, content_type: &[u8], content_length: &[u8]) -> Option<Headers> {
        if self.host.end == 0 || !is_value(content_type) || !is_value(content_length) {
            return None;
        }
        if !content_type.is_empty() || !content_length.is_empty() {
            self.put_first(content_type, content_length);
        }
        Some(Headers::of(self))
    }

    /// Where they stand for those of an HTTP client.
    fn put_first(&mut self, content_type: &[u8], content_length: &[u8]) {
        let others = std::mem::take(&mut self.variables);
        if !content_type.is_empty() {
            self.variables.push(b"CONTENT_TYPE", content_type);
        }
        if !content_length.is_empty() {
            self.variables.push(b"CONTENT_LENGTH", content_length);
            self.length = self.last(content_length);
        }
        self.host.end += self.variables.bytes().len();
        self.variables.append(&others);
    }

    /// The variables, as they go to a worker.
    pub fn variables(&self) -> &EncodedPairs {
        &self.variables
    }

    /// Whether those of the client's connection are among them.
    pub fn has_connection(&self) -> bool {
        self.has_connection
    }

    /// The host.
    pub fn host(&self) -> &[u8] {
        self.at(self.host)
    }

    fn content_length(&self) -> Option<&[u8]> {
        let length = self.at(self.length);
        (!length.is_empty()).then_some(length)
    }

    /// The value of the last variable.
    fn last(&self, value: &[u8]) -> Place {
        let end = self.variables.bytes().len();
        Place {
            end,
            length: value.len(),
        }
    }

    fn at(&self, place: Place) -> &[u8] {
        let bytes = self.variables.bytes();
        let Place { end, length } = place;
        bytes.get(end - length..end).unwrap_or_default()
    }

    fn is_new(&mut self, name: &[u8]) -> bool {
        let kind = 1 << kind(name);
        let mut known = self.variables.iter().map(|(name, _)| name);
        let is_new = self.kinds & kind == 0
            || self.variables.bytes().len() < SEARCHED && known.all(|known| known != name);
        self.kinds |= kind;
        is_new
    }
}

impl Readable for Sent {
    fn read(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        let bytes = Bytes::copy_from_slice(self.variables.bytes());
        for pair in fastcgi_protocol::pairs(&bytes) {
            let name = match pair.name {
                b"CONTENT_TYPE" => Some(CONTENT_TYPE),
                b"CONTENT_LENGTH" => Some(CONTENT_LENGTH),
                name => name.strip_prefix(b"HTTP_").and_then(header_name),
            };
            let value = HeaderValue::from_maybe_shared(bytes.slice_ref(pair.value));
            if let (Some(name), Ok(value)) = (name, value) {
                map.insert(name, value);
            }
        }
        map
    }
}

/// A value among the variables.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Behind its last byte; 0: there is none.
    end: usize,
    length: usize,
}

/// Names are told apart by this, nearly.
fn kind(name: &[u8]) -> usize {
    let (Some(seventh), Some(last)) = (name.get(6), name.last()) else {
        return 0;
    };
    (name.len() * 6 + usize::from(*seventh) * 21 + usize::from(*last)) % 64
}

/// Whether this is the variable of a header, and of no name that is too long.
fn is_usual(name: &[u8]) -> bool {
    let fits = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
    match name {
        b"HTTP_ACCEPT"
        | b"HTTP_ACCEPT_ENCODING"
        | b"HTTP_ACCEPT_LANGUAGE"
        | b"HTTP_CONNECTION"
        | b"HTTP_COOKIE"
        | b"HTTP_HOST"
        | b"HTTP_REFERER"
        | b"HTTP_USER_AGENT" => true,
        name => (6..64).contains(&name.len()) && name.iter().all(fits),
    }
}

/// `USER_AGENT` → `user-agent`; `None` if no header could have that name.
pub fn header_name(variable: &[u8]) -> Option<HeaderName> {
    /// Longer ones are rare.
    const USUAL: usize = 64;
    Some(match variable {
        b"ACCEPT" => ACCEPT,
        b"ACCEPT_ENCODING" => ACCEPT_ENCODING,
        b"ACCEPT_LANGUAGE" => ACCEPT_LANGUAGE,
        b"CONNECTION" => CONNECTION,
        b"COOKIE" => COOKIE,
        b"HOST" => HOST,
        b"REFERER" => REFERER,
        b"USER_AGENT" => USER_AGENT,
        other => {
            let dashed = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
            let mut usual = [0; USUAL];
            let Some(name) = usual.get_mut(..other.len()) else {
                let name: Vec<u8> = other.iter().map(dashed).collect();
                return HeaderName::from_bytes(&name).ok();
            };
            for (place, byte) in name.iter_mut().zip(other) {
                *place = dashed(byte);
            }
            return HeaderName::from_bytes(name).ok();
        }
    })
}

/// The value of a header.
///
/// # Errors
/// [`Error::BadRequest`] for what no header can have.
pub fn header_value(name: &HeaderName, bytes: Bytes) -> Result<HeaderValue, Error> {
    HeaderValue::from_maybe_shared(bytes)
        .map_err(|_| Error::BadRequest(format!("the header {name} has a control character")))
}
