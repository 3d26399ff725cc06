//! The CGI variables of a request (RFC 3875 §4.1, ISAPI.md §5.2).

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use fastcgi_protocol::EncodedPairs;
use http::{HeaderMap, Version, header};

use super::{Directories, Script, Target, host};
use crate::request::headers::Sent;
use crate::request::{Connection, RequestHead};

/// SERVER_SOFTWARE (RFC 3875 §4.1.17).
pub const SERVER_SOFTWARE: &str = concat!("isapi-gateway/", env!("CARGO_PKG_VERSION"));

/// Calls `each` for every CGI variable of the request, names in upper case: the meta-variables of RFC 3875 §4.1 and
/// of nginx's `fastcgi_params`, in a fixed order, then one `HTTP_NAME` for every header (values of repeated headers
/// joined with ", ", cookies with "; "). Variables without a value are left out, but for QUERY_STRING and PATH_INFO.
/// Those of a web server before us ([`crate::request::Front`]) come before the headers.
///
/// Headers appear as the client sent them, hop-by-hop ones too: `HTTP_TRANSFER_ENCODING` tells that a body was chunked
/// (ISAPI.md §2.3). So does `HTTP_AUTHORIZATION`, which extensions need for their own Basic authentication; the CGI
/// backend leaves it out (RFC 3875 §4.1.18). `Proxy` is left out for all: httpoxy. So are names with an underscore: as a
/// variable they would be those of another header, and a client must not be able to replace one that a proxy before us
/// has set (`X_Forwarded_For`).
///
/// The site has been chosen by the host: there is one that is valid, or none.
pub fn visit(head: &RequestHead, target: &Target<'_>, each: &mut impl FnMut(&[u8], &[u8])) {
    visit_all(head, &target.script, target.root, each);
}

fn visit_all(
    head: &RequestHead,
    script: &Script,
    root: &Path,
    each: &mut impl FnMut(&[u8], &[u8]),
) {
    visit_always(each);
    let sent = head.headers.unread();
    if !sent.is_some_and(Sent::has_connection) {
        visit_connection(&head.connection, each);
    }
    visit_parts(head, script, root, each);
    if let Some(sent) = sent {
        let variables = sent.variables().iter();
        variables.for_each(|(name, value)| each(name, value));
    }
}

/// Those of [`visit`] that are the same for every request.
fn visit_always(each: &mut impl FnMut(&[u8], &[u8])) {
    each(b"GATEWAY_INTERFACE", b"CGI/1.1");
    each(b"SERVER_SOFTWARE", SERVER_SOFTWARE.as_bytes());
    // nginx sets it too: PHP refuses to run as CGI without it.
    each(b"REDIRECT_STATUS", b"200");
}

/// What workers get with every request for a handler: INSTANCE_ID, INSTANCE_NAME, APP_POOL_ID, and
/// ISAPI_VIRTUAL_DIRECTORIES if the site has any. The others are those of [`visit_connection`] and [`visit_changing`]: what of
/// [`visit`] is always the same says what workers know.
pub fn fixed(id: &str, name: &str, pool: &str, directories: &Directories) -> EncodedPairs {
    let mut pairs = EncodedPairs::default();
    pairs.push(b"INSTANCE_ID", id.as_bytes());
    pairs.push(b"INSTANCE_NAME", name.as_bytes());
    pairs.push(b"APP_POOL_ID", pool.as_bytes());
    if !directories.lines().is_empty() {
        pairs.push(b"ISAPI_VIRTUAL_DIRECTORIES", directories.lines());
    }
    pairs
}

/// Those of [`visit_connection`], encoded.
pub fn of_connection(connection: &Connection) -> EncodedPairs {
    let mut pairs = EncodedPairs::default();
    visit_connection(connection, &mut |name, value| pairs.push(name, value));
    pairs
}

/// Those of [`visit`] that all requests of a client's connection have in common.
pub fn visit_connection(connection: &Connection, each: &mut impl FnMut(&[u8], &[u8])) {
    visit_address(b"SERVER_ADDR", b"SERVER_PORT", connection.local, each);
    visit_address(b"REMOTE_ADDR", b"REMOTE_PORT", connection.remote, each);
    visit_scheme(connection.secure, each);
}

