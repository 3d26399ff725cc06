//! What a CGI program writes, as a stream that knows whether the program came to a good end.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::io::AsyncReadExt as _;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::program::Ended;
use crate::alarms::sleep;
use crate::body::BodyError;
use crate::error::Error;
use crate::os::ended_by;
use crate::process::{exit, program};

/// First read: enough for a small answer.
const FIRST_READ: usize = 8 * 1024;
/// The next one takes all that a pipe holds, if there was more than a little before, and mostly finds the end if not.
const LATER_READ: usize = 64 * 1024;
const LITTLE: usize = 4 * 1024;

/// A program's exit and the end of its output belong together. When only one of them is seen, the other is waited
/// for this long: a program may close its output and work on, or leave it to a process outside its group.
const LINGER: Duration = Duration::from_secs(1);

/// The standard output of a program. Dropping it before its end ends the program.
pub struct Output {
    stdout: program::Output,
    buffer: BytesMut,
    read_size: usize,
    /// Bytes that were read with the head and belong to the body.
    put_back: Bytes,
    at_end: bool,
    exit: oneshot::Receiver<Ended>,
    ended: Option<Ended>,
    linger: Option<Pin<Box<Sleep>>>,
    has_looked_again: bool,
    /// Dropped: the program is ended. Sent: it may finish what it does.
    wanted: Option<oneshot::Sender<()>>,
    description: String,
}

impl Output {
    pub fn new(
        stdout: program::Output,
        exit: oneshot::Receiver<Ended>,
        wanted: oneshot::Sender<()>,
        description: String,
    ) -> Self {
        Self {
            stdout,
            buffer: BytesMut::new(),
            read_size: FIRST_READ,
            put_back: Bytes::new(),
            at_end: false,
            exit,
            ended: None,
            linger: None,
            has_looked_again: false,
            wanted: Some(wanted),
            description,
        }
    }

    /// The next bytes; `None` when there will be no more.
    pub fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.put_back.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut self.put_back)));
        }
        if !self.at_end {
            self.buffer.reserve(self.read_size);
            // The future holds no state between polls.
            match pin!(self.stdout.read_buf(&mut self.buffer)).poll(context) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.read_size = match count {
                        ..LITTLE => LITTLE,
                        _ => LATER_READ,
                    };
                    return Poll::Ready(Some(self.buffer.split().freeze()));
                }
                Poll::Ready(_) => self.at_end = true,
                Poll::Pending => {}
            }
        }
        if self.ended.is_none()
            && let Poll::Ready(ended) = Pin::new(&mut self.exit).poll(context)
        {
            // An error means that the runtime, and with it the program's keeper, is being stopped.
            self.ended = Some(ended.unwrap_or(Ended::Unwanted));
        }
        match (self.at_end, self.ended.is_some()) {
            (false, false) => return Poll::Pending,
            (true, true) => {}
            // Mostly the other one has come at the same time, and is told when its task has had its turn: before a timer
            // is dear.
            _ if !self.has_looked_again => {
                self.has_looked_again = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            _ => {
                let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
                ready!(linger.as_mut().poll(context));
            }
        }
        if let Some(wanted) = self.wanted.take() {
            // The keeper may be gone with the program.
            let _ = wanted.send(());
        }
        Poll::Ready(None)
    }

    /// Gives back the bytes behind the head.
    pub fn put_back(&mut self, bytes: Bytes) {
        self.put_back = bytes;
    }

    /// Why there is no head, once the output has ended. `partial`: whether a part of a head was read.
    pub fn no_head(&mut self, partial: bool) -> Error {
        let program = &self.description;
        let found = if partial {
            "an unfinished head"
        } else {
            "no output"
        };
        match self.ended.take() {
            Some(Ended::TimedOut(limit)) => Error::RequestTimeout(limit),
            Some(Ended::BodyBroken(_)) => Error::ClientGone,
            Some(Ended::Unwanted) => Error::Stopping,
            Some(Ended::Exited(status)) if ended_by(status).is_some() => {
                Error::BackendDied(format!("{program} {} with {found}", exit::describe(status)))
            }
            Some(Ended::Exited(status)) => {
                Error::BadAnswer(format!("{program} {} with {found}", exit::describe(status)))
            }
            None => Error::BadAnswer(format!("{program} closed its output with {found}")),
        }
    }

    /// Whether the program's end leaves its answer whole. A program that was killed may have had more to say; one that
    /// exits with a status of its own has said it (whether that was enough is for Content-Length to tell).
    fn verdict(&mut self) -> Result<(), BodyError> {
        let program = &self.description;
        match self.ended.take() {
            None => Ok(()),
            Some(Ended::Exited(status)) if status.success() => Ok(()),
            Some(Ended::Exited(status)) => {
                let text = format!("{program} {}", exit::describe(status));
                if ended_by(status).is_some() {
                    return Err(BodyError::Cut(text));
                }
                tracing::warn!("{text} after its answer");
                Ok(())
            }
            Some(Ended::TimedOut(limit)) => {
                let text = format!("{program} ran longer than {limit:?} and was ended");
                Err(BodyError::Cut(text))
            }
            Some(Ended::BodyBroken(error)) => Err(error),
            Some(Ended::Unwanted) => Err(BodyError::Cut(format!("{program} was ended"))),
        }
    }
}

impl http_body::Body for Output {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match ready!(self.poll_chunk(context)) {
            Some(chunk) => Some(Ok(Frame::data(chunk))),
            None => self.verdict().err().map(Err),
        };
        Poll::Ready(frame)
    }
}
