//! The body of a client's request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::body::BodyError;
use crate::front::socket::Condition;

/// The body of a client's request. From its end on the client waits for the answer.
pub struct Upload {
    inner: Incoming,
    /// Of the connection, where it has one request at a time.
    condition: Option<Arc<Condition>>,
}

impl Upload {
    /// The body of a request on a connection in that condition; over HTTP/2 that is nobody's business.
    pub fn new(inner: Incoming, condition: Option<Arc<Condition>>) -> Self {
        Self { inner, condition }
    }

    fn ended(&mut self) {
        if let Some(condition) = self.condition.take() {
            condition.waits.store(true, Ordering::Relaxed);
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if frame.is_none() || self.inner.is_end_stream() {
            self.ended();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::Client(error.to_string()))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Nobody wants the rest.
impl Drop for Upload {
    fn drop(&mut self) {
        self.ended();
    }
}
