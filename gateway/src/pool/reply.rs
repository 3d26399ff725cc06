//! The answer of a worker to one request: its head, then its body.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::exchange::{Ending, Exchange};
use super::lane::Lane;
use super::pump::Pump;
use crate::backend::head::{Head, HeadParser};
use crate::body::BodyError;
use crate::error::Error;

/// An answer to be read. Dropped before its end it aborts the request.
pub struct Reply {
    lane: Arc<Lane>,
    exchange: Arc<Exchange>,
    /// What came behind the head in the same piece.
    rest: Bytes,
}

impl Reply {
    /// The answer to a request that has begun.
    pub fn new(lane: Arc<Lane>, exchange: Arc<Exchange>) -> Self {
        Self {
            lane,
            exchange,
            rest: Bytes::new(),
        }
    }

    /// Reads the head, and meanwhile lets the pump carry the request's body; a pump that has finished is removed.
    ///
    /// # Errors
    /// Why there is no head.
    pub async fn head(&mut self, pump: &mut Option<Pump>) -> Result<Head, Error> {
        let mut parser = HeadParser::new();
        loop {
            let next = std::future::poll_fn(|context| {
                if let Some(running) = pump
                    && Pin::new(running).poll(context).is_ready()
                {
                    *pump = None;
                }
                self.poll_read(context)
            });
            let piece = next.await.map_err(Ending::before_head)?;
            if let Some((head, offset)) = parser.push(&piece)? {
                self.rest = piece.slice(offset..);
                return Ok(head);
            }
        }
    }

    fn poll_read(&self, context: &mut Context<'_>) -> Poll<Result<Bytes, Ending>> {
        let (bytes, credit) = ready!(self.exchange.poll_read(context))?;
        if let Some(credit) = credit {
            self.lane.grant(&self.exchange, credit);
        }
        Poll::Ready(Ok(bytes))
    }
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
        Poll::Ready(match ready!(self.poll_read(context)) {
            Ok(bytes) => Some(Ok(Frame::data(bytes))),
            Err(ending) => ending.after_head().err().map(Err),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.exchange.is_read()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.lane.abort(&self.exchange);
    }
}
