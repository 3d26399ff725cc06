//! The head of a request from its parameters (RFC 3875 §4.1, ISAPI.md §5.2). Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use fastcgi_protocol::{Pair, Params, pairs};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Version};

use super::target::{Target, target};
use super::told::Told;
use crate::error::Error;
use crate::front_takes::FrontTakes;
use crate::os;
use crate::request::headers::{Sent, header_name, header_value};
use crate::request::{Connection, Front, RequestHead};

/// What the word of a web server counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Its client's address, TLS and certificate, its own folder and the original URL.
    pub client: bool,
    /// Beside these who the user is.
    pub users: bool,
}

/// The head of a request. `socket` is the connection from the web server. Where the web server is trusted, the
/// client is whom it names, with the TLS and folder that it tells of, and the user if its word counts for `users`; else the web server itself is the client,
/// and can say no more than any client of HTTP. `takes` is what it does in our place, if anything, `mount` as in [`target`].
///
/// # Errors
/// [`Error::BadRequest`] and [`Error::VerbNotAllowed`] for what is no request of HTTP.
pub fn head(
    params: Params,
    mount: &str,
    socket: Connection,
    trust: Trust,
    takes: Option<Arc<FrontTakes>>,
) -> Result<RequestHead, Error> {
    // Values stay where they are.
    let params = Bytes::from(Vec::from(params));
    let mut sent = Some(Sent::with_room(params.len()));
    let mut variables = Params::new();
    let mut told = Told::default();
    told.read(&params, |pair| {
        if pair.name.starts_with(b"HTTP_") {
            if sent.as_mut().is_some_and(|sent| !sent.take(pair)) {
                sent = None;
            }
        } else if trust.client && is_of_client(pair.name) {
            add_variable(&mut variables, pair.name, pair.value);
        }
    });
    let method = Method::from_bytes(told.method)
        .map_err(|_| Error::BadRequest("REQUEST_METHOD is not a method".into()))?;
    if method == Method::CONNECT {
        // This is no proxy.
        return Err(Error::VerbNotAllowed { allow: Vec::new() });
    }
    let (connection, is_usual) = match trust.client {
        true => connection(&told, socket),
        false => (socket, false),
    };
    if let Some(sent) = &mut sent
        && is_usual
    {
        sent.take_connection(told.addresses, connection.secure);
    }
    let sent = sent.and_then(|sent| sent.into_headers(told.content_type, told.content_length));
    let headers = match sent {
        Some(headers) => headers,
        None => headers(&params, &told)?.into(),
    };
    let Target { uri, original } = target(&told, mount)?;
    let front = if trust.client {
        if trust.users && !told.auth_type.is_empty() {
            // Without AUTH_TYPE nginx tells of any user that a client claims to be, asked for the password or not.
            add_variable(&mut variables, b"REMOTE_USER", told.user);
            add_variable(&mut variables, b"AUTH_TYPE", told.auth_type);
        }
        Front {
            variables,
            request_uri: original,
            document_root: document_root(told.document_root),
            takes_lines: true,
            takes,
        }
    } else {
        Front {
            variables: Params::new(),
            request_uri: None,
            document_root: None,
            takes_lines: true,
            takes,
        }
    };
    Ok(RequestHead {
        method,
        uri,
        version: version(told.protocol),
        headers,
        connection,
        connection_variables: None,
        front,
    })
}

fn version(protocol: &[u8]) -> Version {
    match protocol {
        b"HTTP/0.9" => Version::HTTP_09,
        b"HTTP/1.0" => Version::HTTP_10,
        b"HTTP/2.0" | b"HTTP/2" => Version::HTTP_2,
        b"HTTP/3.0" | b"HTTP/3" => Version::HTTP_3,
        _ => Version::HTTP_11,
    }
}

