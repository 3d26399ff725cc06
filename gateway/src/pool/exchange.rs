//! One request on a lane: what has arrived of its answer, what may be sent of its body, and how it ended.

mod arrived;

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use fastcgi_protocol::{ChildRequest, Grant, ProtocolError, Window};
use http::StatusCode;

use arrived::Arrived;

use super::lane::Piece;
use super::lock;
use crate::body::BodyError;
use crate::error::Error;
use crate::observe::Journal;
use crate::observe::crash_report::content::Outcome;

/// How the worker's part of a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The answer is whole.
    Complete,
    /// The worker has no room for the request.
    Refused,
    /// The request has brought its worker down, or the worker said that the answer will not be completed.
    Cut(String),
    /// The worker died, for all that is known by no fault of this request.
    Lost {
        /// How.
        reason: String,
        /// Another request is known to have brought it about.
        innocent: bool,
    },
    /// It ran longer than the pool allows.
    TimedOut(Duration),
    /// The client's body ended early.
    ClientGone(String),
}

impl Ending {
    /// What became of a request whose answer had no head yet.
    pub fn before_head(self) -> Error {
        match self {
            Ending::Complete => Error::BadAnswer("it ended before its head was complete".into()),
            Ending::Refused => Error::Overloaded("the worker takes no more requests".into()),
            Ending::Cut(reason) => Error::BackendDied(reason),
            Ending::Lost { reason, innocent } => Error::WorkerLost { reason, innocent },
            Ending::TimedOut(limit) => Error::RequestTimeout(limit),
            Ending::ClientGone(_) => Error::ClientGone,
        }
    }

    /// How an answer ends whose child request broke off.
    pub fn of_child(error: BodyError) -> Self {
        match error {
            BodyError::Cut(reason) => Ending::Cut(format!("its child request: {reason}")),
            BodyError::Client(reason) => Ending::ClientGone(reason),
        }
    }

    /// How the body of an answer ends whose head is out.
    pub fn after_head(self) -> Result<(), BodyError> {
        match self {
            Ending::Complete => Ok(()),
            Ending::Refused => Err(BodyError::Cut("the worker refused the request".into())),
            Ending::Cut(reason) | Ending::Lost { reason, .. } => Err(BodyError::Cut(reason)),
            Ending::TimedOut(limit) => Err(BodyError::Cut(format!(
                "the request ran longer than {limit:?}"
            ))),
            Ending::ClientGone(reason) => Err(BodyError::Client(reason)),
        }
    }
}

/// Bytes that have been read, and credit to send for them.
pub type Granted = (Bytes, Option<u32>);

/// The next part of an answer.
#[derive(Debug, PartialEq)]
pub enum Part {
    /// Bytes of it.
    Bytes(Granted),
    /// A child request to be run here.
    Child(Box<ChildRequest>),
    /// The whole answer is a page of the gateway.
    ErrorPage(ErrorPage),
}

/// An error that the gateway's page shall tell the client of (ISAPI.md §4.2, code 1028).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// The HTTP status.
    pub status: StatusCode,
    /// The sub-status, 0 if there is none.
    pub sub_status: u16,
    /// The reason phrase, where it is not the usual one.
    pub reason: Option<Bytes>,
}

/// A request on its lane, shared by the lane, the answer's reader and the body's pump.
#[derive(Debug)]
pub struct Exchange {
    /// Its number on the lane; taken until the worker's END_REQUEST.
    pub id: u16,
    streams: Mutex<Streams>,
}

#[derive(Debug)]
struct Streams {
    /// STDOUT that has arrived and not been read, at most the window.
    output: Arrived,
    /// What comes behind the output: the worker sends nothing more before it has been dealt with.
    next: Option<Part>,
    entity: Entity,
    grant: Grant,
    window: Window,
    ending: Option<Ending>,
    /// Nobody reads the answer any more.
    abandoned: bool,
    reader: Option<Waker>,
    pump: Option<Waker>,
    /// Where the extension's part of the access log goes.
    journal: Option<Arc<Journal>>,
    /// What becomes of the request when its worker dies.
    outcome: Option<Outcome>,
}

/// The entity of a child request, as it comes from the worker; it counts as output.
#[derive(Debug, Default)]
struct Entity {
    /// What has arrived and not been read.
    buffer: BytesMut,
    ended: bool,
    /// Somebody reads it, or will.
    wanted: bool,
    reader: Option<Waker>,
}

impl Exchange {
    /// A request that begins, with the windows of its lane in bytes.
    pub fn new(id: u16, stdin_window: u32, stdout_window: u32) -> Self {
        Self {
            id,
            streams: Mutex::new(Streams {
                output: Arrived::default(),
                next: None,
                entity: Entity::default(),
                grant: Grant::new(stdout_window),
                window: Window::new(stdin_window),
                ending: None,
                abandoned: false,
                reader: None,
                pump: None,
                journal: None,
                outcome: None,
            }),
        }
    }

