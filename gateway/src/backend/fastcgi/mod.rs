//! The FastCGI backend: foreign applications, such as php-fpm, at one or several addresses, or a program that the
//! gateway starts.
//!
//! `balance` chooses the address, `places` queues for it, `kept` has its open connections. On a connection, which has
//! one request at a time, the request is an `exchange`: an `upload` out and a `reply` back, each at its own pace.

mod balance;
mod exchange;
mod kept;
mod places;
#[cfg_attr(windows, path = "no_program.rs")]
mod program;
mod reply;
mod stream;
mod upload;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fastcgi_protocol::is_idempotent;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::head::{Document, Head};
use super::sendfile::SendFile;
use super::sticky::{self, Sticky};
use crate::body::{self, Body, discard};
use crate::config::{self, Application, Endpoint};
use crate::error::Error;
use crate::observe::status::{PoolState, PoolStatus};
use crate::request::RequestHead;
use crate::response::Answer;
use crate::site::Target;
use balance::Limits;
use exchange::{Exchange, Fault, TimeLimits};
use kept::{Connection, Kept};
use places::{Place, Places};
use program::{Program, Socket};
use reply::{Origin, Reply};
use stream::Stream;

/// What a program's processes get at least to end by themselves.
const GRACE: Duration = Duration::from_secs(1);

/// A FastCGI application.
pub struct FastCgi {
    name: String,
    members: Vec<Member>,
    places: Arc<Places>,
    sticky: Option<Sticky>,
    /// The value that stands for each member.
    values: Vec<String>,
    program: Option<Program>,
    connect_timeout: Duration,
    shutdown_timeout: Duration,
    limits: TimeLimits,
    buffer_body: usize,
    sendfile: SendFile,
}

/// One of its addresses.
struct Member {
    address: Endpoint,
    origin: Origin,
}

/// A FastCGI application that can be talked to, once its processes run.
pub enum Located<'a> {
    /// It listens at these addresses.
    At(&'a [Endpoint]),
    /// The gateway starts it.
    Program {
        /// The program.
        file: &'a Path,
        /// Its arguments.
        arguments: &'a [String],
        /// Its standard input.
        socket: Socket,
    },
}

/// An attempt without an answer.
enum Failed {
    /// The request is as it was: it may be tried again.
    Again(Place, Body),
    ForGood(Error),
}

impl<'a> Located<'a> {
    /// Makes the socket of a program.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn prepare(application: &'a Application) -> anyhow::Result<Self> {
        Ok(match application {
            Application::Listening(addresses) => Self::At(addresses),
            Application::Program { file, arguments } => Self::Program {
                file,
                arguments,
                socket: Socket::listen()?,
            },
        })
    }
}

impl FastCgi {
    /// The backend of the pool `pool`. A program is started in the background, on the calling thread,
    /// which must not be bound to a processor: programs may run where it may.
    pub fn start(pool: &config::Pool, settings: &config::FastCgi, located: Located) -> Self {
        // A process of most programs serves a connection until it is closed. Those of ours are as many as there are
        // connections; of others we do not know.
        let (addresses, program, kept) = match located {
            Located::At(addresses) => (addresses.to_vec(), None, 0),
            Located::Program {
                file,
                arguments,
                socket,
            } => {
                let addresses = vec![socket.address()];
                let program = Program::start(pool, file, arguments, socket);
                (addresses, Some(program), pool.processes)
            }
        };
        let kept = settings.keep_alive.unwrap_or(kept);
        let shown = |address: &Endpoint| match settings.program() {
            Some(file) => file.display().to_string(),
            None => address.to_string(),
        };
        let member = |address: &Endpoint| Member {
            origin: Origin {
                pool: pool.name.as_str().into(),
                address: shown(address).into(),
                kept: Kept::new(kept, settings.keep_alive_timeout),
            },
            address: address.clone(),
        };
        let limits = Limits {
            concurrency: pool.concurrency,
            max_fails: settings.max_fails,
            fail_timeout: settings.fail_timeout,
        };
        let (queue, patience) = (pool.queue_length, pool.queue_timeout);
        Self {
            name: pool.name.clone(),
            members: addresses.iter().map(member).collect(),
            places: Places::new(addresses.len(), limits, queue, patience),
            sticky: settings.sticky.as_ref().map(Sticky::new),
            values: sticky::values(&addresses),
            program,
            connect_timeout: settings.connect_timeout,
            shutdown_timeout: pool.shutdown_timeout,
            limits: TimeLimits {
                read: settings.read_timeout,
                request: pool.request_timeout,
            },
            buffer_body: settings.buffer_body,
            sendfile: SendFile::new(&pool.sendfile),
        }
    }

