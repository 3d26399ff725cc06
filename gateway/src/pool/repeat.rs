//! Requests that may run again on another worker when theirs dies: which ones, and the body that goes with them.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use fastcgi_protocol::is_idempotent;
use http::Method;
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;

use super::lock;
use crate::body::{self, Body, BodyError};

/// How often a request runs at most: others may bring its worker down each time.
const MOST_RUNS: u32 = 10;

/// How often a request has run.
#[derive(Debug, Default)]
pub struct Trials {
    /// Workers that died with it.
    lost: u32,
    /// It may have brought one of them down itself.
    is_suspect: bool,
}

impl Trials {
    /// Its worker has died; `innocent` if another request is known to have brought that about. Returns whether it may
    /// run again: once if it may be the culprit.
    pub fn lost(&mut self, innocent: bool) -> bool {
        self.lost += 1;
        let was_suspect = self.is_suspect;
        self.is_suspect |= !innocent;
        self.lost < MOST_RUNS && (innocent || !was_suspect)
    }
}

/// The body of a request that runs once, or more often.
pub enum Repeatable {
    /// The request must not be repeated.
    Once(Option<Body>),
    /// It has no body.
    Bodiless,
    /// Its body is kept as far as it has been read.
    Kept(Arc<Mutex<Kept>>),
}

/// A body with its beginning.
pub struct Kept {
    inner: Body,
    pieces: Vec<Bytes>,
    /// Bytes that may still be kept.
    room: usize,
    /// Whether all that has been read is in `pieces`.
    whole: bool,
    ended: bool,
}

impl Repeatable {
    /// A body of which up to `limit` bytes are kept, if the method is idempotent (RFC 9110 §9.2.2).
    pub fn new(method: &Method, body: Body, limit: usize) -> Self {
        if !is_idempotent(method.as_str().as_bytes()) {
            return Self::Once(Some(body));
        }
        if body.is_end_stream() {
            return Self::Bodiless;
        }
        Self::Kept(Arc::new(Mutex::new(Kept {
            inner: body,
            pieces: Vec::new(),
            room: limit,
            whole: true,
            ended: false,
        })))
    }

    /// The body from its beginning; for the second time only when it [can be repeated](Self::can_be_repeated).
    pub fn body(&mut self) -> Body {
        match self {
            Self::Once(body) => body.take().unwrap_or_else(body::empty),
            Self::Bodiless => body::empty(),
            Self::Kept(kept) => {
                let kept = kept.clone();
                Reader { kept, next: 0 }.boxed_unsync()
            }
        }
    }

    /// Whether the request can still be sent again as it was.
    pub fn can_be_repeated(&self) -> bool {
        match self {
            Self::Once(_) => false,
            Self::Bodiless => true,
            Self::Kept(kept) => lock(kept).whole,
        }
    }

    /// The answer has begun: nothing more is kept.
    pub fn settle(&self) {
        if let Self::Kept(kept) = self {
            lock(kept).room = 0;
        }
    }
}

/// Reads what is kept, then on.
struct Reader {
    kept: Arc<Mutex<Kept>>,
    next: usize,
}

impl HttpBody for Reader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let reader = &mut *self;
        let mut kept = lock(&reader.kept);
        if let Some(piece) = kept.pieces.get(reader.next) {
            reader.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        if kept.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut kept.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(piece) = frame.data_ref() {
                    kept.keep(piece);
                    reader.next = kept.pieces.len();
                }
            }
            Some(Err(_)) => kept.whole = false,
            None => kept.ended = true,
        }
        Poll::Ready(frame)
    }
}

impl Kept {
    fn keep(&mut self, piece: &Bytes) {
        if self.whole && piece.len() <= self.room {
            self.room -= piece.len();
            self.pieces.push(piece.clone());
        } else {
            self.whole = false;
            self.pieces.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http_body_util::Channel;

    use super::*;

    async fn pieces(texts: &[&'static str]) -> Body {
        let (mut sender, body) = Channel::new(texts.len());
        for text in texts {
            sender
                .send_data(Bytes::from_static(text.as_bytes()))
                .await
                .unwrap();
        }
        body.boxed_unsync()
    }

    async fn next(body: &mut Body) -> Bytes {
        body.frame().await.unwrap().unwrap().into_data().unwrap()
    }

    async fn rest(body: Body) -> Bytes {
        body.collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn what_is_idempotent_runs_again() {
        let mut once = Repeatable::new(&Method::POST, body::full("a"), 10);
        assert!(!once.can_be_repeated());
        assert_eq!(rest(once.body()).await, "a");
        let mut bodiless = Repeatable::new(&Method::GET, body::empty(), 0);
        assert!(bodiless.can_be_repeated());
        assert!(bodiless.body().is_end_stream());
    }

    #[tokio::test]
    async fn a_body_begins_again_where_it_began() {
        let body = pieces(&["one", "two", "three"]).await;
        let mut repeatable = Repeatable::new(&Method::PUT, body, 11);
        let mut first = repeatable.body();
        assert_eq!(next(&mut first).await, "one");
        assert_eq!(next(&mut first).await, "two");
        drop(first);
        assert!(repeatable.can_be_repeated());
        assert_eq!(rest(repeatable.body()).await, "onetwothree");
        assert!(repeatable.can_be_repeated());
        assert_eq!(rest(repeatable.body()).await, "onetwothree");
    }

    #[tokio::test]
    async fn what_is_too_long_or_settled_is_not_kept() {
        let body = pieces(&["one", "two", "three"]).await;
        let mut long = Repeatable::new(&Method::PUT, body, 5);
        assert_eq!(rest(long.body()).await, "onetwothree");
        assert!(!long.can_be_repeated());
        let mut settled = Repeatable::new(&Method::PUT, pieces(&["one"]).await, 5);
        settled.settle();
        assert_eq!(rest(settled.body()).await, "one");
        assert!(!settled.can_be_repeated());
    }
}
