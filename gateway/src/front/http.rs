//! The HTTP front: HTTP/1.1 and h2c by hyper, one task for each connection.

mod outgoing;
mod upload;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use fastcgi_protocol::EncodedPairs;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::watch;

use super::listen;
use super::seldom::Seldom;
use super::socket::{Condition, Socket};
use crate::alarms::{self, sleep};
use crate::body::{self, Body};
use crate::config;
use crate::dispatch::{Origin, Table};
use crate::error::Error;
use crate::observe::Sent;
use crate::request::{Connection, Front, RequestHead};
use crate::response::Response;
use crate::shutdown::Stage;
use crate::site::variables;
use outgoing::Outgoing;
use upload::Upload;

/// hyper's smallest buffer for a request head, bytes.
const SMALLEST_BUFFER: usize = 8 * 1024;

/// The front: settings of the protocols, and where requests go.
pub struct Http {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    table: Arc<Table>,
    header_timeout: Duration,
}

impl Http {
    /// A front for `table` with the limits of the configuration.
    pub fn new(settings: &config::Server, table: Arc<Table>) -> Self {
        let limit = settings.header_limit;
        let mut http1 = http1::Builder::new();
        http1
            // The socket sees that a client has gone: hyper would keep a buffer for that.
            .half_close(true)
            // So does what watches the connection with a head that does not come, with one alarm for all of them.
            .header_read_timeout(None)
            .max_buf_size(limit.max(SMALLEST_BUFFER));
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(alarms::Timer)
            // Finds out that a client has gone which did not say so; over HTTP/1.1 the head's time-out does.
            .keep_alive_interval(settings.header_timeout)
            .max_header_list_size(u32::try_from(limit).unwrap_or(u32::MAX));
        Self {
            http1,
            http2,
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
        stage: watch::Receiver<Stage>,
    ) -> anyhow::Result<()> {
        let client = Client::new(Connection {
            remote,
            local: listen::set_up(&stream, remote)?,
            secure: false,
        });
        let condition = Arc::new(Condition::new());
        let (table, same) = (Arc::clone(&self.table), Arc::clone(&condition));
        // What can be done at once is: what the future of an answer holds is moved several times.
        let service = service_fn(move |request| {
            same.ask();
            Asked::new(request, &client, &same, &table).answer()
        });
        let watch = pin!(self.watch(&condition, stage));
        let mut watch = Seldom::new(watch);
        let stream = tokio::net::TcpStream::from_std(stream)?;
        let mut socket = Socket::new(stream, Arc::clone(&condition));
        let http2 = {
            let mut learned = pin!(socket.speaks_http2());
            let learned = poll_fn(|context| match condition.draining.load(Ordering::Relaxed) {
                true => Poll::Ready(Err(ErrorKind::Interrupted.into())),
                false => learned.as_mut().poll(context),
            });
            watched(&mut watch, &condition, pin!(learned), |_| {}).await??
        };
        let socket = TokioIo::new(socket);
        if http2 {
            // In a box: it is large, and few speak it.
            let served = self.http2.serve_connection(socket, service);
            let drain = http2::Connection::graceful_shutdown;
            watched(&mut watch, &condition, Box::pin(served).as_mut(), drain).await??;
        } else {
            let served = pin!(self.http1.serve_connection(socket, service));
            let drain = http1::Connection::graceful_shutdown;
            watched(&mut watch, &condition, served, drain).await??;
        }
        Ok(())
    }

    /// Looks at what ends a connection from outside, with one alarm that requests do not move, until there is such a
    /// thing.
    async fn watch(
        &self,
        condition: &Condition,
        mut stage: watch::Receiver<Stage>,
    ) -> anyhow::Error {
        let mut alarm = pin!(sleep(self.header_timeout));
        loop {
            tokio::select! {
                () = alarm.as_mut() => {
                    let now = Instant::now();
                    let until = condition.waits_for_head().map(|since| since + self.header_timeout);
                    let asked = condition.asked.load(Ordering::Relaxed);
                    if !asked || until.is_some_and(|until| until <= now) {
                        return anyhow!("no request within {:?}", self.header_timeout);
                    }
                    alarm.as_mut().reset(until.unwrap_or(now + self.header_timeout).into());
                }
                changed = stage.changed() => {
                    if let Err(error) = changed {
                        return error.into();
                    }
                    match *stage.borrow_and_update() {
                        Stage::Running => {}
                        Stage::Draining => condition.draining.store(true, Ordering::Relaxed),
                        Stage::Cut => {
                            condition.broken.store(true, Ordering::Relaxed);
                            return anyhow!("cut by the stop of the gateway");
                        }
                    }
                }
            }
        }
    }
}

/// Runs what serves a connection, with an eye on what ends it from outside; `drain` lets it end when no more requests shall
/// begin.
async fn watched<S: Future>(
    watch: &mut Seldom<impl Future<Output = anyhow::Error> + Unpin>,
    condition: &Condition,
    mut served: Pin<&mut S>,
    drain: impl Fn(Pin<&mut S>),
) -> anyhow::Result<S::Output> {
    let mut drained = false;
    poll_fn(|context| {
        loop {
            if let Poll::Ready(end) = served.as_mut().poll(context) {
                return Poll::Ready(Ok(end));
            }
            if let Poll::Ready(error) = watch.poll(context) {
                return Poll::Ready(Err(error));
            }
            if drained || !condition.draining.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            drained = true;
            drain(served.as_mut());
        }
    })
    .await
}

/// What requests tell of the connection that they come on.
struct Client {
    connection: Connection,
    variables: Arc<EncodedPairs>,
}

impl Client {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            variables: Arc::new(variables::of_connection(&connection)),
        }
    }
}