    /// Name of the pool.
    pub fn pool(&self) -> &str {
        &self.name
    }

    /// What there is to tell, but for the counters of its requests.
    pub fn status(&self) -> PoolStatus {
        let addresses = self.members.iter().map(|member| &*member.origin.address);
        PoolStatus {
            program: addresses.collect::<Vec<_>>().join(", "),
            state: self.state(),
            reason: self.failure(),
            queued: self.queued(),
            ..PoolStatus::new(&self.name, "fastcgi")
        }
    }

    /// Whether it serves.
    pub fn state(&self) -> PoolState {
        match self.failure() {
            None => PoolState::Running,
            Some(_) => PoolState::Failed,
        }
    }

    /// Requests that wait for a place.
    pub fn queued(&self) -> usize {
        self.places.waiting()
    }

    /// Why no request can hope for an answer now.
    fn failure(&self) -> Option<String> {
        let program = self.program.as_ref();
        let fault = program.and_then(|program| program.check().err());
        let told = fault.map(|error| error.to_string());
        told.or_else(|| self.places.failure())
    }

    /// The files that the application may have sent.
    pub fn sendfile(&self) -> &SendFile {
        &self.sendfile
    }

    /// Runs one request. Dropping the future or the answer's body closes the connection, by which the application
    /// knows that the client has gone.
    ///
    /// # Errors
    /// When no address takes the request, or none answers it.
    pub async fn call(
        &self,
        head: &RequestHead,
        mut body: Body,
        target: &Target<'_>,
    ) -> Result<Answer, Error> {
        if let Some(program) = &self.program {
            program.check()?;
        }
        let mut head = Cow::Borrowed(head);
        if self.buffer_body > 0 && lacks_length(&head, &body) {
            let whole = read_ahead(&mut body, self.buffer_body).await?;
            let length = HeaderValue::from(whole.len());
            head.to_mut().headers.insert(CONTENT_LENGTH, length);
            body = body::full(whole);
        }
        let preferred = self.preferred(&head);
        let place = self.places.take(preferred).await?;
        let (reply, answer, member) = self.run(place, &head, body, target).await?;
        let mut document = match answer {
            Head::Document(document) => document,
            Head::LocalRedirect(path) => {
                discard(reply);
                return Ok(Answer::LocalRedirect(path));
            }
        };
        if preferred != Some(member) {
            self.bind(&mut document, member, &head);
        }
        Ok(Answer::Response(
            document.into_response(reply, &head.method),
        ))
    }

    /// Sends those who wait away and lets the others finish, within the pool's `shutdown_timeout` or `limit` if that is
    /// less; afterwards no process of the program is left.
    pub async fn stop(&self, limit: Duration) {
        let deadline = Instant::now() + limit.min(self.shutdown_timeout);
        self.places.stop(deadline - Instant::now()).await;
        for member in &self.members {
            member.origin.kept.close();
        }
        if let Some(program) = &self.program {
            let left = deadline.saturating_duration_since(Instant::now());
            program.stop(left.max(GRACE)).await;
        }
    }

