//! The request as it crosses the middle: every front makes one, every backend takes one.

pub mod headers;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use fastcgi_protocol::{EncodedPairs, Params};
use http::{Method, Uri, Version};

use crate::front_takes::{FrontTakes, NOTHING};
use headers::Headers;

/// Method, URL, headers and connection facts of a request. Fronts build it from HTTP bytes or FastCGI records; backends know
/// nothing of either.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestHead {
    /// Method as sent; extension methods are allowed.
    pub method: Method,
    /// Request target in origin form: path and query as sent, still percent-encoded.
    pub uri: Uri,
    /// Protocol version of the request line.
    pub version: Version,
    /// Request headers, names in lower case, hop-by-hop headers included.
    pub headers: Headers,
    /// Facts about the connection that the request came on.
    pub connection: Connection,
    /// What workers are told of the connection, encoded, where it has more requests than this one.
    pub connection_variables: Option<Arc<EncodedPairs>>,
    /// What a web server before us says beside; empty for clients that we talk to ourselves.
    pub front: Front,
}

/// What a web server that is trusted says of a request, beside what HTTP can say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Front {
    /// CGI variables that tell who asks and over what: REMOTE_USER, AUTH_TYPE, SSL_CLIENT_S_DN …
    pub variables: Params,
    /// REQUEST_URI where it is not [`RequestHead::uri`]: the web server has rewritten the URL since.
    pub request_uri: Option<Bytes>,
    /// Its DOCUMENT_ROOT; counts for sites that have no root of their own.
    pub document_root: Option<PathBuf>,
    /// It takes the heads of answers as lines, as CGI programs write them.
    pub takes_lines: bool,
    /// What it sends or runs by itself, if anything; nothing for child requests, whose answers are parts of others.
    pub takes: Option<Arc<FrontTakes>>,
}

impl Front {
    /// What it sends or runs by itself.
    pub fn takes(&self) -> &FrontTakes {
        self.takes.as_deref().unwrap_or(&NOTHING)
    }
}

/// What is known about the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The client's address and port.
    pub remote: SocketAddr,
    /// Our address and port on that connection.
    pub local: SocketAddr,
    /// Whether the client speaks TLS (ISAPI.md §5.2 `HTTPS`).
    pub secure: bool,
}

#[cfg(test)]
impl RequestHead {
    /// An HTTP/1.1 request without headers from 127.0.0.1.
    pub fn sample(method: Method, target: &str) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 80));
        Self {
            method,
            uri: target.parse().unwrap(),
            version: Version::HTTP_11,
            headers: Headers::default(),
            connection: Connection {
                remote: anywhere,
                local: anywhere,
                secure: false,
            },
            connection_variables: None,
            front: Front::default(),
        }
    }
}
