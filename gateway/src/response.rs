//! The response as it crosses the middle: every backend makes one, every front sends one.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::body::Body;

/// One response: a head and a streamed body.
pub struct Response<B = Body> {
    /// Status code, 200–999.
    pub status: StatusCode,
    /// Reason phrase where the backend gave one of its own; HTTP/1.1 fronts send it.
    pub reason: Option<Bytes>,
    /// End-to-end headers; hop-by-hop headers have been removed, but for `Connection: close` of an extension that
    /// declines to keep the client's connection (ISAPI.md §6.6). Where there is none to keep it means nothing.
    pub headers: HeaderMap,
    /// The body. It yields an error when the answer was cut short, so that a front can break the connection
    /// instead of ending it cleanly (docs/ARCHITECTURE.md, invariant 3).
    pub body: B,
}

impl<B> Response<B> {
    /// The same with another body.
    pub fn map<C>(self, change: impl FnOnce(B) -> C) -> Response<C> {
        Response {
            status: self.status,
            reason: self.reason,
            headers: self.headers,
            body: change(self.body),
        }
    }

    /// Its head, and its body.
    pub fn apart(self) -> (Response<()>, B) {
        let head = Response {
            status: self.status,
            reason: self.reason,
            headers: self.headers,
            body: (),
        };
        (head, self.body)
    }
}

/// What a backend has to say to a request.
pub enum Answer {
    /// A response for the client.
    Response(Response),
    /// A CGI local redirect: run this path and query instead, as GET without a body (RFC 3875 §6.2.2).
    LocalRedirect(Bytes),
}