    /// When the worker dies now, or just has, this becomes of the request. The first word counts.
    pub fn becomes(&self, outcome: Outcome) {
        lock(&self.streams).outcome.get_or_insert(outcome);
    }

    /// What becomes of the request when its worker dies, if that has shown.
    pub fn outcome(&self) -> Option<Outcome> {
        lock(&self.streams).outcome
    }

    /// Has what the extension logs go to this journal.
    pub fn report_to(&self, journal: Arc<Journal>) {
        lock(&self.streams).journal = Some(journal);
    }

    /// Bytes of the answer's body that its client has been sent.
    pub fn sent(&self) -> u64 {
        let streams = lock(&self.streams);
        streams.journal.as_ref().map_or(0, |journal| journal.sent())
    }

    /// What the extension adds to the access log.
    pub fn log_parameter(&self, text: &[u8]) {
        if let Some(journal) = &lock(&self.streams).journal {
            journal.log_parameter(text);
        }
    }

    /// Bytes of the answer have arrived, as a part of `whole`. Returns credit to send at once, for bytes that nobody will read.
    ///
    /// # Errors
    /// When the worker had no credit for them.
    pub fn receive(&self, data: &[u8], whole: &Bytes) -> Result<Option<u32>, ProtocolError> {
        let mut streams = lock(&self.streams);
        streams.grant.received(data.len())?;
        if streams.abandoned || streams.ending.is_some() {
            return Ok(streams.grant.consumed(data.len()));
        }
        streams.output.push(data, whole);
        wake(&mut streams.reader);
        Ok(None)
    }

    /// Bytes of the answer have arrived that lie in shared memory. They are [consumed](Self::consumed) when that is free again.
    ///
    /// # Errors
    /// When the worker had no credit for them.
    pub fn receive_shared(&self, piece: Piece) -> Result<(), ProtocolError> {
        let mut streams = lock(&self.streams);
        streams.grant.received(piece.len())?;
        if !streams.abandoned && streams.ending.is_none() {
            streams.output.push_shared(piece);
            wake(&mut streams.reader);
        }
        Ok(())
    }

    /// So many bytes that lay in shared memory are not needed any more. Returns credit to send.
    pub fn consumed(&self, bytes: usize) -> Option<u32> {
        lock(&self.streams).grant.consumed(bytes)
    }

    /// The last bytes of the answer have arrived, none perhaps, as a part of `whole`: with them it is complete. Credit is not
    /// needed any more.
    ///
    /// # Errors
    /// When the worker had no credit for them.
    pub fn complete(&self, data: &[u8], whole: &Bytes) -> Result<(), ProtocolError> {
        let mut streams = lock(&self.streams);
        streams.grant.received(data.len())?;
        if !streams.abandoned && streams.ending.is_none() && !data.is_empty() {
            streams.output.push_last(data, whole);
        }
        streams.end(Ending::Complete);
        Ok(())
    }

    /// Bytes of a child request's description have arrived. Returns credit to send at once: they are decoded already.
    ///
    /// # Errors
    /// When the worker had no credit for them.
    pub fn receive_params(&self, count: usize) -> Result<Option<u32>, ProtocolError> {
        let mut streams = lock(&self.streams);
        streams.grant.received(count)?;
        Ok(streams.grant.consumed(count))
    }

    /// A child request, or what stands for the whole answer. Its entity follows in the case of a child request.
    pub fn receive_part(&self, part: Part) {
        let mut streams = lock(&self.streams);
        if streams.abandoned || streams.ending.is_some() {
            return;
        }
        streams.entity = Entity {
            wanted: matches!(part, Part::Child(_)),
            ..Entity::default()
        };
        streams.next = Some(part);
        wake(&mut streams.reader);
    }

    /// Bytes of a child request's entity have arrived. Returns credit to send at once, for bytes that nobody will read.
    ///
    /// # Errors
    /// When the worker had no credit for them.
    pub fn receive_entity(&self, data: &[u8]) -> Result<Option<u32>, ProtocolError> {
        let mut streams = lock(&self.streams);
        streams.grant.received(data.len())?;
        if !streams.entity.wanted {
            return Ok(streams.grant.consumed(data.len()));
        }
        streams.entity.buffer.extend_from_slice(data);
        wake(&mut streams.entity.reader);
        Ok(None)
    }

    /// The entity is whole.
    pub fn end_entity(&self) {
        let mut streams = lock(&self.streams);
        streams.entity.ended = true;
        wake(&mut streams.entity.reader);
    }

