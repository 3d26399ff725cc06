//! The CGI variables of a request (RFC 3875 §4.1, ISAPI.md §5.2).

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderName, Version, header};

use super::{Script, SiteFacts, Target, host};
use crate::error::Error;
use crate::request::RequestHead;

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
/// # Errors
/// [`Error::BadRequest`] for a malformed Host.
pub fn visit(
    head: &RequestHead,
    target: &Target,
    each: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), Error> {
    visit_parts(head, &target.script, &target.site, each)
}

fn visit_parts(
    head: &RequestHead,
    script: &Script,
    site: &SiteFacts,
    each: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), Error> {
    visit_server(head, host::name(head)?, each);
    visit_request(head, script, each);
    each(b"DOCUMENT_ROOT", site.root.as_os_str().as_encoded_bytes());
    for (name, value) in head.front.variables.iter() {
        each(name, value);
    }
    visit_headers(head, each)
}

fn visit_server(head: &RequestHead, host: Option<&str>, each: &mut dyn FnMut(&[u8], &[u8])) {
    let connection = &head.connection;
    let local = connection.local.ip().to_canonical();
    each(b"GATEWAY_INTERFACE", b"CGI/1.1");
    each(b"SERVER_SOFTWARE", SERVER_SOFTWARE.as_bytes());
    each(b"SERVER_PROTOCOL", protocol(head.version));
    match (host, local) {
        (Some(host), _) => each(b"SERVER_NAME", host.as_bytes()),
        (None, local @ IpAddr::V4(_)) => visit_ip(b"SERVER_NAME", local, each),
        // An IPv6 address has brackets here (RFC 3875 §4.1.14), but not in the variables of addresses.
        (None, IpAddr::V6(address)) => show(b"SERVER_NAME", format_args!("[{address}]"), each),
    }
    visit_address(b"SERVER_ADDR", b"SERVER_PORT", connection.local, each);
    visit_address(b"REMOTE_ADDR", b"REMOTE_PORT", connection.remote, each);
    let scheme: &[u8] = if connection.secure { b"https" } else { b"http" };
    each(b"REQUEST_SCHEME", scheme);
    if connection.secure {
        each(b"HTTPS", b"on");
    }
}

fn visit_request(head: &RequestHead, script: &Script, each: &mut dyn FnMut(&[u8], &[u8])) {
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
    // nginx sets it too: PHP refuses to run as CGI without it.
    each(b"REDIRECT_STATUS", b"200");
    for (name, variable) in [
        (header::CONTENT_TYPE, "CONTENT_TYPE"),
        (header::CONTENT_LENGTH, "CONTENT_LENGTH"),
    ] {
        if let Some(value) = head.headers.get(name) {
            each(variable.as_bytes(), value.as_bytes());
        }
    }
}

fn visit_headers(head: &RequestHead, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
    let mut variable = Vec::with_capacity(64);
    if let Some(host) = host::field(head)? {
        each(b"HTTP_HOST", host);
    }
    // The values of one name follow each other.
    let mut fields = head.headers.iter().peekable();
    while let Some((name, value)) = fields.next() {
        let mut joined = Cow::Borrowed(value.as_bytes());
        while let Some((_, value)) = fields.next_if(|(next, _)| *next == name) {
            let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
            joined.to_mut().extend_from_slice(separator);
            joined.to_mut().extend_from_slice(value.as_bytes());
        }
        if has_own_variable(name) {
            continue;
        }
        if name.as_str().contains('_') {
            tracing::debug!(%name, "a header with an underscore in its name is left out");
            continue;
        }
        variable.clear();
        variable.extend_from_slice(b"HTTP_");
        variable.extend(name.as_str().bytes().map(to_variable));
        each(&variable, &joined);
    }
    Ok(())
}

/// Headers that are no `HTTP_NAME` of their own: visited before, or left out.
fn has_own_variable(name: &HeaderName) -> bool {
    [header::HOST, header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name) || name == "proxy"
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
    each: &mut dyn FnMut(&[u8], &[u8]),
) {
    visit_ip(address_name, socket.ip().to_canonical(), each);
    let mut text = Digits::default();
    text.push_number(socket.port());
    each(port_name, text.bytes());
}

/// Every request has two of these: an IPv4 address is written without the machinery of `fmt`.
fn visit_ip(name: &[u8], address: IpAddr, each: &mut dyn FnMut(&[u8], &[u8])) {
    let IpAddr::V4(address) = address else {
        return show(name, address, each);
    };
    let mut text = Digits::default();
    let [first, rest @ ..] = address.octets();
    text.push_number(first.into());
    for octet in rest {
        text.push(b'.');
        text.push_number(octet.into());
    }
    each(name, text.bytes());
}

/// Up to four small numbers and what is between them.
#[derive(Default)]
struct Digits {
    bytes: [u8; 24],
    length: usize,
}

impl Digits {
    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn push_number(&mut self, number: u16) {
        let digit = |power| b'0' + u8::try_from(number / power % 10).unwrap_or_default();
        for power in [10_000, 1000, 100, 10] {
            if number >= power {
                self.push(digit(power));
            }
        }
        self.push(digit(1));
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Gives a value's text without allocating.
fn show(name: &[u8], value: impl Display, each: &mut dyn FnMut(&[u8], &[u8])) {
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
