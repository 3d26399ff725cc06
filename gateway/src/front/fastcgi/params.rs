//! The head of a request from its parameters (RFC 3875 §4.1, ISAPI.md §5.2). Pure.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use fastcgi_protocol::Params;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::target::{Target, target};
use super::told::Told;
use crate::error::Error;
use crate::os;
use crate::request::{Connection, Front, RequestHead};

/// Variables that say more of the client (RFC 3875 §4.1.9, §4.1.10), beside all that begin with `SSL_`.
const OF_CLIENT: [&[u8]; 2] = [b"REMOTE_HOST", b"REMOTE_IDENT"];

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
/// and can say no more than any client of HTTP. `mount` as in [`target`].
///
/// # Errors
/// [`Error::BadRequest`] and [`Error::VerbNotAllowed`] for what is no request of HTTP.
pub fn head(
    params: &Params,
    mount: &str,
    socket: Connection,
    trust: Trust,
) -> Result<RequestHead, Error> {
    let told = Told::by(params);
    let method = Method::from_bytes(told.method)
        .map_err(|_| Error::BadRequest("REQUEST_METHOD is not a method".into()))?;
    if method == Method::CONNECT {
        // This is no proxy.
        return Err(Error::VerbNotAllowed { allow: Vec::new() });
    }
    let Target { uri, original } = target(&told, mount)?;
    Ok(RequestHead {
        method,
        uri,
        version: version(told.protocol),
        headers: headers(params, &told)?,
        connection: if trust.client {
            connection(&told, socket)
        } else {
            socket
        },
        front: if trust.client {
            Front {
                variables: identity(params, trust.users && !told.auth_type.is_empty()),
                request_uri: original,
                document_root: document_root(told.document_root),
                ..Front::default()
            }
        } else {
            Front::default()
        },
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

/// The headers of the request. A parameter whose name no header could have is no header.
fn headers(params: &Params, told: &Told<'_>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, bytes) in params.iter() {
        let Some(name) = name.strip_prefix(b"HTTP_").and_then(header_name) else {
            continue;
        };
        let value = header_value(&name, bytes)?;
        if name == HOST {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
    }
    // Their own variables say what counts.
    for (name, value) in [
        (CONTENT_TYPE, told.content_type),
        (CONTENT_LENGTH, told.content_length),
    ] {
        match value {
            // Caddy says -1 where it does not know the length.
            b"" | b"-1" => headers.remove(&name),
            bytes => headers.insert(name.clone(), header_value(&name, bytes)?),
        };
    }
    if !headers.contains_key(HOST) {
        headers.insert(HOST, host(told.server_name));
    }
    Ok(headers)
}

/// `USER_AGENT` → `user-agent`
fn header_name(variable: &[u8]) -> Option<HeaderName> {
    /// Longer ones are rare.
    const USUAL: usize = 64;
    let dashed = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
    let mut usual = [0; USUAL];
    let Some(name) = usual.get_mut(..variable.len()) else {
        let name: Vec<u8> = variable.iter().map(dashed).collect();
        return HeaderName::from_bytes(&name).ok();
    };
    for (place, byte) in name.iter_mut().zip(variable) {
        *place = dashed(byte);
    }
    HeaderName::from_bytes(name).ok()
}

fn header_value(name: &HeaderName, bytes: &[u8]) -> Result<HeaderValue, Error> {
    HeaderValue::from_bytes(bytes)
        .map_err(|_| Error::BadRequest(format!("the header {name} has a control character")))
}

/// The host of a client that named none: the server's own name; empty if it has none (RFC 9110 §7.2).
fn host(name: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(name).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The client's connection to the web server. What it does not say is as on its connection to us.
fn connection(told: &Told<'_>, socket: Connection) -> Connection {
    let address = |address: &[u8], port: &[u8], otherwise: SocketAddr| {
        let ip = text(address)
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        let port = text(port).parse::<u16>();
        SocketAddr::new(
            ip.unwrap_or(otherwise.ip()),
            port.unwrap_or(otherwise.port()),
        )
    };
    Connection {
        remote: address(told.client_address, told.client_port, socket.remote),
        local: address(told.server_address, told.server_port, socket.local),
        secure: told.https.eq_ignore_ascii_case(b"on")
            || told.https == b"1"
            || told.scheme == b"https",
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Who asks, and over what. A user counts only with the AUTH_TYPE by which the web server knows it: nginx tells of any
/// that a client claims to be, whether it has asked for the password or not.
fn identity(params: &Params, is_authenticated: bool) -> Params {
    let mut found = Params::new();
    for (name, value) in params.iter() {
        let told = match name {
            b"REMOTE_USER" | b"AUTH_TYPE" => is_authenticated,
            _ => OF_CLIENT.contains(&name) || name.starts_with(b"SSL_"),
        };
        let is_variable = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        // They may go into an environment.
        if told && !value.is_empty() && name.iter().all(is_variable) && !value.contains(&0) {
            found.set(name, value);
        }
    }
    found
}

fn document_root(bytes: &[u8]) -> Option<PathBuf> {
    let root = os::os_str(bytes);
    let root = Path::new(&root);
    (root.is_absolute() && !bytes.contains(&0)).then(|| root.to_owned())
}

#[cfg(test)]
#[path = "params_tests.rs"]
mod tests;
