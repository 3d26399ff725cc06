//! The body of an answer to a client.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::body::BodyError;
use crate::dispatch::Origin;
use crate::front::log_broken;
use crate::front::socket::Condition;
use crate::observe::Sent;

/// Bytes of an answer that come at a time where more are likely to follow: a whole piece of what a worker sends. Who sends less
/// may be waiting for something, and the client with him.
const LONG: usize = shared_buffers::SIZE;

/// A response's body on its way out. An error in it ends the connection or the stream, so that the client cannot
/// take the answer for a whole one (docs/ARCHITECTURE.md, invariant 3), and is logged here.
pub struct Outgoing {
    /// The answer.
    pub inner: Sent,
    /// Why it has ended early, held back for a turn: hyper sends what it has of the answer when nothing is ready, and would
    /// drop it for an error.
    pub failure: Option<BodyError>,
    /// The answer has no body, but its length is not zero: it says nothing, or what its headers say.
    pub bodiless: bool,
    /// Nothing but the end of the connection marks the end of the answer.
    pub ends_connection: bool,
    /// The connection has no other answer at the same time.
    pub has_own_connection: bool,
    /// Of the connection.
    pub condition: Arc<Condition>,
    /// What is answered, where that is not done by the front itself.
    pub origin: Option<Arc<Origin>>,
}

impl Body for Outgoing {
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
                if self.ends_connection {
                    self.condition.broken.store(true, Ordering::Relaxed);
                }
                if let Some(Origin { head, .. }) = self.origin.as_deref() {
                    log_broken(&error, &head.method, &head.uri);
                }
                self.streams(false);
                self.failure = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            frame => {
                let data = frame
                    .as_ref()
                    .and_then(|frame| frame.as_ref().ok()?.data_ref());
                let is_long = data.is_some_and(|data| data.len() >= LONG);
                self.streams(is_long);
                Poll::Ready(frame)
            }
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

impl Drop for Outgoing {
    fn drop(&mut self) {
        let now = Instant::now();
        self.inner.end(now);
        self.condition.waits.store(false, Ordering::Relaxed);
        if self.has_own_connection {
            self.condition.answer(now);
        }
        self.streams(false);
    }
}

impl Outgoing {
    /// Says whether more of a long answer is sure to come, or likely to come soon.
    fn streams(&self, so: bool) {
        if self.has_own_connection {
            self.condition.streams.store(so, Ordering::Relaxed);
        }
    }
}
