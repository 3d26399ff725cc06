//! The HTTP front: HTTP/1.1 and h2c by hyper, one task for each connection.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpStream};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::watch;
use tokio::time::sleep;

use super::socket::{Condition, Socket};
use crate::body::{self, Body, BodyError};
use crate::config;
use crate::dispatch::Table;
use crate::error::Error;
use crate::request::{Connection, Front, Request, RequestHead};
use crate::response::Response;
use crate::shutdown::Stage;

/// hyper's smallest buffer for a request head, bytes.
const SMALLEST_BUFFER: usize = 8 * 1024;

/// The front: settings of the protocol, and where requests go.
pub struct Http {
    protocol: auto::Builder<TokioExecutor>,
    table: Arc<Table>,
    header_timeout: Duration,
}

impl Http {
    /// A front for `table` with the limits of the configuration.
    pub fn new(settings: &config::Server, table: Arc<Table>) -> Self {
        let limit = settings.header_limit;
        let mut protocol = auto::Builder::new(TokioExecutor::new());
        protocol
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.header_timeout)
            .max_buf_size(limit.max(SMALLEST_BUFFER));
        protocol
            .http2()
            .timer(TokioTimer::new())
            // Finds out that a client has gone which did not say so; over HTTP/1.1 the head's time-out does.
            .keep_alive_interval(settings.header_timeout)
            .max_header_list_size(u32::try_from(limit).unwrap_or(u32::MAX));
        Self {
            protocol,
            table,
            header_timeout: settings.header_timeout,
        }
    }

    /// Serves one connection (a non-blocking socket) to its end, on the current runtime.
    ///
    /// # Errors
    /// Why it ended other than in order; a matter for debugging, since what the client does wrong is its own business
    /// and an answer that was cut short has been logged where it happened.
    pub async fn serve(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        mut stage: watch::Receiver<Stage>,
    ) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let connection = Connection {
            remote,
            local: stream.local_addr()?,
            secure: false,
        };
        let condition = Arc::new(Condition::default());
        let (table, same) = (Arc::clone(&self.table), Arc::clone(&condition));
        let service = service_fn(move |request| {
            same.asked.store(true, Ordering::Relaxed);
            answer(Arc::clone(&table), connection, Arc::clone(&same), request)
        });
        let stream = tokio::net::TcpStream::from_std(stream)?;
        let socket = TokioIo::new(Socket::new(stream, Arc::clone(&condition)));
        let mut served = pin!(self.protocol.serve_connection(socket, service));
        // hyper's own time-out begins only once it knows the protocol, and not at all for HTTP/2.
        let mut silence = pin!(sleep(self.header_timeout));
        let mut watching = true;
        loop {
            tokio::select! {
                end = served.as_mut() => return end.map_err(|error| anyhow!(error)),
                () = silence.as_mut(), if watching => {
                    if !condition.asked.load(Ordering::Relaxed) {
                        return Err(anyhow!("no request within {:?}", self.header_timeout));
                    }
                    watching = false;
                }
                changed = stage.changed() => {
                    changed?;
                    match *stage.borrow_and_update() {
                        Stage::Running => {}
                        Stage::Draining => served.as_mut().graceful_shutdown(),
                        Stage::Cut => {
                            condition.broken.store(true, Ordering::Relaxed);
                            return Err(anyhow!("cut by the stop of the gateway"));
                        }
                    }
                }
            }
        }
    }
}

async fn answer(
    table: Arc<Table>,
    connection: Connection,
    condition: Arc<Condition>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Outgoing>, Infallible> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let version = request.version();
    let mut response = match into_request(request, connection) {
        Ok(request) if request.head.uri.path() == "*" => server_options(),
        Ok(request) => table.current().run(request).await,
        Err(error) => {
            tracing::info!(label = error.outcome().label, %method, %uri, "{error}");
            error.page(&method)
        }
    };
    if version >= Version::HTTP_2 {
        // A stream has no connection of its own (RFC 9113 §8.2.2).
        response.headers.remove(CONNECTION);
    }
    let bodiless = method == Method::HEAD || response.status == StatusCode::NOT_MODIFIED;
    let body = Outgoing {
        inner: response.body,
        failure: None,
        bodiless,
        condition: (version < Version::HTTP_11).then_some(condition),
        method,
        uri,
    };
    let mut out = http::Response::new(body);
    *out.status_mut() = response.status;
    *out.headers_mut() = response.headers;
    if let Some(reason) = response
        .reason
        .and_then(|text| ReasonPhrase::try_from(text).ok())
    {
        out.extensions_mut().insert(reason);
    }
    Ok(out)
}

/// The request as the middle wants it: target in origin form, the host in `Host`.
fn into_request(
    request: http::Request<Incoming>,
    connection: Connection,
) -> Result<Request, Error> {
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    let uri = parts.uri.into_parts();
    if parts.method == Method::CONNECT {
        // This is no proxy.
        return Err(Error::VerbNotAllowed { allow: Vec::new() });
    }
    if uri.authority.is_some() && uri.scheme.is_none() {
        return Err(Error::BadRequest("only CONNECT names a host alone".into()));
    }
    if let Some(authority) = uri.authority {
        // Absolute form, and every HTTP/2 request: it takes the place of Host (RFC 9112 §3.2.2).
        let host = HeaderValue::try_from(authority.as_str())
            .map_err(|_| Error::BadRequest("the host is not valid".into()))?;
        headers.insert(HOST, host);
    }
    let path = uri.path_and_query.unwrap_or(PathAndQuery::from_static("/"));
    if path.path() == "*" && parts.method != Method::OPTIONS {
        return Err(Error::BadRequest("only OPTIONS may ask for *".into()));
    }
    let body = if body.is_end_stream() {
        body::empty()
    } else {
        body.map_err(|error| BodyError::Client(error.to_string()))
            .boxed_unsync()
    };
    Ok(Request {
        head: RequestHead {
            method: parts.method,
            uri: Uri::from(path),
            version: parts.version,
            headers,
            connection,
            front: Front::default(),
        },
        body,
    })
}

/// The answer to `OPTIONS *`, which asks for the server and not for anything on it (RFC 9110 §9.3.7).
fn server_options() -> Response {
    Response {
        status: StatusCode::OK,
        reason: None,
        headers: HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("0"))]),
        body: body::empty(),
    }
}

/// A response's body on its way out. An error in it ends the connection or the stream, so that the client cannot
/// take the answer for a whole one (docs/ARCHITECTURE.md, invariant 3), and is logged here.
struct Outgoing {
    inner: Body,
    /// Why it has ended early, held back for a turn: hyper sends what it has of the answer when nothing is ready, and would
    /// drop it for an error.
    failure: Option<BodyError>,
    /// The answer has no body, but its length is not zero: it says nothing, or what its headers say.
    bodiless: bool,
    /// Where nothing but the end of the connection marks the end of the answer: the connection to break.
    condition: Option<Arc<Condition>>,
    method: Method,
    uri: Uri,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            Some(Err(error)) => {
                if let Some(condition) = &self.condition {
                    condition.broken.store(true, Ordering::Relaxed);
                }
                super::log_broken(&error, &self.method, &self.uri);
                self.failure = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.bodiless {
            SizeHint::default()
        } else {
            self.inner.size_hint()
        }
    }
}

#[cfg(test)]
mod tests;