/// The headers of parameters of any kind. One whose name no header could have is no header.
fn headers(params: &Bytes, told: &Told<'_>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for Pair { name, value, .. } in pairs(params) {
        let name = match name.strip_prefix(b"HTTP_") {
            // Their own variables say what counts.
            None | Some(b"CONTENT_TYPE" | b"CONTENT_LENGTH" | b"HOST") => continue,
            Some(name) => name,
        };
        if let Some(name) = header_name(name) {
            let value = header_value(&name, params.slice_ref(value))?;
            headers
                .try_append(name, value)
                .map_err(|_| Error::BadRequest("it has too many headers".into()))?;
        }
    }
    for (name, value) in [
        (CONTENT_TYPE, told.content_type),
        (CONTENT_LENGTH, told.content_length),
    ] {
        if !value.is_empty() {
            let value = header_value(&name, params.slice_ref(value))?;
            headers.insert(name, value);
        }
    }
    let host = match told.host {
        Some(host) => header_value(&HOST, params.slice_ref(host))?,
        None => own_host(params.slice_ref(told.server_name)),
    };
    headers.insert(HOST, host);
    Ok(headers)
}

/// The host of a client that named none: the server's own name; empty if it has none (RFC 9110 §7.2).
fn own_host(name: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(name).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The client's connection to the web server. What it does not say is as on its connection to us. Also whether its addresses
/// are told as they would be told to others.
fn connection(told: &Told<'_>, socket: Connection) -> (Connection, bool) {
    let [server, server_port, client, client_port] = told.addresses.map(|pair| pair.value);
    let (remote, is_usual) = address(client, client_port, socket.remote);
    let (local, too) = address(server, server_port, socket.local);
    let connection = Connection {
        remote,
        local,
        secure: told.https.eq_ignore_ascii_case(b"on")
            || told.https == b"1"
            || told.scheme == b"https",
    };
    (connection, is_usual && too)
}

/// One end of it, and whether both are told in the usual form.
fn address(address: &[u8], port: &[u8], otherwise: SocketAddr) -> (SocketAddr, bool) {
    let number = number(port).and_then(|port| u16::try_from(port).ok());
    if let (Some(address), Some(number)) = (ipv4(address), number) {
        let is_usual = port.len() == 1 || !port.starts_with(b"0");
        return (SocketAddr::new(address.into(), number), is_usual);
    }
    let address = ip(address).unwrap_or(otherwise.ip());
    let port = number.unwrap_or(otherwise.port());
    (SocketAddr::new(address, port), false)
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Some(address) = ipv4(bytes) {
        return Some(address.into());
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.trim_start_matches('[').trim_end_matches(']');
    text.parse().ok()
}

/// An address in its usual form: every request has two.
fn ipv4(bytes: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut rest = bytes;
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        (*octet, rest) = split_octet(rest)?;
    }
    rest.is_empty().then(|| octets.into())
}

/// The number at the start of `bytes`, and what is behind it. A zero stands alone: some would take more for an octal number.
fn split_octet(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (hundreds, tens, ones, rest) = match bytes {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => (*a, *b, *c, rest),
        [b @ b'1'..=b'9', c @ b'0'..=b'9', rest @ ..] => (b'0', *b, *c, rest),
        [c @ b'0'..=b'9', rest @ ..] => (b'0', b'0', *c, rest),
        _ => return None,
    };
    let value = |digit: u8| u16::from(digit - b'0');
    let number = 100 * value(hundreds) + 10 * value(tens) + value(ones);
    Some((number.try_into().ok()?, rest))
}

/// A number of nothing but digits.
pub fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Whether a variable says more of the client (RFC 3875 §4.1.9, §4.1.10).
fn is_of_client(name: &[u8]) -> bool {
    let is_variable = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    match name {
        b"REMOTE_HOST" | b"REMOTE_IDENT" => true,
        // They may go into an environment.
        [b'S', b'S', b'L', b'_', ..] => name.iter().all(is_variable),
        _ => false,
    }
}

/// Gives a variable that has a value.
fn add_variable(variables: &mut Params, name: &[u8], value: &[u8]) {
    if !value.is_empty() && !value.contains(&0) {
        variables.set(name, value);
    }
}

fn document_root(bytes: &[u8]) -> Option<PathBuf> {
    let root = os::os_str(bytes);
    let root = Path::new(&root);
    (root.is_absolute() && !bytes.contains(&0)).then(|| root.to_owned())
}

#[cfg(test)]
#[path = "params_tests.rs"]
mod tests;
