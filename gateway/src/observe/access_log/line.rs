//! What a line tells.

use std::net::IpAddr;
use std::time::Duration;

use http::header::{HOST, REFERER, USER_AGENT};
use http::{HeaderValue, Method, StatusCode, Uri, Version};
use jiff::Timestamp;

use crate::request::{Connection, RequestHead};

/// What a request has asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method as sent.
    pub method: Method,
    /// Target in origin form, as sent.
    pub uri: Uri,
    /// Of the request line.
    pub version: Version,
    /// Who talks to whom.
    pub connection: Connection,
    /// Whom a trusted web server says that the client is.
    pub user: Option<Vec<u8>>,
    /// `Host`.
    pub host: Option<HeaderValue>,
    /// `User-Agent`.
    pub user_agent: Option<HeaderValue>,
    /// `Referer`.
    pub referer: Option<HeaderValue>,
}

/// A request that is over.
#[derive(Debug)]
pub struct Line<'a> {
    /// When it had come.
    pub begun: Timestamp,
    /// How long its answer took.
    pub taken: Duration,
    /// What it has asked for.
    pub asked: &'a Asked,
    /// Status of its answer; `None` when the client had gone before there was one.
    pub status: Option<StatusCode>,
    /// IIS's sub-status; 0: none.
    pub sub_status: u16,
    /// What went wrong, as Win32 numbers it; 0: nothing.
    pub win32: u32,
    /// Bytes of the answer's body that the front has taken.
    pub sent: u64,
    /// Bytes of the request's body that were read.
    pub received: u64,
    /// What the extension has added.
    pub parameter: &'a [u8],
}

/// What nginx logs, and log analysers know, when the client has gone before the answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

impl Asked {
    /// What this request asks for.
    pub fn new(head: &RequestHead) -> Self {
        let own_uri = head.front.request_uri.clone();
        let own_uri = own_uri.and_then(|uri| Uri::from_maybe_shared(uri).ok());
        let user = head.front.variables.get(b"REMOTE_USER");
        Self {
            method: head.method.clone(),
            // What the client has asked for, if the web server before us has asked for something else.
            uri: own_uri.unwrap_or_else(|| head.uri.clone()),
            version: head.version,
            connection: head.connection,
            user: user.map(<[u8]>::to_vec),
            host: head.headers.first(&HOST, b"HTTP_HOST"),
            user_agent: head.headers.first(&USER_AGENT, b"HTTP_USER_AGENT"),
            referer: head.headers.first(&REFERER, b"HTTP_REFERER"),
        }
    }

    /// The client's address.
    pub fn client(&self) -> IpAddr {
        self.connection.remote.ip().to_canonical()
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        self.uri
            .path_and_query()
            .map_or("/", |target| target.as_str())
    }
}

impl Line<'_> {
    /// The status as a number.
    pub fn status(&self) -> u16 {
        self.status
            .map_or(CLIENT_CLOSED_REQUEST, |status| status.as_u16())
    }

    /// When the request was over.
    pub fn ended(&self) -> Timestamp {
        // Past the year 9999 it does not matter.
        self.begun.checked_add(self.taken).unwrap_or(self.begun)
    }
}
