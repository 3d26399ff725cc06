//! One request on a lane: what has arrived of its answer, what may be sent of its body, and how it ended.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use fastcgi_protocol::{Grant, ProtocolError, Window};

use super::lock;
use crate::body::BodyError;
use crate::error::Error;

/// How the worker's part of a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The answer is whole.
    Complete,
    /// The worker has no room for the request.
    Refused,
    /// The worker died, or said that the answer will not be completed.
    Cut(String),
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
            Ending::TimedOut(limit) => Error::RequestTimeout(limit),
            Ending::ClientGone(_) => Error::ClientGone,
        }
    }

    /// How the body of an answer ends whose head is out.
    pub fn after_head(self) -> Result<(), BodyError> {
        match self {
            Ending::Complete => Ok(()),
            Ending::Refused => Err(BodyError::Cut("the worker refused the request".into())),
            Ending::Cut(reason) => Err(BodyError::Cut(reason)),
            Ending::TimedOut(limit) => Err(BodyError::Cut(format!(
                "the request ran longer than {limit:?}"
            ))),
            Ending::ClientGone(reason) => Err(BodyError::Client(reason)),
        }
    }
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
    output: BytesMut,
    grant: Grant,
    window: Window,
    ending: Option<Ending>,
    /// Nobody reads the answer any more.
    abandoned: bool,
    reader: Option<Waker>,
    pump: Option<Waker>,
}

impl Exchange {
    /// A request that begins, with the windows of its lane in bytes.
    pub fn new(id: u16, stdin_window: u32, stdout_window: u32) -> Self {
        Self {
            id,
            streams: Mutex::new(Streams {
                output: BytesMut::new(),
                grant: Grant::new(stdout_window),
                window: Window::new(stdin_window),
                ending: None,
                abandoned: false,
                reader: None,
                pump: None,
            }),
        }
    }

    /// Bytes of the answer have arrived. Returns credit to send at once, for bytes that nobody will read.
    ///
    /// # Errors
    /// When the worker had no credit for them.
    pub fn receive(&self, data: &[u8]) -> Result<Option<u32>, ProtocolError> {
        let mut streams = lock(&self.streams);
        streams.grant.received(data.len())?;
        if streams.abandoned || streams.ending.is_some() {
            return Ok(streams.grant.consumed(data.len()));
        }
        streams.output.extend_from_slice(data);
        wake(&mut streams.reader);
        Ok(None)
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
        let mut streams = lock(&self.streams);
        streams.ending.get_or_insert(ending);
        wake(&mut streams.reader);
        wake(&mut streams.pump);
    }

    /// Nobody reads the answer any more. Returns credit to send, for bytes that had arrived.
    pub fn abandon(&self) -> Option<u32> {
        let mut streams = lock(&self.streams);
        streams.abandoned = true;
        let unread = std::mem::take(&mut streams.output).len();
        wake(&mut streams.pump);
        streams.grant.consumed(unread)
    }

    /// What has arrived of the answer, with credit to send for it; the ending once all has been read.
    pub fn poll_read(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Bytes, Option<u32>), Ending>> {
        let mut streams = lock(&self.streams);
        if !streams.output.is_empty() {
            let bytes = streams.output.split().freeze();
            let credit = streams.grant.consumed(bytes.len());
            return Poll::Ready(Ok((bytes, credit)));
        }
        match &streams.ending {
            Some(ending) => Poll::Ready(Err(ending.clone())),
            None => {
                streams.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Whether the answer is whole and has been read.
    pub fn is_read(&self) -> bool {
        let streams = lock(&self.streams);
        streams.output.is_empty() && streams.ending == Some(Ending::Complete)
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

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
