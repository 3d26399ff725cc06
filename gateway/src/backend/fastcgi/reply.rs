//! The answer of a FastCGI application to one request: its head, then its body.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use fastcgi_protocol::{ProtocolStatus, Record, Server, ServerEvent};
use http_body::{Body, Frame};
use tokio::task::JoinSet;
use tokio::time::Sleep;

use super::exchange::{Fault, ID, Shared, TimeLimits};
use super::kept::{Connection, Kept};
use super::places::Place;
use super::upload::Upload;
use crate::alarms::sleep;
use crate::backend::head::{Head, HeadParser};
use crate::body::BodyError;
use crate::error::Error;
use crate::process::stderr::Lines;

/// Where an answer comes from.
#[derive(Clone)]
pub struct Origin {
    /// Name of the pool.
    pub pool: Arc<str>,
    /// The address, or the program, for the log.
    pub address: Arc<str>,
    /// Where its connection waits for the next request.
    pub kept: Arc<Kept>,
}

/// An answer to be read. When it has ended in order its connection is kept; dropped before, the connection is closed,
/// by which the application knows that nobody waits any more.
pub struct Reply {
    shared: Arc<Shared>,
    connection: Option<Connection>,
    server: Server,
    origin: Origin,
    limits: TimeLimits,
    alarm: Option<Pin<Box<Sleep>>>,
    messages: Lines,
    /// What came behind the head in the same record.
    rest: Bytes,
    /// Whether anything has come at all.
    is_begun: bool,
    /// The rest of the upload and the limit of the whole; they end with the answer.
    tasks: JoinSet<()>,
    /// Given back last, when the connection is at hand for the next.
    place: Option<Place>,
}

impl Reply {
    /// The answer to a request that begins.
    pub fn new(
        shared: Arc<Shared>,
        connection: Connection,
        server: Server,
        place: Place,
        origin: Origin,
        limits: TimeLimits,
    ) -> Self {
        let mut tasks = JoinSet::new();
        if !limits.request.is_zero() {
            // A task of its own: an answer that nobody reads is not polled.
            let shared = Arc::clone(&shared);
            tasks.spawn(async move {
                sleep(limits.request).await;
                shared.end(Fault::TimedOut(limits.request));
            });
        }
        Self {
            shared,
            connection: Some(connection),
            server,
            origin,
            limits,
            alarm: None,
            messages: Lines::default(),
            rest: Bytes::new(),
            is_begun: false,
            tasks,
            place: Some(place),
        }
    }

    /// Reads the head, and meanwhile lets the upload go on. Returns whether the upload has finished too.
    ///
    /// # Errors
    /// Why there is no head.
    pub async fn head(&mut self, upload: &mut Upload) -> Result<(Head, bool), Fault> {
        let mut parser = HeadParser::new();
        let mut is_uploaded = false;
        loop {
            let next = std::future::poll_fn(|context| {
                // In this order: nothing is taken from the body for a connection that has ended.
                let next = self.poll_stdout(context);
                if next.is_pending() && !is_uploaded {
                    is_uploaded = Pin::new(&mut *upload).poll(context).is_ready();
                }
                next
            });
            let Some(piece) = next.await? else {
                let found = match parser.has_partial_head() {
                    true => "an unfinished head",
                    false => "no head",
                };
                return Err(Fault::Broken(format!("it ended its answer with {found}")));
            };
            let parsed = parser.push(&piece);
            let parsed = parsed.map_err(|error| match error {
                Error::BadAnswer(how) => Fault::Broken(how),
                other => Fault::Broken(other.to_string()),
            })?;
            if let Some((head, offset)) = parsed {
                self.rest = piece.slice(offset..);
                return Ok((head, is_uploaded));
            }
        }
    }

    /// Lets the rest of the upload go its own pace.
    pub fn go_on_with(&mut self, upload: Upload) {
        self.tasks.spawn(upload);
    }

    /// Its place, until the answer has ended.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Whether the application has said anything.
    pub fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Closes the connection and gives the place back.
    pub fn give_up(mut self) -> Option<Place> {
        self.place.take()
    }