    /// The worker takes `bytes` more of the body.
    ///
    /// # Errors
    /// When that is more than a window can hold.
    pub fn widen(&self, bytes: u32) -> Result<(), ProtocolError> {
        let mut streams = lock(&self.streams);
        streams.window.add(bytes)?;
        wake(&mut streams.pump);
        Ok(())
    }

    /// The request has ended; the first ending counts.
    pub fn end(&self, ending: Ending) {
        lock(&self.streams).end(ending);
    }

    /// Nobody reads the answer any more. Returns credit to send, for bytes that had arrived.
    pub fn abandon(&self) -> Option<u32> {
        let mut streams = lock(&self.streams);
        streams.abandoned = true;
        wake(&mut streams.pump);
        if streams.is_read() {
            return None;
        }
        let unread = std::mem::take(&mut streams.output).counted();
        let entity = std::mem::take(&mut streams.entity).buffer.len();
        streams.next = None;
        streams.grant.consumed(unread + entity)
    }

    /// The next part of the answer that has arrived; the ending once all has been read.
    pub fn poll_read(&self, context: &mut Context<'_>) -> Poll<Result<Part, Ending>> {
        let mut streams = lock(&self.streams);
        if let Some((bytes, consumed)) = streams.output.pop() {
            let credit = streams.grant.consumed(consumed);
            return Poll::Ready(Ok(Part::Bytes((bytes, credit))));
        }
        if let Some(part) = streams.next.take() {
            return Poll::Ready(Ok(part));
        }
        match &streams.ending {
            Some(ending) => Poll::Ready(Err(ending.clone())),
            None => {
                streams.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// How the answer breaks off while a child request runs. If it does not, its reader is woken when that changes.
    pub fn poll_break(&self, context: &mut Context<'_>) -> Poll<Ending> {
        let mut streams = lock(&self.streams);
        match &streams.ending {
            Some(ending) if *ending != Ending::Complete => Poll::Ready(ending.clone()),
            _ => {
                streams.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// What has arrived of a child request's entity, with credit to send for it; `None` at its end.
    pub fn poll_entity(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Granted, BodyError>>> {
        let mut streams = lock(&self.streams);
        let Streams {
            entity,
            grant,
            ending,
            ..
        } = &mut *streams;
        if !entity.buffer.is_empty() {
            let bytes = entity.buffer.split().freeze();
            let credit = grant.consumed(bytes.len());
            return Poll::Ready(Some(Ok((bytes, credit))));
        }
        if entity.ended {
            return Poll::Ready(None);
        }
        if !entity.wanted || ending.is_some() {
            let reason = "the request that asks for this one has ended".into();
            return Poll::Ready(Some(Err(BodyError::Client(reason))));
        }
        entity.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whether the entity is whole and has been read.
    pub fn is_entity_read(&self) -> bool {
        let streams = lock(&self.streams);
        streams.entity.ended && streams.entity.buffer.is_empty()
    }

    /// Nobody reads the entity any more. Returns credit to send, for bytes that had arrived.
    pub fn leave_entity(&self) -> Option<u32> {
        let mut streams = lock(&self.streams);
        streams.entity.wanted = false;
        let unread = std::mem::take(&mut streams.entity.buffer).len();
        streams.grant.consumed(unread)
    }

    /// Whether the answer is whole and has been read.
    pub fn is_read(&self) -> bool {
        lock(&self.streams).is_read()
    }

    /// Takes from the body what may be sent now. Without credit, or while `blocked`, the pump is woken later.
    pub fn poll_take(
        &self,
        body: &mut Bytes,
        blocked: bool,
        context: &mut Context<'_>,
    ) -> Poll<Bytes> {
        let mut streams = lock(&self.streams);
        let now = streams.window.available().min(body.len());
        if blocked || now == 0 {
            streams.pump = Some(context.waker().clone());
            return Poll::Pending;
        }
        streams.window.take(now);
        Poll::Ready(body.copy_to_bytes(now))
    }

    /// Whether nobody wants the body any more. If not so, the pump is woken when that changes.
    pub fn is_body_unwanted(&self, context: &mut Context<'_>) -> bool {
        let mut streams = lock(&self.streams);
        if streams.abandoned || streams.ending.is_some() {
            return true;
        }
        streams.pump = Some(context.waker().clone());
        false
    }

    /// Lets the pump try again.
    pub fn wake_pump(&self) {
        wake(&mut lock(&self.streams).pump);
    }
}

impl Streams {
    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
        wake(&mut self.reader);
        wake(&mut self.entity.reader);
        wake(&mut self.pump);
    }

    /// Whether the answer is whole and has been read.
    fn is_read(&self) -> bool {
        self.output.is_empty() && self.next.is_none() && self.ending == Some(Ending::Complete)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
