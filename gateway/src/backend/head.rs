//! The head of a CGI answer (RFC 3875 §6, ISAPI.md §9.6), as CGI programs, FastCGI applications and workers send it.
//!
//! Where the RFC leaves room, or programs in the field leave the RFC, the parser is lenient:
//! - Lines end with CRLF or LF. A line that begins with a blank continues the one before it (RFC 9112 §5.2).
//! - A head without Content-Type, Location and Status is taken if it has any header at all; only an empty head is refused.
//! - A first line `HTTP/x.y nnn reason` is taken as the status, so that `nph-` programs need no parser of their own.
//! - `Location: /path` beside other fields is a redirect for the client, so that no cookie is lost; only alone it is local.
//! - Heads with status 1xx are dropped and the next one is awaited; 101 is refused, as there is no way to switch protocols.

mod lines;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, EXPIRES, Entry,
    HeaderName, HeaderValue, LAST_MODIFIED, LOCATION, SERVER, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VARY,
};
use http::{HeaderMap, Method, StatusCode};
use memchr::{memchr, memchr_iter};

use crate::body::{BodyError, framed};
use crate::error::Error;
use crate::response::{Headers, Response};

/// Largest head, bytes. Enough for every cookie a browser takes, small enough to be held for each request.
pub const HEAD_LIMIT: usize = 64 * 1024;

/// What the head says.
#[derive(Debug, PartialEq)]
pub enum Head {
    /// A document or a redirect for the client.
    Document(Document),
    /// `Location: /path?query` alone: run that path instead (RFC 3875 §6.2.2).
    LocalRedirect(Bytes),
}

/// The head of an answer that goes to the client.
#[derive(Debug, PartialEq)]
pub struct Document {
    /// Status code, 200–999.
    pub status: StatusCode,
    /// Reason phrase, where it is not the standard one.
    pub reason: Option<Bytes>,
    /// End-to-end headers; `Status`, `X-CGI-*` and hop-by-hop fields have been removed.
    pub headers: Headers,
    /// Value of Content-Length, which is also among `headers`.
    pub content_length: Option<u64>,
    /// `Connection: close`: for the client's connection if a worker says so, as its extension declines to keep it.
    pub close: bool,
}

impl Document {
    /// The response with this head and what follows of `body`, held to what the head declared (see [`framed`]).
    pub fn into_response<B>(mut self, body: B, method: &Method) -> Response
    where
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
    {
        let body = framed(body, self.content_length, method, self.status);
        if matches!(self.status.as_u16(), 204 | 205) {
            self.headers.remove(CONTENT_LENGTH);
        }
        Response {
            status: self.status,
            reason: self.reason,
            headers: self.headers,
            body,
        }
    }
}

/// Collects the bytes of one answer until its head is whole.
#[derive(Debug, Default)]
pub struct HeadParser {
    buffer: Vec<u8>,
    /// Who gets the answer takes lines as they are.
    keeps_lines: bool,
}

impl HeadParser {
    /// A parser for one answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A parser for one answer, which leaves the lines of a usual head as they are if whoever gets it takes them so.
    pub fn keeping_lines(keeps_lines: bool) -> Self {
        Self {
            buffer: Vec::new(),
            keeps_lines,
        }
    }

    /// Takes the next bytes of the answer. When the head is whole, returns it with the offset in `chunk` at which
    /// the body begins; the parser is then empty again. A head that comes in one chunk is parsed where it lies, and its
    /// values stay there.
    ///
    /// # Errors
    /// [`Error::BadAnswer`] when the head is longer than [`HEAD_LIMIT`] or a line is not what RFC 3875 §6.3 allows.
    pub fn push(&mut self, chunk: &Bytes) -> Result<Option<(Head, usize)>, Error> {
        if self.keeps_lines
            && self.buffer.is_empty()
            && let Some((document, end)) = lines::usual_head(&chunk[..chunk.len().min(HEAD_LIMIT)])
        {
            return Ok(Some((Head::Document(document), end)));
        }
        let mut taken = 0;
        loop {
            let kept = self.buffer.len();
            let rest = &chunk[taken..];
            let seen = &rest[..rest.len().min(HEAD_LIMIT - kept)];
            let parsed = if kept == 0 {
                parse(chunk, seen)?
            } else {
                self.buffer.extend_from_slice(seen);
                match head_end(&self.buffer, kept) {
                    Some(_) => {
                        let whole = Bytes::from(std::mem::take(&mut self.buffer));
                        parse(&whole, &whole)?
                    }
                    None => None,
                }
            };
            let Some((head, end)) = parsed else {
                if kept == 0 {
                    self.buffer.extend_from_slice(seen);
                }
                if self.buffer.len() == HEAD_LIMIT {
                    return Err(bad(format!("its head is longer than {HEAD_LIMIT} bytes")));
                }
                return Ok(None);
            };
            taken += end - kept;
            if let Some(head) = head {
                return Ok(Some((head, taken)));
            }
        }
    }

