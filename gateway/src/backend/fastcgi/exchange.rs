//! One request on one connection: what its two directions share, how it begins, and how it may fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use fastcgi_protocol::{ParamsWriter, ProtocolStatus, RecordType, Role, Server, encode};
use http_body::Body as _;
use tokio::time::Instant;

use super::kept::Connection;
use super::places::Place;
use super::reply::{Origin, Reply};
use super::stream::Stream;
use super::upload::Upload;
use crate::body::{Body, BodyError};
use crate::error::Error;
use crate::request::RequestHead;
use crate::site::{Target, variables};

/// The number of every request: a connection has one at a time.
pub const ID: u16 = 1;

/// How long a request may take.
#[derive(Clone, Copy)]
pub struct TimeLimits {
    /// Silence of the application while it is waited for; zero: no limit.
    pub read: Duration,
    /// The whole; zero: no limit.
    pub request: Duration,
}

/// Why there is no whole answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection ended.
    Closed(String),
    /// What came is not FastCGI, or none that belongs here.
    Broken(String),
    /// The application refused the request.
    Refused(ProtocolStatus),
    /// It said nothing for so long.
    Silent(Duration),
    /// The request ran too long.
    TimedOut(Duration),
    /// The client's body ended early.
    Client(String),
}

/// What both directions of a request know of each other.
pub struct Shared {
    /// The socket.
    pub stream: Arc<Stream>,
    /// Why this side has ended it.
    fault: OnceLock<Fault>,
    /// When something last went out or came in.
    moved: Mutex<Instant>,
    /// The body is waited for: that the application is silent is not its fault.
    waits_for_client: AtomicBool,
    /// Everything has been sent.
    is_sent: AtomicBool,
}

/// A request that has begun, as far as the head of its answer.
pub struct Exchange {
    /// Its way out.
    pub upload: Upload,
    /// Its way back.
    pub reply: Reply,
}

impl Exchange {
    /// Begins a request; nothing is sent before it is polled.
    pub fn begin(
        connection: Connection,
        place: Place,
        origin: Origin,
        limits: TimeLimits,
        head: &RequestHead,
        body: Body,
        target: &Target<'_>,
    ) -> Self {
        let mut server = Server::new(1, false);
        let mut out = Vec::with_capacity(4096);
        let keep = origin.kept.is_keeping();
        server.begin(&mut out, Role::Responder, keep);
        write_params(&mut out, head, target);
        let body = (!body.is_end_stream()).then_some(body);
        if body.is_none() {
            encode::end_stream(&mut out, RecordType::Stdin, ID);
        }
        let shared = Arc::new(Shared::new(Arc::clone(&connection.stream)));
        Self {
            upload: Upload::new(Arc::clone(&shared), out, body, connection.is_reused),
            reply: Reply::new(shared, connection, server, place, origin, limits),
        }
    }
}

/// The parameters: the variables of the request, and no more. A program that is called by a web server is trusted with
/// the client's credentials, as nginx does it; PATH_TRANSLATED has no meaning without PATH_INFO (RFC 3875 §4.1.6).
fn write_params(out: &mut Vec<u8>, head: &RequestHead, target: &Target<'_>) {
    let mut params = ParamsWriter::new(out, ID);
    let has_path_info = !target.script.path_info.is_empty();
    variables::visit(head, target, &mut |name, value| {
        if name != b"PATH_TRANSLATED" || has_path_info {
            params.pair(name, value);
        }
    });
    params.finish();
}

impl Shared {
    fn new(stream: Arc<Stream>) -> Self {
        Self {
            stream,
            fault: OnceLock::new(),
            moved: Mutex::new(Instant::now()),
            waits_for_client: AtomicBool::new(false),
            is_sent: AtomicBool::new(false),
        }
    }

    /// Ends the request from this side; the first reason counts.
    pub fn end(&self, fault: Fault) {
        // Set already: the other reason came first.
        let _ = self.fault.set(fault);
        self.stream.shutdown();
    }

    /// Why this side has ended it.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.get()
    }

    /// Something went out or came in.
    pub fn note_move(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Since when the application has been waited for.
    pub fn waited_since(&self) -> Instant {
        match self.waits_for_client.load(Ordering::Relaxed) {
            true => Instant::now(),
            false => *self.moved.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Whether the next move is the client's.
    pub fn set_waits_for_client(&self, waits: bool) {
        self.waits_for_client.store(waits, Ordering::Relaxed);
    }

    /// Everything has been sent.
    pub fn set_sent(&self) {
        self.is_sent.store(true, Ordering::Relaxed);
    }

    /// Whether everything has been sent.
    pub fn is_sent(&self) -> bool {
        self.is_sent.load(Ordering::Relaxed)
    }
}

impl Fault {
    /// What became of a request whose answer had no head yet.
    pub fn before_head(self, origin: &Origin) -> Error {
        let from = &origin.address;
        match self {
            Fault::Closed(how) => Error::BackendDied(format!("{from} {how}")),
            Fault::Broken(how) => Error::BadAnswer(format!("{from}: {how}")),
            Fault::Refused(ProtocolStatus::UnknownRole) => {
                Error::BadAnswer(format!("{from} does not answer requests"))
            }
            Fault::Refused(_) => Error::Overloaded(format!("{from} takes no more requests")),
            Fault::Silent(limit) => {
                Error::BackendDied(format!("{from} said nothing for {limit:?}"))
            }
            Fault::TimedOut(limit) => Error::RequestTimeout(limit),
            Fault::Client(_) => Error::ClientGone,
        }
    }

    /// How the body of an answer ends whose head is out.
    pub fn after_head(self, origin: &Origin) -> BodyError {
        let from = &origin.address;
        BodyError::Cut(match self {
            Fault::Closed(how) => format!("{from} {how}"),
            Fault::Broken(how) => format!("{from}: {how}"),
            Fault::Refused(status) => format!("{from} ended it: {status:?}"),
            Fault::Silent(limit) => format!("{from} said nothing for {limit:?}"),
            Fault::TimedOut(limit) => format!("the request ran longer than {limit:?}"),
            Fault::Client(reason) => return BodyError::Client(reason),
        })
    }

    /// Whether it tells something about the health of the address.
    pub fn is_of_address(&self) -> bool {
        match self {
            Fault::Closed(_) | Fault::Broken(_) | Fault::Refused(_) | Fault::Silent(_) => true,
            Fault::TimedOut(_) | Fault::Client(_) => false,
        }
    }
}