    fn close(&mut self) {
        if self.connection.take().is_some() {
            self.shared.stream.shutdown();
        }
    }

    /// Bytes of the answer; `None` when it is whole.
    fn poll_stdout(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        loop {
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(Ok(None));
            };
            let record = connection.buffer.next();
            if let Some(record) = record.map_err(|error| Fault::Broken(error.to_string()))? {
                match event(&mut self.server, record)? {
                    Some(ServerEvent::Stdout { data, .. }) => {
                        return Poll::Ready(Ok(Some(Bytes::copy_from_slice(data))));
                    }
                    Some(ServerEvent::Stderr { data, .. }) => {
                        self.messages.push(data, log_line(&self.origin));
                    }
                    Some(ServerEvent::End {
                        app_status, status, ..
                    }) => return Poll::Ready(self.finish(app_status, status)),
                    _ => {}
                }
                continue;
            }
            let space = connection.buffer.space();
            match self.shared.stream.poll_read(context, space) {
                Poll::Ready(Ok(count @ 1..)) => {
                    connection.buffer.advance(count);
                    self.is_begun = true;
                    self.shared.note_move();
                }
                Poll::Ready(end) => return Poll::Ready(Err(self.closed(end.err().as_ref()))),
                Poll::Pending => return self.poll_silence(context).map(Err),
            }
        }
    }

    /// The application has ended the request. A connection on which nothing is left, in either direction, is kept.
    fn finish(&mut self, app_status: u32, status: ProtocolStatus) -> Result<Option<Bytes>, Fault> {
        if status != ProtocolStatus::RequestComplete {
            return Err(Fault::Refused(status));
        }
        let connection = self.connection.take();
        if app_status != 0 {
            let Origin { pool, address, .. } = &self.origin;
            tracing::warn!(pool = &**pool, "{address} ended with status {app_status}");
        }
        self.tasks.abort_all();
        let is_clean = self.shared.is_sent() && self.shared.fault().is_none();
        if let Some(connection) = connection
            && is_clean
            && connection.buffer.is_empty()
        {
            self.origin.kept.park(connection);
        } else {
            self.shared.stream.shutdown();
        }
        self.place = None;
        Ok(None)
    }

    /// Why the connection has ended.
    fn closed(&self, error: Option<&std::io::Error>) -> Fault {
        if let Some(fault) = self.shared.fault() {
            return fault.clone();
        }
        let how = match self.is_begun {
            true => "closed the connection in the middle of its answer",
            false => "closed the connection without an answer",
        };
        match error {
            Some(error) => Fault::Closed(format!("{how} ({error})")),
            None => Fault::Closed(how.into()),
        }
    }

    /// Ends when the application has been silent for too long. The alarm is not put off for every byte: when it rings it
    /// is looked when it should.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<Fault> {
        let limit = self.limits.read;
        if limit.is_zero() {
            return Poll::Pending;
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(limit)));
        loop {
            ready!(alarm.as_mut().poll(context));
            let due = self.shared.waited_since() + limit;
            if due <= tokio::time::Instant::now() {
                return Poll::Ready(Fault::Silent(limit));
            }
            alarm.as_mut().reset(due);
        }
    }
}

/// What a record means. Only those are taken that an application may send to the one request there is.
fn event<'a>(server: &mut Server, record: Record<'a>) -> Result<Option<ServerEvent<'a>>, Fault> {
    let Record { kind, id, .. } = record;
    if id != 0 && id != ID {
        return Err(Fault::Broken(format!(
            "a record of a request {id}, which there is not"
        )));
    }
    server
        .receive(record)
        .map_err(|error| Fault::Broken(format!("{kind:?} record: {error}")))
}

fn log_line(origin: &Origin) -> impl FnMut(&str) {
    move |line| tracing::warn!(pool = &*origin.pool, "{}: {line}", origin.address)
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        Poll::Ready(match ready!(self.poll_stdout(context)) {
            Ok(bytes) => bytes.map(|bytes| Ok(Frame::data(bytes))),
            Err(fault) => {
                self.close();
                Some(Err(fault.after_head(&self.origin)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.connection.is_none()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.messages.flush(log_line(&self.origin));
        self.close();
    }
}
