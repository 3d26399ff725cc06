//! A child request in the middle of an answer: started, then its answer's head, then its body (ISAPI.md §4.2, 1026).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use fastcgi_protocol::{ChildRequest, ExecStatus};
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;

use super::exchange::Exchange;
use super::lane::Lane;
use crate::backend::head::Document;
use crate::body::{self, Body, BodyError};
use crate::dispatch::{Caller, ChildAnswer};
use crate::response::Headers;

/// A child request on its way. Dropped before its end it is broken off.
pub struct Child {
    state: State,
    /// Its head is not the answer's.
    headless: bool,
}

enum State {
    Starting(Pin<Box<dyn Future<Output = ChildAnswer> + Send>>),
    Answering(Body, ExecStatus),
    Over(ExecStatus),
}

/// What comes of a child request.
pub enum Step {
    /// The head that its answer gives to an answer without one.
    Head(Document),
    /// Bytes of its answer.
    Bytes(Bytes),
    /// It is over.
    Over(ExecStatus),
}

impl Child {
    /// The child request that `exchange` asks for.
    pub fn new(
        lane: &Arc<Lane>,
        exchange: &Arc<Exchange>,
        caller: Caller,
        request: ChildRequest,
    ) -> Self {
        let entity = Entity {
            lane: Arc::clone(lane),
            exchange: Arc::clone(exchange),
        };
        let headless = request.has(ChildRequest::NO_HEADERS);
        let entity = match request.length {
            Some(0) => body::empty(),
            _ => entity.boxed_unsync(),
        };
        Self {
            state: State::Starting(Box::pin(caller.run(request, entity))),
            headless,
        }
    }

    /// The next step; none follows [`Step::Over`].
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Step, BodyError>> {
        loop {
            match &mut self.state {
                State::Starting(answer) => {
                    let ChildAnswer { response, status } = ready!(answer.as_mut().poll(context));
                    let Some(response) = response else {
                        self.state = State::Over(status);
                        continue;
                    };
                    let head = if self.headless {
                        headless()
                    } else {
                        document(response.status, response.reason, response.headers)
                    };
                    self.state = State::Answering(response.body, status);
                    return Poll::Ready(Ok(Step::Head(head)));
                }
                State::Answering(body, status) => {
                    match ready!(Pin::new(body).poll_frame(context)) {
                        Some(Ok(frame)) => match frame.into_data() {
                            Ok(bytes) if !bytes.is_empty() => {
                                return Poll::Ready(Ok(Step::Bytes(bytes)));
                            }
                            // Trailers have no meaning here.
                            _ => {}
                        },
                        Some(Err(error)) => return Poll::Ready(Err(error)),
                        None => self.state = State::Over(*status),
                    }
                }
                State::Over(status) => return Poll::Ready(Ok(Step::Over(*status))),
            }
        }
    }
}

/// The head of an answer that begins with a child whose own head is not wanted.
fn headless() -> Document {
    document(StatusCode::OK, None, Headers::default())
}

fn document(status: StatusCode, reason: Option<Bytes>, headers: Headers) -> Document {
    let length = headers.get(CONTENT_LENGTH);
    let content_length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    Document {
        status,
        reason,
        close: headers.contains_key(CONNECTION),
        headers,
        content_length,
    }
}

/// The entity of a child request, as the worker sends it.
struct Entity {
    lane: Arc<Lane>,
    exchange: Arc<Exchange>,
}

impl http_body::Body for Entity {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match ready!(self.exchange.poll_entity(context)) {
            Some(Ok((bytes, credit))) => {
                if let Some(credit) = credit {
                    self.lane.grant(&self.exchange, credit);
                }
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => Some(Err(error)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_entity_read()
    }
}

impl Drop for Entity {
    fn drop(&mut self) {
        self.lane.leave_entity(&self.exchange);
    }
}
