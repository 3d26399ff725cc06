//! Which host a request is for, and which site serves that host.

use std::borrow::Cow;
use std::collections::HashMap;

use http::{HeaderValue, Version, header};

use crate::config;
use crate::error::Error;
use crate::request::RequestHead;

/// Host names to the numbers of their sites.
pub struct Hosts {
    exact: HashMap<Vec<u8>, usize>,
    /// `.example.org` for `*.example.org`; the longest first.
    suffixes: Vec<(Vec<u8>, usize)>,
    any: Option<usize>,
}

impl Hosts {
    /// The table of a configuration's sites.
    pub fn new(sites: &[config::Site]) -> Self {
        let mut exact = HashMap::new();
        let mut suffixes = Vec::new();
        for (index, site) in sites.iter().enumerate() {
            for host in &site.hosts {
                match host.strip_prefix('*') {
                    Some(suffix) => suffixes.push((suffix.as_bytes().to_vec(), index)),
                    None => {
                        exact.insert(host.as_bytes().to_vec(), index);
                    }
                }
            }
        }
        suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        let any = sites.iter().position(|site| site.hosts.is_empty());
        Self {
            exact,
            suffixes,
            any,
        }
    }

    /// The site of a host: the same name, else the longest `*.suffix`, else the site for any host.
    pub fn find(&self, host: Option<&[u8]>) -> Option<usize> {
        host.and_then(|host| self.find_named(host)).or(self.any)
    }

    fn find_named(&self, host: &[u8]) -> Option<usize> {
        if self.exact.is_empty() && self.suffixes.is_empty() {
            return None;
        }
        let host = if host.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        };
        let by_suffix = || {
            let fits = |suffix: &[u8]| host.len() > suffix.len() && host.ends_with(suffix);
            self.suffixes.iter().find(|(suffix, _)| fits(suffix))
        };
        let exact = self.exact.get(host.as_ref()).copied();
        exact.or_else(|| by_suffix().map(|(_, index)| *index))
    }
}

/// Host and port as the client sent them: the target's authority (HTTP/2, absolute form), which takes precedence
/// (RFC 9112 §3.2.2), else the Host header. `None` when there is neither.
///
/// # Errors
/// [`Error::BadRequest`] for HTTP/1.1 without Host, and for more than one (RFC 9112 §3.2).
pub fn field(head: &RequestHead) -> Result<Option<&[u8]>, Error> {
    let refused = |why: &str| Err(Error::BadRequest(why.to_owned()));
    let header = match head.headers.unread() {
        Some(sent) => Some(sent.host()),
        None => {
            let mut fields = head.headers.get_all(header::HOST).iter();
            let header = fields.next().map(HeaderValue::as_bytes);
            if fields.next().is_some() {
                return refused("more than one Host header");
            }
            header
        }
    };
    if header.is_none() && head.version == Version::HTTP_11 {
        return refused("HTTP/1.1 without a Host header");
    }
    let authority = head
        .uri
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    Ok(authority.or(header))
}

/// The host that the client asked for, in its own spelling, without port and final dot; `None` when it named none.
///
/// # Errors
/// [`Error::BadRequest`] as [`field`] does, and for what is neither a host name nor an address.
pub fn name(head: &RequestHead) -> Result<Option<&[u8]>, Error> {
    match field(head)? {
        None | Some(b"") => Ok(None),
        Some(field) => match valid(field) {
            Some(host) => Ok(Some(host)),
            None => Err(Error::BadRequest(
                "the Host header is not a host".to_owned(),
            )),
        },
    }
}

/// The host in `host[:port]`: a name of letters, digits, `-`, `_` and dots, an IPv4 address, or an IPv6 address in
/// brackets. Narrower than RFC 3986, so that it can go into server variables and log lines as it is.
pub fn parse(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(valid(field)?).ok()
}

fn valid(field: &[u8]) -> Option<&[u8]> {
    let (host, port) = divide(field);
    if !is_port(port) {
        return None;
    }
    if host.starts_with(b"[") {
        let text = std::str::from_utf8(host).ok()?;
        let address = text.strip_prefix('[')?.strip_suffix(']')?;
        return address.parse::<std::net::Ipv6Addr>().ok().map(|_| host);
    }
    let host = without_dot(host);
    is_name(host).then_some(host)
}

/// The host in a field that [`parse`] takes.
pub fn within(field: &[u8]) -> &[u8] {
    without_dot(divide(field).0)
}

/// The host and, with its colon, the port.
fn divide(field: &[u8]) -> (&[u8], &[u8]) {
    let end = match field {
        [b'[', ..] => field
            .iter()
            .rposition(|byte| *byte == b']')
            .map(|at| at + 1),
        _ => None,
    };
    let colon = || field.iter().position(|byte| *byte == b':');
    field.split_at(end.or_else(colon).unwrap_or(field.len()))
}

fn without_dot(host: &[u8]) -> &[u8] {
    host.strip_suffix(b".").unwrap_or(host)
}

/// Nothing, or a colon and up to five digits that make a port, if any.
fn is_port(text: &[u8]) -> bool {
    let digits = match text {
        [] | [b':'] => return true,
        [b':', digits @ ..] => digits,
        _ => return false,
    };
    let number = digits.iter().try_fold(0_u16, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    number.is_some()
}

/// Labels of letters, digits, `-` and `_`, none of them empty, with dots between them.
fn is_name(host: &[u8]) -> bool {
    let mut before = b'.';
    for byte in host {
        let fits = match byte {
            b'.' => before != b'.',
            byte => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
        };
        if !fits {
            return false;
        }
        before = *byte;
    }
    before != b'.'
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