/// Those of them that tell whether it is secure.
pub fn visit_scheme(secure: bool, each: &mut impl FnMut(&[u8], &[u8])) {
    each(b"REQUEST_SCHEME", if secure { b"https" } else { b"http" });
    if secure {
        each(b"HTTPS", b"on");
    }
}

/// Those of [`visit`] that differ from request to request, but for headers that are variables still.
pub fn visit_changing(
    head: &RequestHead,
    target: &Target<'_>,
    each: &mut impl FnMut(&[u8], &[u8]),
) {
    visit_parts(head, &target.script, target.root, each);
}

fn visit_parts(
    head: &RequestHead,
    script: &Script,
    root: &Path,
    each: &mut impl FnMut(&[u8], &[u8]),
) {
    let known = Known::of(head);
    visit_server(head, known.host, each);
    visit_request(head, script, &known, each);
    each(b"DOCUMENT_ROOT", root.as_os_str().as_encoded_bytes());
    for (name, value) in head.front.variables.iter() {
        each(name, value);
    }
    if head.headers.unread().is_none() {
        if let Some(host) = known.host {
            each(b"HTTP_HOST", host);
        }
        visit_headers(&head.headers, each);
    }
}

/// What variables of other names are made of, too, unless it is a variable still. To go through the headers takes less than to look for each.
struct Known<'a> {
    host: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
}

impl<'a> Known<'a> {
    fn of(head: &'a RequestHead) -> Self {
        let authority = head.uri.authority();
        let mut known = Self {
            host: authority.map(|authority| authority.as_str().as_bytes()),
            content_type: None,
            content_length: None,
        };
        if let Some(sent) = head.headers.unread() {
            known.host.get_or_insert(sent.host());
            return known;
        }
        for (name, value) in head.headers.iter() {
            let place = if name == header::HOST {
                &mut known.host
            } else if name == header::CONTENT_TYPE {
                &mut known.content_type
            } else if name == header::CONTENT_LENGTH {
                &mut known.content_length
            } else {
                continue;
            };
            place.get_or_insert(value.as_bytes());
        }
        known
    }
}

fn visit_server(head: &RequestHead, host: Option<&[u8]>, each: &mut impl FnMut(&[u8], &[u8])) {
    each(b"SERVER_PROTOCOL", protocol(head.version));
    let local = head.connection.local.ip().to_canonical();
    match (host, local) {
        // It has been looked at when the site was chosen.
        (Some(host @ [_, ..]), _) => each(b"SERVER_NAME", host::within(host)),
        (_, local @ IpAddr::V4(_)) => visit_ip(b"SERVER_NAME", local, each),
        // An IPv6 address has brackets here (RFC 3875 §4.1.14), but not in the variables of addresses.
        (_, IpAddr::V6(address)) => show(b"SERVER_NAME", format_args!("[{address}]"), each),
    }
}

fn visit_request(
    head: &RequestHead,
    script: &Script,
    known: &Known<'_>,
    each: &mut impl FnMut(&[u8], &[u8]),
) {
    let own = || head.uri.path_and_query().map_or("/", |uri| uri.as_str());
    each(b"REQUEST_METHOD", head.method.as_str().as_bytes());
    match &head.front.request_uri {
        Some(original) => each(b"REQUEST_URI", original),
        None => each(b"REQUEST_URI", own().as_bytes()),
    }
    each(b"QUERY_STRING", head.uri.query().unwrap_or("").as_bytes());
    each(b"SCRIPT_NAME", &script.name);
    each(b"PATH_INFO", &script.path_info);
    each(b"PATH_TRANSLATED", &script.path_translated);
    each(b"SCRIPT_FILENAME", &script.filename);
    if let Some(value) = known.content_type {
        each(b"CONTENT_TYPE", value);
    }
    if let Some(value) = known.content_length {
        each(b"CONTENT_LENGTH", value);
    }
}

