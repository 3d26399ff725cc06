//! A request on its way to the application: head, then body, as fast as it is taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fastcgi_protocol::{RecordType, encode};
use http_body::Body as _;

use super::exchange::{Fault, ID, Shared};
use crate::body::Body;

/// Sends a request. It is finished when everything is sent, or nothing more can be: the answer tells which. At most one
/// piece of the body is held here.
pub struct Upload {
    shared: Arc<Shared>,
    /// Records to be written, and how much of them has been.
    out: Vec<u8>,
    written: usize,
    /// What is left of the body.
    body: Option<Body>,
    /// Some of the body has been taken: it cannot be sent a second time.
    is_touched: bool,
    /// The connection has been idle, and may have been closed.
    is_suspect: bool,
}

impl Upload {
    /// Sends these records, then the body and its end.
    pub fn new(shared: Arc<Shared>, out: Vec<u8>, body: Option<Body>, is_suspect: bool) -> Self {
        Self {
            shared,
            out,
            written: 0,
            body,
            is_touched: false,
            is_suspect,
        }
    }

    /// The body, if nothing has been taken from it. The inner `None`: there is none.
    pub fn into_body(self) -> Option<Option<Body>> {
        (!self.is_touched).then_some(self.body)
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while self.written < self.out.len() {
            let rest = &self.out[self.written..];
            self.written += ready!(self.shared.stream.poll_write(context, rest))?;
            self.shared.note_move();
        }
        self.out.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl Future for Upload {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let upload = &mut *self;
        loop {
            if ready!(upload.poll_write(context)).is_err() {
                // It takes no more, which is its right; whether it has answered shows in what it has sent.
                return Poll::Ready(());
            }
            let Some(body) = &mut upload.body else {
                upload.shared.set_sent();
                return Poll::Ready(());
            };
            if upload.is_suspect && !upload.is_touched && upload.shared.stream.is_closed() {
                return Poll::Ready(());
            }
            upload.shared.set_waits_for_client(true);
            let frame = ready!(Pin::new(body).poll_frame(context));
            upload.shared.set_waits_for_client(false);
            upload.shared.note_move();
            upload.is_touched = true;
            match frame {
                // Trailers have no place in FastCGI.
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    encode::stream(&mut upload.out, RecordType::Stdin, ID, &data);
                }
                Some(Err(error)) => {
                    upload.shared.end(Fault::Client(error.to_string()));
                    return Poll::Ready(());
                }
                None => {
                    encode::end_stream(&mut upload.out, RecordType::Stdin, ID);
                    upload.body = None;
                }
            }
        }
    }
}
