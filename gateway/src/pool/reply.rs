//! The answer of a worker to one request: its head, then its body, with the answers of its child requests in it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame};
use shared_buffers::LEAST;

use super::child::{Child, Step};
use super::exchange::{Ending, ErrorPage, Exchange, Part};
use super::lane::Lane;
use super::pump::Pump;
use crate::backend::head::{Document, Head, HeadParser};
use crate::body::BodyError;
use crate::dispatch::Caller;
use crate::error::Error;

/// An answer to be read. Dropped before its end it aborts the request.
pub struct Reply {
    lane: Arc<Lane>,
    exchange: Arc<Exchange>,
    caller: Caller,
    /// What came behind the head in the same piece.
    rest: Bytes,
    /// The child request that runs now.
    child: Option<Child>,
}

/// How an answer begins.
pub enum Begun {
    /// With a head for the client.
    Document(Document),
    /// It is the answer to this path instead (RFC 3875 §6.2.2).
    LocalRedirect(Bytes),
    /// It is a page of the gateway.
    ErrorPage(ErrorPage),
}

/// What is read of an answer.
enum Piece {
    Bytes(Bytes),
    /// The head of a child request's answer.
    Head(Document),
    ErrorPage(ErrorPage),
}

impl Reply {
    /// The answer to a request that has begun; child requests of it have this caller.
    pub fn new(lane: Arc<Lane>, exchange: Arc<Exchange>, caller: Caller) -> Self {
        Self {
            lane,
            exchange,
            caller,
            rest: Bytes::new(),
            child: None,
        }
    }

    /// Reads the head, and meanwhile lets the pump carry the request's body; a pump that has finished is removed.
    ///
    /// # Errors
    /// Why there is no head.
    pub async fn head(&mut self, pump: &mut Option<Pump>) -> Result<Begun, Error> {
        let mut parser = HeadParser::keeping_lines(self.caller.takes_lines());
        loop {
            let next = std::future::poll_fn(|context| {
                if let Some(running) = pump
                    && Pin::new(running).poll(context).is_ready()
                {
                    *pump = None;
                }
                self.poll_piece(context)
            });
            let piece = match next.await.map_err(Ending::before_head)? {
                Piece::Bytes(piece) => piece,
                Piece::Head(_) if parser.has_partial_head() => {
                    let text = "a child request in the middle of its head";
                    return Err(Error::BadAnswer(text.into()));
                }
                Piece::Head(document) => return Ok(Begun::Document(document)),
                Piece::ErrorPage(page) => return Ok(Begun::ErrorPage(page)),
            };
            // A long piece may lie in memory that the worker can change meanwhile.
            let mut piece = match piece.len() < LEAST {
                true => piece,
                false => Bytes::copy_from_slice(&piece),
            };
            if let Some((head, offset)) = parser.push(&piece)? {
                piece.advance(offset);
                self.rest = piece;
                return Ok(match head {
                    Head::Document(document) => Begun::Document(document),
                    Head::LocalRedirect(path) => Begun::LocalRedirect(path),
                });
            }
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, Ending>> {
        loop {
            if self.child.is_some() {
                match ready!(self.poll_child(context))? {
                    Some(piece) => return Poll::Ready(Ok(piece)),
                    None => continue,
                }
            }
            match ready!(self.exchange.poll_read(context))? {
                Part::Bytes((bytes, credit)) => {
                    if let Some(credit) = credit {
                        self.lane.grant(&self.exchange, credit);
                    }
                    return Poll::Ready(Ok(Piece::Bytes(bytes)));
                }
                Part::Child(request) => {
                    let caller = self.caller.clone();
                    let child = Child::new(&self.lane, &self.exchange, caller, *request);
                    self.child = Some(child);
                }
                Part::ErrorPage(page) => return Poll::Ready(Ok(Piece::ErrorPage(page))),
            }
        }
    }

    /// Lets the child request go on; `None` when there is none any more. Its end, and that of its request, ends it.
    fn poll_child(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Ending>> {
        let Some(child) = &mut self.child else {
            return Poll::Ready(Ok(None));
        };
        let broken = self.exchange.poll_break(context).map(Err);
        let step = match broken {
            Poll::Ready(ending) => ending,
            Poll::Pending => ready!(child.poll(context)).map_err(Ending::of_child),
        };
        Poll::Ready(match step {
            Ok(Step::Head(document)) => Ok(Some(Piece::Head(document))),
            Ok(Step::Bytes(bytes)) => Ok(Some(Piece::Bytes(bytes))),
            Ok(Step::Over(status)) => {
                self.child = None;
                self.lane.end_exec(&self.exchange, status);
                Ok(None)
            }
            Err(ending) => {
                self.child = None;
                Err(ending)
            }
        })
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
        loop {
            return Poll::Ready(match ready!(self.poll_piece(context)) {
                Ok(Piece::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
                // The answer has its head already; pages are refused by then.
                Ok(Piece::Head(_) | Piece::ErrorPage(_)) => continue,
                Err(ending) => ending.after_head().err().map(Err),
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.child.is_none() && self.exchange.is_read()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // First the child: its entity comes from the exchange.
        self.child = None;
        if !self.exchange.is_read() {
            self.lane.abort(&self.exchange);
        }
    }
}