    /// Whether bytes of an unfinished head are held; tells an answer that was cut in its head from no answer at all.
    pub fn has_partial_head(&self) -> bool {
        !self.buffer.is_empty()
    }
}

/// Where the first empty line ends. Bytes before `from` have been searched before.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut ends = memchr_iter(b'\n', &bytes[from..]).map(|found| from + found);
    let end = ends.find(|end| {
        let before = &bytes[..*end];
        let before = before.strip_suffix(b"\r").unwrap_or(before);
        before.is_empty() || before.ends_with(b"\n")
    })?;
    Some(end + 1)
}

/// Parses the head at the beginning of `bytes`, a part of `chunk`, in which its values stay. Returns what it says, `None`
/// for an interim (1xx) one, and where it ends; nothing when that is not there.
fn parse(chunk: &Bytes, bytes: &[u8]) -> Result<Option<(Option<Head>, usize)>, Error> {
    let mut fields = Fields::default();
    let mut start = 0;
    for (index, end) in memchr_iter(b'\n', bytes).enumerate() {
        let line = &bytes[start..end];
        start = end + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok(Some((fields.finish()?, start)));
        }
        if index > 0 && matches!(line[0], b' ' | b'\t') {
            let Some(end) = head_end(bytes, start) else {
                break;
            };
            let unfolded = Bytes::from(unfold(&bytes[..end]));
            let parsed = parse(&unfolded, &unfolded)?;
            return Ok(parsed.map(|(head, _)| (head, end)));
        }
        if let Err(reason) = fields.take(index, line, chunk) {
            // Only the end tells that it is the answer's head.
            if head_end(bytes, start).is_none() {
                break;
            }
            let shown = line[..line.len().min(80)].escape_ascii();
            return Err(bad(format!(
                "line {} of its head, \"{shown}\": {reason}",
                index + 1
            )));
        }
    }
    Ok(None)
}

/// Replaces every continuation of a line by one blank (RFC 9112 §5.2).
fn unfold(head: &[u8]) -> Vec<u8> {
    let mut unfolded = Vec::with_capacity(head.len());
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line[0], b' ' | b'\t') && !unfolded.is_empty() {
            while unfolded.last().is_some_and(u8::is_ascii_whitespace) {
                unfolded.pop();
            }
            unfolded.push(b' ');
            unfolded.extend_from_slice(line.trim_ascii_start());
            if !unfolded.ends_with(b"\n") {
                unfolded.push(b'\n');
            }
        } else {
            unfolded.extend_from_slice(line);
        }
    }
    unfolded
}

/// What the lines so far have said.
#[derive(Default)]
struct Fields {
    /// From a first line `HTTP/x.y nnn` or from `Status:`; the first line wins.
    status: Option<(StatusCode, Option<Bytes>)>,
    has_status_line: bool,
    content_length: Option<u64>,
    headers: HeaderMap,
    /// Fields that `Connection` names as hop-by-hop (RFC 9110 §7.6.1).
    connection_options: Vec<HeaderName>,
    close: bool,
    /// Whether any header line was seen, kept or not.
    any: bool,
}