/// A request of a client.
struct Asked {
    version: Version,
    /// It asks for the head of an answer only.
    head_only: bool,
    condition: Arc<Condition>,
    source: Source,
}

/// Where its answer comes from.
enum Source {
    /// What answers requests.
    Origin(Arc<Origin>, Body),
    /// Here. In a box: few requests have such an answer, and all would be as large.
    Here(Box<Response>),
}

impl Asked {
    fn new(
        request: http::Request<Incoming>,
        client: &Client,
        condition: &Arc<Condition>,
        table: &Table,
    ) -> Self {
        let (mut parts, body) = request.into_parts();
        let version = parts.version;
        let head_only = parts.method == Method::HEAD;
        let has_own_connection = version < Version::HTTP_2;
        let body = if body.is_end_stream() {
            condition.waits.store(has_own_connection, Ordering::Relaxed);
            body::empty()
        } else {
            let condition = has_own_connection.then(|| Arc::clone(condition));
            Upload::new(body, condition).boxed_unsync()
        };
        let source = match settle(&mut parts) {
            Ok(()) if parts.uri.path() == "*" => Source::Here(Box::new(server_options())),
            Ok(()) => {
                let head = RequestHead {
                    method: parts.method,
                    uri: parts.uri,
                    version,
                    headers: parts.headers.into(),
                    connection: client.connection,
                    connection_variables: Some(Arc::clone(&client.variables)),
                    front: Front::default(),
                };
                Source::Origin(Origin::new(head, table.current()), body)
            }
            Err(error) => {
                let Parts { method, uri, .. } = &parts;
                tracing::info!(label = error.outcome().label, %method, %uri, "{error}");
                Source::Here(Box::new(error.page(method)))
            }
        };
        Self {
            version,
            head_only,
            condition: Arc::clone(condition),
            source,
        }
    }

    async fn answer(self) -> Result<http::Response<Outgoing>, Infallible> {
        let (origin, mut response) = match self.source {
            Source::Origin(origin, body) => (Some(Arc::clone(&origin)), origin.run(body).await),
            Source::Here(response) => (None, response.map(Sent::from)),
        };
        if self.version >= Version::HTTP_2 {
            // A stream has no connection of its own (RFC 9113 §8.2.2).
            response.headers.remove(CONNECTION);
        }
        let mut out = http::Response::new(Outgoing {
            inner: response.body,
            failure: None,
            bodiless: self.head_only || response.status == StatusCode::NOT_MODIFIED,
            ends_connection: self.version < Version::HTTP_11,
            has_own_connection: self.version < Version::HTTP_2,
            condition: self.condition,
            origin,
        });
        *out.status_mut() = response.status;
        *out.headers_mut() = response.headers.into_map();
        if let Some(reason) = response
            .reason
            .and_then(|text| ReasonPhrase::try_from(text).ok())
        {
            out.extensions_mut().insert(reason);
        }
        Ok(out)
    }
}

/// Makes the head of a request what the middle wants: target in origin form, the host in `Host`. What is refused is left as
/// it is.
fn settle(parts: &mut Parts) -> Result<(), Error> {
    if parts.method == Method::CONNECT {
        // This is no proxy.
        return Err(Error::VerbNotAllowed { allow: Vec::new() });
    }
    if parts.uri.path() == "*" && parts.method != Method::OPTIONS {
        return Err(Error::BadRequest("only OPTIONS may ask for *".into()));
    }
    if let Some(authority) = parts.uri.authority() {
        if parts.uri.scheme().is_none() {
            return Err(Error::BadRequest("only CONNECT names a host alone".into()));
        }
        // Absolute form, and every HTTP/2 request: it takes the place of Host (RFC 9112 §3.2.2).
        let host = HeaderValue::try_from(authority.as_str())
            .map_err(|_| Error::BadRequest("the host is not valid".into()))?;
        parts.headers.insert(HOST, host);
        let path = parts.uri.path_and_query().cloned();
        parts.uri = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    }
    Ok(())
}

/// The answer to `OPTIONS *`, which asks for the server and not for anything on it (RFC 9110 §9.3.7).
fn server_options() -> Response {
    Response {
        status: StatusCode::OK,
        reason: None,
        headers: HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("0"))]).into(),
        body: body::empty(),
    }
}

#[cfg(test)]
mod tests;