fn visit_headers(headers: &HeaderMap, each: &mut impl FnMut(&[u8], &[u8])) {
    let mut made = Vec::new();
    // The values of one name follow each other.
    let mut fields = headers.iter().peekable();
    while let Some((name, value)) = fields.next() {
        let mut joined = Cow::Borrowed(value.as_bytes());
        while let Some((_, value)) = fields.next_if(|(next, _)| std::ptr::eq(*next, name)) {
            let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
            joined.to_mut().extend_from_slice(separator);
            joined.to_mut().extend_from_slice(value.as_bytes());
        }
        match name.as_str() {
            // Visited before, or left out.
            "host" | "content-type" | "content-length" | "proxy" => {}
            other => match usual(other).or_else(|| variable(other, &mut made)) {
                Some(variable) => each(variable, &joined),
                None => {
                    tracing::debug!(%name, "a header with an underscore in its name is left out")
                }
            },
        }
    }
}

/// The variables of headers that many requests have: their names need not be made.
fn usual(header: &str) -> Option<&'static [u8]> {
    Some(match header {
        "accept" => b"HTTP_ACCEPT",
        "accept-encoding" => b"HTTP_ACCEPT_ENCODING",
        "accept-language" => b"HTTP_ACCEPT_LANGUAGE",
        "cache-control" => b"HTTP_CACHE_CONTROL",
        "connection" => b"HTTP_CONNECTION",
        "cookie" => b"HTTP_COOKIE",
        "if-modified-since" => b"HTTP_IF_MODIFIED_SINCE",
        "if-none-match" => b"HTTP_IF_NONE_MATCH",
        "referer" => b"HTTP_REFERER",
        "user-agent" => b"HTTP_USER_AGENT",
        "x-forwarded-for" => b"HTTP_X_FORWARDED_FOR",
        "x-forwarded-proto" => b"HTTP_X_FORWARDED_PROTO",
        _ => return None,
    })
}

/// The variable of a header, made in this buffer, if it has one.
pub fn variable<'a>(header: &str, made: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    made.clear();
    made.extend_from_slice(b"HTTP_");
    made.extend(header.bytes().map(to_variable));
    (!header.contains('_')).then_some(made)
}

fn to_variable(byte: u8) -> u8 {
    match byte {
        b'-' => b'_',
        byte => byte.to_ascii_uppercase(),
    }
}

fn visit_address(
    address_name: &[u8],
    port_name: &[u8],
    socket: SocketAddr,
    each: &mut impl FnMut(&[u8], &[u8]),
) {
    visit_ip(address_name, socket.ip().to_canonical(), each);
    let mut text = Digits::default();
    text.push_number(socket.port());
    each(port_name, text.bytes());
}

/// Every request has two of these: an IPv4 address is written without the machinery of `fmt`.
fn visit_ip(name: &[u8], address: IpAddr, each: &mut impl FnMut(&[u8], &[u8])) {
    let IpAddr::V4(address) = address else {
        return show(name, address, each);
    };
    let mut text = Digits::default();
    let [first @ .., last] = address.octets();
    text.push_number(last.into());
    for octet in first.into_iter().rev() {
        text.push(b'.');
        text.push_number(octet.into());
    }
    each(name, text.bytes());
}

/// Up to four small numbers and what is between them, from the last to the first.
#[derive(Default)]
struct Digits {
    bytes: [u8; 16],
    /// How many of the bytes are used, at the end.
    length: usize,
}

impl Digits {
    fn push(&mut self, byte: u8) {
        self.length += 1;
        let place = self.bytes.len() - self.length;
        self.bytes[place] = byte;
    }

    fn push_number(&mut self, mut number: u16) {
        loop {
            self.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
            number /= 10;
            if number == 0 {
                break;
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[self.bytes.len() - self.length..]
    }
}

/// Gives a value's text without allocating.
fn show(name: &[u8], value: impl Display, each: &mut impl FnMut(&[u8], &[u8])) {
    // Longer than the longest value: an IPv6 address with an embedded IPv4 one, in brackets, is 47 bytes.
    let mut buffer = [0; 64];
    let mut rest = buffer.as_mut_slice();
    // What does not fit is cut; nothing is that long.
    let _ = write!(rest, "{value}");
    let free = rest.len();
    each(name, &buffer[..buffer.len() - free]);
}

fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_09 => b"HTTP/0.9",
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_2 => b"HTTP/2.0",
        Version::HTTP_3 => b"HTTP/3.0",
        _ => b"HTTP/1.1",
    }
}

#[cfg(test)]
#[path = "variables_tests.rs"]
mod tests;
