//! The body of a request on its way to the worker.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as _;

use super::exchange::{Ending, Exchange};
use super::lane::Lane;
use crate::body::Body;

/// Carries a body to the worker as fast as the extension reads it: at most one piece of it is held here. It is
/// finished when the body has ended or nobody wants it any more.
pub struct Pump {
    lane: Arc<Lane>,
    exchange: Arc<Exchange>,
    body: Body,
    piece: Bytes,
}

impl Pump {
    /// A pump for a request that has begun.
    pub fn new(lane: Arc<Lane>, exchange: Arc<Exchange>, body: Body) -> Self {
        Self {
            lane,
            exchange,
            body,
            piece: Bytes::new(),
        }
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let pump = &mut *self;
        loop {
            if pump.exchange.is_body_unwanted(context) {
                return Poll::Ready(());
            }
            if !pump.piece.is_empty() {
                if !ready!(
                    pump.lane
                        .poll_send(&pump.exchange, &mut pump.piece, context)
                ) {
                    return Poll::Ready(());
                }
                continue;
            }
            match ready!(Pin::new(&mut pump.body).poll_frame(context)) {
                // Trailers have no place in FastCGI.
                Some(Ok(frame)) => pump.piece = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    pump.exchange.end(Ending::ClientGone(error.to_string()));
                    pump.lane.abort(&pump.exchange);
                    return Poll::Ready(());
                }
                None => {
                    pump.lane.end_body(&pump.exchange);
                    return Poll::Ready(());
                }
            }
        }
    }
}