impl Fields {
    fn take(&mut self, index: usize, line: &[u8], chunk: &Bytes) -> Result<(), &'static str> {
        if index == 0 && line.starts_with(b"HTTP/") {
            let blank = line.iter().position(|byte| *byte == b' ');
            let status = blank.map_or(&b""[..], |at| line[at..].trim_ascii_start());
            self.status = Some(parse_status(status)?);
            self.has_status_line = true;
            return Ok(());
        }
        let colon = memchr(b':', line);
        let (name, value) = line.split_at(colon.ok_or("there is no colon")?);
        let value = value[1..].trim_ascii();
        self.any = true;
        // Blanks before the colon are removed, as a proxy must (RFC 9112 §5.1).
        let name = name.trim_ascii_end();
        if name == b"Status" {
            return self.take_status(value);
        }
        if let Some(name) = usual(name) {
            return self.take_end_to_end(name, value, chunk);
        }
        let name = HeaderName::from_bytes(name).map_err(|_| "the header's name is not valid")?;
        match name.as_str() {
            "status" => self.take_status(value),
            "connection" => {
                self.take_connection(value);
                Ok(())
            }
            "transfer-encoding" if !value.eq_ignore_ascii_case(b"identity") => {
                Err("the framing of the answer is the gateway's business")
            }
            other if is_hop_by_hop(&name) || other.starts_with("x-cgi-") => Ok(()),
            _ => self.take_end_to_end(name, value, chunk),
        }
    }

    fn take_status(&mut self, value: &[u8]) -> Result<(), &'static str> {
        if self.has_status_line {
            return Ok(());
        }
        if self.status.is_some() {
            return Err("the status is given twice");
        }
        self.status = Some(parse_status(value)?);
        Ok(())
    }

    fn take_connection(&mut self, value: &[u8]) {
        let options = value.split(|byte| *byte == b',');
        let names = options.filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok());
        for name in names {
            if name == "close" {
                self.close = true;
            } else if name != CONTENT_LENGTH {
                self.connection_options.push(name);
            }
        }
    }

    fn take_end_to_end(
        &mut self,
        name: HeaderName,
        value: &[u8],
        chunk: &Bytes,
    ) -> Result<(), &'static str> {
        if name == CONTENT_LENGTH {
            let length = parse_length(value).ok_or("the length is not a number of bytes")?;
            if self.content_length.is_some_and(|other| other != length) {
                return Err("it contradicts the length given before");
            }
            self.content_length = Some(length);
        }
        let value = HeaderValue::from_maybe_shared(chunk.slice_ref(value))
            .map_err(|_| "the header's value has a control character")?;
        if name != CONTENT_LENGTH && name != LOCATION {
            self.headers.append(name, value);
            return Ok(());
        }
        match self.headers.entry(name) {
            Entry::Vacant(vacant) => {
                vacant.insert(value);
                Ok(())
            }
            Entry::Occupied(occupied) if *occupied.get() == value => Ok(()),
            Entry::Occupied(_) => Err("the header is given twice"),
        }
    }

    fn finish(mut self) -> Result<Option<Head>, Error> {
        if !self.any && self.status.is_none() {
            return Err(bad("its head is empty".into()));
        }
        for option in &self.connection_options {
            self.headers.remove(option);
        }
        let (status, reason) = match self.status {
            Some((StatusCode::SWITCHING_PROTOCOLS, _)) => {
                return Err(bad("protocols cannot be switched".into()));
            }
            Some((status, _)) if status.is_informational() => return Ok(None),
            Some(given) => given,
            None => match self.headers.get(LOCATION) {
                Some(location) if self.headers.len() == 1 && is_local(location.as_bytes()) => {
                    let path = Bytes::copy_from_slice(location.as_bytes());
                    return Ok(Some(Head::LocalRedirect(path)));
                }
                Some(_) => (StatusCode::FOUND, None),
                None => (StatusCode::OK, None),
            },
        };
        Ok(Some(Head::Document(Document {
            status,
            reason,
            headers: self.headers.into(),
            content_length: self.content_length,
            close: self.close,
        })))
    }
}

/// `nnn` or `nnn reason` (RFC 3875 §6.3.3). A reason that is the standard one is not kept.
fn parse_status(text: &[u8]) -> Result<(StatusCode, Option<Bytes>), &'static str> {
    if text == b"200 OK" {
        return Ok((StatusCode::OK, None));
    }
    let (code, reason) = text.split_at(text.len().min(3));
    let status = StatusCode::from_bytes(code).map_err(|_| "the status is not three digits")?;
    if !matches!(reason.first(), None | Some(b' ' | b'\t')) {
        return Err("the status is not three digits");
    }
    let reason = reason.trim_ascii();
    if reason
        .iter()
        .any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f)
    {
        return Err("the reason phrase has a control character");
    }
    let usual = status.canonical_reason().unwrap_or_default().as_bytes();
    let own = !reason.is_empty() && reason != usual;
    Ok((status, own.then(|| Bytes::copy_from_slice(reason))))
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let (first, rest) = value.split_first()?;
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    rest.iter().try_fold(digit(first)?, |length, byte| {
        length.checked_mul(10)?.checked_add(digit(byte)?)
    })
}

/// Names of end-to-end fields that many answers have, as most write them: others take longer.
fn usual(name: &[u8]) -> Option<HeaderName> {
    Some(match name {
        b"Content-Type" => CONTENT_TYPE,
        b"Content-Length" => CONTENT_LENGTH,
        b"Cache-Control" => CACHE_CONTROL,
        b"Date" => DATE,
        b"ETag" => ETAG,
        b"Expires" => EXPIRES,
        b"Last-Modified" => LAST_MODIFIED,
        b"Location" => LOCATION,
        b"Server" => SERVER,
        b"Set-Cookie" => SET_COOKIE,
        b"Vary" => VARY,
        _ => return None,
    })
}

/// A path of this server; `//host/path` names another one.
fn is_local(location: &[u8]) -> bool {
    location.starts_with(b"/") && !location.starts_with(b"//")
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

fn bad(reason: String) -> Error {
    Error::BadAnswer(reason)
}

#[cfg(test)]
mod tests;
