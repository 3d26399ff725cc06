//! The response as it crosses the middle: every backend makes one, every front sends one.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::body::Body;
use crate::fields::{Fields, Readable};

/// The headers of a response. Those of an answer in the form of CGI stay so for a web server that takes that form.
pub type Headers = Fields<Lines>;

/// One response: a head and a streamed body.
pub struct Response<B = Body> {
    /// Status code, 200–999.
    pub status: StatusCode,
    /// Reason phrase where the backend gave one of its own; HTTP/1.1 fronts send it.
    pub reason: Option<Bytes>,
    /// End-to-end headers; hop-by-hop headers have been removed, but for `Connection: close` of an extension that
    /// declines to keep the client's connection (ISAPI.md §6.6). Where there is none to keep it means nothing.
    pub headers: Headers,
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

/// Header fields as lines, each with CR and LF at its end, none of them other than it is for the client.
#[derive(Clone, Debug)]
pub struct Lines(pub Box<[u8]>);

impl Readable for Lines {
    fn read(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        let lines = Bytes::copy_from_slice(&self.0);
        for line in lines.split(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let value = lines.slice_ref(line[colon + 1..].trim_ascii());
            let name = HeaderName::from_bytes(&line[..colon]);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(value)) {
                map.append(name, value);
            }
        }
        map
    }
}

/// What a backend has to say to a request.
pub enum Answer {
    /// A response for the client.
    Response(Response),
    /// A CGI local redirect: run this path and query instead, as GET without a body (RFC 3875 §6.2.2).
    LocalRedirect(Bytes),
}
