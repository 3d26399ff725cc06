//! What a request needs from the connection that it came on, whether records or CGI streams.

use std::sync::Arc;
use std::time::Duration;

use fastcgi_protocol::RecordType;

use crate::response::Ending;
use crate::session::{ErrorPage, Session};
use crate::trace::Event;

/// The other end does not read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// What bytes on their way to the front are. They share the request's credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The answer.
    Stdout,
    /// The description of a child request.
    ExecParams,
    /// The entity of a child request.
    ExecStdin,
}

impl From<Stream> for RecordType {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Stdout => Self::Stdout,
            Stream::ExecParams => Self::ExecParams,
            Stream::ExecStdin => Self::ExecStdin,
        }
    }
}

/// What of an answer stands before other bytes.
#[derive(Clone, Copy, Debug)]
pub enum Before<'a> {
    /// Its beginning: there is a head in it, which the front reads.
    Head(&'a [u8]),
    /// More of it, perhaps nothing.
    Body(&'a [u8]),
}

/// The way back to the client, shared by all requests of a connection.
pub trait Link: Send + Sync {
    /// Which of the gateway's connections this is, if it is one.
    fn lane(&self) -> Option<u16> {
        None
    }

    /// Sends bytes of the answer: head first, then body. May block until they are handed over. Only a front that gives
    /// credit takes child requests.
    ///
    /// # Errors
    /// When the other end has gone.
    fn send(&self, id: u16, stream: Stream, bytes: &[u8]) -> Result<(), Gone>;

    /// Sends bytes of the answer behind others, together if that can be.
    ///
    /// # Errors
    /// When the other end has gone.
    fn send_behind(&self, id: u16, before: Before<'_>, bytes: &[u8]) -> Result<(), Gone> {
        let (Before::Head(before) | Before::Body(before)) = before;
        self.send(id, Stream::Stdout, before)?;
        self.send(id, Stream::Stdout, bytes)
    }

    /// Ends one of the streams of a child request.
    fn end_stream(&self, _id: u16, _stream: Stream) {}

    /// The front's own page shall be the answer; asked for only where the front has one.
    fn error_page(&self, _id: u16, _page: &ErrorPage) {}

    /// The extension wants its worker to be replaced; `reason` may be empty.
    fn unhealthy(&self, id: u16, reason: &[u8]) {
        let reason = String::from_utf8_lossy(reason);
        self.report(
            id,
            &format!("the extension says that it is unhealthy: {reason}"),
        );
    }

    /// Whether the front sends no more of a request's body once it has the beginning of the answer: nginx does that.
    fn wants_body_first(&self) -> bool {
        false
    }

    /// Whether [`Link::send`] would take a few bytes without blocking.
    fn is_ready(&self) -> bool;

    /// Sends the last bytes of the answer and ends the request. `log` is the extension's text for the access log.
    fn finish(&self, id: u16, last: &[u8], ending: Ending, log: &[u8]);

    /// A call of the trace; request 0 is one whose answer is over.
    fn trace(&self, id: u16, event: &Event) {
        self.report(id, &format!("trace: {event}"));
    }

    /// A line for the operator's log.
    fn report(&self, id: u16, text: &str);

    /// Lets the front send so many more bytes of the body.
    fn grant(&self, id: u16, bytes: u32);

    /// Has the completion threads call [`Session::advance`].
    fn resume(&self, session: Arc<Session>);

    /// Whether nobody reads the connection but the calling thread: if it has to wait for credit, for the body or for another
    /// thread that does, it is to [`Link::read_on`].
    fn is_read_here(&self) -> bool {
        false
    }

    /// The calling thread is about to wait for what another one reads. Returns whether that one may leave it the
    /// connection.
    fn expect(&self) -> bool {
        false
    }

    /// Called by who reads the connection: what it has read is what a thread has waited for, which is left the connection.
    fn leave(&self) {}

    /// The calling thread reads the connection until something has come. If that takes longer than `patience`, or is a new
    /// request, another thread reads from then on. The caller must not hold what the requests of the connection need.
    fn read_on(&self, _patience: Duration) {}
}
