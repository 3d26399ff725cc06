//! Child requests: what an extension asks for with EXEC_URL goes through the same routing as what clients ask for
//! (ISAPI.md §4.2, code 1026).

use std::sync::Arc;

use fastcgi_protocol::{ChildRequest, ExecStatus};
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::BodyExt as _;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::Origin;
use crate::backend::Backend;
use crate::body::Body;
use crate::error::Error;
use crate::request::RequestHead;
use crate::response::Response;
use crate::site::{HandlerId, Target};

/// How deep child requests may be nested, as in IIS 7.
const NESTING_LIMIT: usize = 10;

/// ERROR_STACK_OVERFLOW: what IIS tells of a child that is nested too deep.
const NESTED_TOO_DEEP: u32 = 1001;

/// What no URL holds, but perhaps one that an extension has written without escapes.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// A request that asks for child requests.
#[derive(Clone)]
pub struct Caller {
    origin: Arc<Origin>,
    backend: Arc<Backend>,
    handler: HandlerId,
}

/// What a child request has come to.
pub struct ChildAnswer {
    /// Its answer; its error page if it has failed. `None` when it could not be run at all.
    pub response: Option<Response>,
    /// What the extension is told.
    pub status: ExecStatus,
}

impl Caller {
    /// The request `origin` on its way to `target`.
    pub fn new(origin: &Arc<Origin>, target: &Target<'_>) -> Self {
        Self {
            origin: Arc::clone(origin),
            backend: Arc::clone(&target.backend),
            handler: target.handler,
        }
    }

    /// Whether the head of its answer goes out as lines.
    pub fn takes_lines(&self) -> bool {
        self.origin.head.front.takes_lines
    }

    /// Runs a child request.
    pub async fn run(self, child: ChildRequest, entity: Body) -> ChildAnswer {
        if self.origin.callers().count() >= NESTING_LIMIT {
            return ChildAnswer::refused(NESTED_TOO_DEEP);
        }
        let head = match child_head(&self.origin.head, &child) {
            Ok(head) => head,
            Err(error) => {
                let (pool, label) = (self.backend.pool(), error.outcome().label);
                tracing::warn!(label, pool, "a child request: {error}");
                return ChildAnswer::refused(error.win32());
            }
        };
        let bodiless = head.method == Method::HEAD && self.origin.head.method != Method::HEAD;
        let origin = Arc::new(self.child(head, &child));
        let (mut response, error) = match origin.answer(entity).await {
            Ok(response) => (response, None),
            Err(error) => {
                origin.journal.failed(&error);
                (origin.failed(&error).await, Some(error))
            }
        };
        if bodiless {
            // The length of a body that does not come.
            response.headers.remove(CONTENT_LENGTH);
        }
        ChildAnswer {
            status: ExecStatus {
                status: response.status.as_u16(),
                sub_status: error.as_ref().map_or(0, Error::sub_status),
                error: error.as_ref().map_or(0, Error::win32),
            },
            response: Some(
                origin
                    .journal
                    .answering(response)
                    .map(|body| body.boxed_unsync()),
            ),
        }
    }

    fn child(self, head: RequestHead, child: &ChildRequest) -> Origin {
        // Wildcard handlers pass a request on one after the other: none of them gets it again.
        let mut skip = Vec::new();
        if child.has(ChildRequest::IGNORE_CURRENT_INTERCEPTOR) {
            skip.extend_from_slice(&self.origin.skip);
            skip.push(self.handler);
        }
        Origin {
            head,
            journal: self.origin.journal.child(),
            dispatch: Arc::clone(&self.origin.dispatch),
            skip,
            plain_errors: child.has(ChildRequest::DISABLE_CUSTOM_ERROR),
            caller: Some(self),
        }
    }
}

impl ChildAnswer {
    fn refused(error: u32) -> Self {
        Self {
            response: None,
            status: ExecStatus {
                error,
                ..ExecStatus::default()
            },
        }
    }
}

impl Origin {
    /// The requests that wait for this one, the nearest first.
    fn callers(&self) -> impl Iterator<Item = &Caller> {
        std::iter::successors(self.caller.as_ref(), |caller| caller.origin.caller.as_ref())
    }

    /// Refuses a child for which its own callers leave no room: they wait for it, and it would wait for them.
    pub(super) fn check_room(&self, backend: &Arc<Backend>) -> Result<(), Error> {
        let held = self
            .callers()
            .filter(|caller| Arc::ptr_eq(&caller.backend, backend));
        if self.caller.is_none() || held.count() < backend.room() {
            return Ok(());
        }
        Err(Error::Overloaded(
            "the requests that ask for this child request hold all its room".into(),
        ))
    }
}

/// The head of a child request of a request with the head `parent`.
///
/// # Errors
/// [`Error::BadRequest`] for what is no request.
fn child_head(parent: &RequestHead, child: &ChildRequest) -> Result<RequestHead, Error> {
    let mut head = parent.clone();
    head.front.takes = None;
    if let Some(url) = &child.url {
        head.uri = child_uri(url)?;
        head.front.request_uri = None;
    }
    if let Some(method) = &child.method {
        head.method = Method::from_bytes(method).map_err(|_| bad("its method is not one"))?;
    }
    if let Some(lines) = &child.headers {
        head.headers = child_headers(lines)?.into();
        // It stays in the site of its parent.
        if let Some(host) = parent.headers.get(HOST) {
            head.headers.insert(HOST, host.clone());
        }
    }
    for name in [CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    if let Some(length) = child.length.filter(|length| *length > 0) {
        let length = HeaderValue::from(length);
        head.headers.insert(CONTENT_LENGTH, length);
    }
    if child.has(ChildRequest::IGNORE_VALIDATION_AND_RANGE) {
        for name in [
            IF_MATCH,
            IF_MODIFIED_SINCE,
            IF_NONE_MATCH,
            IF_RANGE,
            IF_UNMODIFIED_SINCE,
            RANGE,
        ] {
            head.headers.remove(name);
        }
    }
    for (name, value) in [
        ("REMOTE_USER", &child.user),
        ("AUTH_TYPE", &child.auth_type),
    ] {
        if let Some(value) = value {
            head.front.variables.set(name.as_bytes(), value);
        }
    }
    Ok(head)
}

fn child_uri(url: &[u8]) -> Result<Uri, Error> {
    if !url.starts_with(b"/") {
        return Err(bad("its URL does not begin with a slash"));
    }
    let escaped = percent_encode(url, UNSAFE).to_string();
    let path = http::uri::PathAndQuery::try_from(escaped).map_err(|_| bad("its URL is not one"))?;
    Ok(Uri::from(path))
}

fn child_headers(text: &[u8]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let colon = colon.ok_or_else(|| bad("a header has no colon"))?;
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(bad("a header is not valid"));
        };
        headers
            .try_append(name, value)
            .map_err(|_| bad("it has too many headers"))?;
    }
    Ok(headers)
}

fn bad(what: &str) -> Error {
    Error::BadRequest(what.into())
}

#[cfg(test)]
mod tests;
