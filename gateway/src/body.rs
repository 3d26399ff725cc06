//! Bodies in both directions: a stream of byte chunks that ends cleanly or with an error, never silently.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};

use crate::alarms::timeout;

/// A streamed body.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client went away or sent a malformed body.
    #[error("the client's body ended early: {0}")]
    Client(String),
    /// The backend's answer was cut short (worker died, program was ended, too few bytes).
    #[error("the answer was cut short: {0}")]
    Cut(String),
}

/// How much of an answer that nobody gets is read on so that the backend can come to its own end …
const DISCARD_LIMIT: usize = 1024 * 1024;
/// … and for how long. Past either the body is dropped, which ends the request in the backend.
const DISCARD_TIME: Duration = Duration::from_secs(30);

/// A body without bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is already whole.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Holds a backend's body to the length that its head declared: bytes beyond it are cut, fewer are
/// [`BodyError::Cut`]. Answers to HEAD and answers with status 204, 205 or 304 get no body (RFC 9110 §6.4.1).
///
/// What the client does not get is read on for a while in the background, since an extension or program that was
/// only late to notice that its answer is complete must not be ended for it (ISAPI.md §6.7).
pub fn framed<B>(body: B, content_length: Option<u64>, method: &Method, status: StatusCode) -> Body
where
    B: HttpBody<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
{
    if method == Method::HEAD || matches!(status.as_u16(), 204 | 205 | 304) {
        discard(body);
        return empty();
    }
    match content_length {
        Some(left) => Framed {
            inner: Some(body),
            left,
        }
        .boxed_unsync(),
        None => body.boxed_unsync(),
    }
}

/// A body with `left` bytes to come.
struct Framed<B: HttpBody<Data = Bytes, Error = BodyError> + Send + Unpin + 'static> {
    /// `None` once it has ended.
    inner: Option<B>,
    left: u64,
}

impl<B: HttpBody<Data = Bytes, Error = BodyError> + Send + Unpin + 'static> HttpBody for Framed<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        while self.left > 0 {
            let Some(inner) = &mut self.inner else {
                return Poll::Ready(None);
            };
            match ready!(Pin::new(inner).poll_frame(context)) {
                Some(Ok(frame)) => {
                    // Trailers have no meaning here and are left out.
                    let Ok(mut data) = frame.into_data() else {
                        continue;
                    };
                    let left = usize::try_from(self.left).unwrap_or(usize::MAX);
                    data.truncate(left);
                    self.left -= data.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => {
                    self.inner = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.inner = None;
                    let missing =
                        format!("{} bytes are missing from its Content-Length", self.left);
                    return Poll::Ready(Some(Err(BodyError::Cut(missing))));
                }
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl<B: HttpBody<Data = Bytes, Error = BodyError> + Send + Unpin + 'static> Drop for Framed<B> {
    fn drop(&mut self) {
        if self.left == 0
            && let Some(inner) = self.inner.take()
        {
            discard(inner);
        }
    }
}

/// Reads a body to its end in the background and throws it away. After 1 MiB or 30 s it is dropped, which ends the
/// request in the backend.
pub fn discard<B>(mut body: B)
where
    B: HttpBody<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
{
    if body.is_end_stream() {
        return;
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    runtime.spawn(timeout(DISCARD_TIME, async move {
        let mut thrown = 0;
        while let Some(Ok(frame)) = body.frame().await {
            thrown += frame.data_ref().map_or(0, Bytes::len);
            if thrown > DISCARD_LIMIT {
                break;
            }
        }
    }));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http_body_util::{Channel, channel::Sender};

    use super::*;

    fn channel() -> (Sender<Bytes, BodyError>, Channel<Bytes, BodyError>) {
        Channel::new(4)
    }

    async fn send(sender: &mut Sender<Bytes, BodyError>, text: &'static str) {
        sender
            .send_data(Bytes::from_static(text.as_bytes()))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn bytes_beyond_the_length_are_cut() {
        let (mut sender, body) = channel();
        send(&mut sender, "hello").await;
        send(&mut sender, " world, and more").await;
        drop(sender);
        let body = framed(body, Some(11), &Method::GET, StatusCode::OK);
        assert_eq!(body.size_hint().exact(), Some(11));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "hello world");
    }

    #[tokio::test]
    async fn missing_bytes_are_an_error() {
        let (mut sender, body) = channel();
        send(&mut sender, "hello").await;
        drop(sender);
        let mut body = framed(body, Some(6), &Method::GET, StatusCode::OK);
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "hello"
        );
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(matches!(error, BodyError::Cut(text) if text.starts_with("1 bytes")));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn without_a_length_everything_passes() {
        let (mut sender, body) = channel();
        send(&mut sender, "hello").await;
        drop(sender);
        let body = framed(body, None, &Method::GET, StatusCode::OK);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
    }

    #[tokio::test]
    async fn answers_without_a_body_stay_empty_and_are_read_on() {
        for (method, status) in [
            (Method::HEAD, StatusCode::OK),
            (Method::GET, StatusCode::NO_CONTENT),
            (Method::GET, StatusCode::NOT_MODIFIED),
        ] {
            let (mut sender, inner) = channel();
            let body = framed(inner, Some(1000), &method, status);
            assert!(body.is_end_stream());
            // More than the channel holds: goes on only because somebody reads.
            for _ in 0..20 {
                send(&mut sender, "swallowed").await;
            }
        }
    }

    #[tokio::test]
    async fn a_complete_answer_lets_the_backend_finish() {
        let (mut sender, inner) = channel();
        send(&mut sender, "hello").await;
        let mut body = framed(inner, Some(5), &Method::GET, StatusCode::OK);
        body.frame().await.unwrap().unwrap();
        assert!(body.is_end_stream());
        drop(body);
        for _ in 0..20 {
            send(&mut sender, "late").await;
        }
    }

    #[tokio::test]
    async fn an_answer_dropped_half_way_ends_the_backend() {
        let (mut sender, inner) = channel();
        send(&mut sender, "hello").await;
        drop(framed(inner, Some(100), &Method::GET, StatusCode::OK));
        assert!(sender.send_data(Bytes::from_static(b"x")).await.is_err());
    }
}