    /// Tries until there is an answer or a reason to give up. Each address is tried once, and once more on a new
    /// connection when a kept one turned out to be closed.
    async fn run(
        &self,
        mut place: Place,
        head: &RequestHead,
        mut body: Body,
        target: &Target<'_>,
    ) -> Result<(Reply, Head, usize), Error> {
        let mut tried = Vec::new();
        loop {
            let member = &self.members[place.member];
            let connection = match member.origin.kept.take() {
                Some(connection) => connection,
                None => match Stream::connect(&member.address, self.connect_timeout).await {
                    Ok(stream) => Connection::new(stream),
                    Err(error) => {
                        let error = format!("{}: cannot connect: {error}", member.address);
                        self.note_failure(&place, &error);
                        tried.push(place.member);
                        if tried.len() == self.members.len() {
                            return Err(Error::BackendDied(error));
                        }
                        place = self.places.another(place, &tried).await?;
                        continue;
                    }
                },
            };
            let number = place.member;
            match self.attempt(connection, place, head, body, target).await {
                Ok((reply, answer)) => return Ok((reply, answer, number)),
                Err(Failed::Again(same, unsent)) => {
                    member.origin.kept.clear();
                    (place, body) = (same, unsent);
                }
                Err(Failed::ForGood(error)) => return Err(error),
            }
        }
    }

    async fn attempt(
        &self,
        connection: Connection,
        place: Place,
        head: &RequestHead,
        body: Body,
        target: &Target<'_>,
    ) -> Result<(Reply, Head), Failed> {
        let origin = self.members[place.member].origin.clone();
        let is_reused = connection.is_reused;
        let Exchange {
            mut upload,
            mut reply,
        } = Exchange::begin(
            connection,
            place,
            origin.clone(),
            self.limits,
            head,
            body,
            target,
        );
        let fault = match reply.head(&mut upload).await {
            Ok((answer, is_uploaded)) => {
                if !is_uploaded {
                    reply.go_on_with(upload);
                }
                if let Some(place) = reply.place() {
                    self.places.succeeded(place);
                }
                return Ok((reply, answer));
            }
            Err(fault) => fault,
        };
        let is_stale = is_reused && !reply.is_begun() && matches!(fault, Fault::Closed(_));
        let is_of_address = fault.is_of_address();
        let error = fault.before_head(&origin);
        let place = reply.give_up();
        if let Some(place) = place {
            if is_stale {
                // Without all of it the application cannot have run what must run only once.
                if let Some(body) = upload.into_body()
                    && (body.is_some() || is_idempotent(head.method.as_str().as_bytes()))
                {
                    let body = body.unwrap_or_else(body::empty);
                    return Err(Failed::Again(place, body));
                }
            } else if is_of_address {
                self.note_failure(&place, &error.to_string());
            }
        }
        Err(Failed::ForGood(error))
    }

    fn note_failure(&self, place: &Place, why: &str) {
        if self.places.failed(place, why) {
            let pool = &self.name;
            match self.members.len() {
                1 => tracing::error!(pool, "it fails again and again: {why}"),
                _ => tracing::error!(pool, "an address is left out for a time: {why}"),
            }
        }
    }

    fn bind(&self, document: &mut Document, member: usize, head: &RequestHead) {
        let secure = head.connection.secure;
        if let (Some(sticky), Some(value)) = (&self.sticky, self.values.get(member)) {
            sticky.bind(&mut document.headers, value, secure);
        }
    }

    /// The member that the client is bound to.
    fn preferred(&self, head: &RequestHead) -> Option<usize> {
        let given = self.sticky.as_ref()?.value(head)?;
        let mut values = self.values.iter();
        values.position(|value| value.as_bytes() == given)
    }
}

fn lacks_length(head: &RequestHead, body: &Body) -> bool {
    !body.is_end_stream() && !head.headers.contains_key(CONTENT_LENGTH)
}

/// A whole body of at most so many bytes.
async fn read_ahead(body: &mut Body, limit: usize) -> Result<Bytes, Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|_| Error::ClientGone)?.into_data();
        let data = data.unwrap_or_default();
        if data.len() > limit - whole.len() {
            return Err(Error::BodyTooLarge(limit));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}
