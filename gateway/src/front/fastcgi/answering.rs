//! Answering one request of a connection: what runs it, and how the answer goes out.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use http_body_util::BodyExt as _;

use super::answer;
use super::traffic::{Stdin, Traffic};
use crate::body::{Body, BodyError};
use crate::dispatch::Origin;
use crate::front::log_broken;
use crate::observe::Sent;
use crate::response::Response;

/// The most of an answer that waits for the end of its request's body, bytes.
const HELD_BACK: usize = 64 * 1024;

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of it has been sent.
    Complete,
    /// It was cut short, and the web server must see it.
    Cut,
}

/// A request that is to be answered.
pub struct Work {
    /// What answers it.
    pub answer: Source,
    /// Where the answer goes.
    pub out: Out,
}

/// Where an answer comes from.
pub enum Source {
    /// What answers requests.
    Request(Arc<Origin>, Body),
    /// Here: the request cannot be run.
    Refusal(Box<Response>),
}

impl Work {
    /// Answers the request.
    pub async fn run(self) -> Ending {
        let Self { answer, out } = self;
        let sent = match answer {
            Source::Request(origin, body) => {
                // Where they stay: both are large.
                let answering = pin!(Arc::clone(&origin).run(body));
                let sending = pin!(out.send(answering.await));
                let sent = sending.await;
                if let Err(error) = &sent {
                    log_broken(error, &origin.head.method, &origin.head.uri);
                }
                sent
            }
            Source::Refusal(response) => out.send(response.map(Sent::from)).await,
        };
        match sent {
            Ok(()) => Ending::Complete,
            Err(_) => Ending::Cut,
        }
    }
}

/// Where an answer goes.
pub struct Out {
    /// The connection.
    pub traffic: Arc<Traffic>,
    /// The request's number.
    pub id: u16,
    /// The request's body, as long as it is awaited: nginx stops sending it as soon as it has the head of an answer, and
    /// an extension that has begun its answer would wait for the rest in vain.
    pub rest: Option<Arc<Stdin>>,
}

impl Out {
    /// Sends a response as the bytes of STDOUT, as fast as the web server takes them.
    async fn send(mut self, response: Response<Sent>) -> Result<(), BodyError> {
        let (head, mut body) = response.apart();
        let is_over = match self.rest.take() {
            Some(rest) => {
                let mut held = Vec::new();
                answer::write_head(&mut held, &head);
                let is_over = self.hold_back(&rest, &mut body, &mut held).await?;
                self.traffic.send(self.id, held.into()).await;
                is_over
            }
            None => {
                let write = |out: &mut Vec<u8>| answer::write_head(out, &head);
                self.traffic.send_head(self.id, write).await;
                false
            }
        };
        while !is_over && let Some(frame) = body.frame().await {
            // Trailers have no place in FastCGI.
            if let Ok(data) = frame?.into_data() {
                self.traffic.send(self.id, data).await;
            }
        }
        Ok(())
    }

    /// Holds an answer back until the rest of its request's body has come or need not be waited for, but not more of it
    /// than may wait. Returns whether the answer has ended meanwhile.
    async fn hold_back(
        &self,
        rest: &Stdin,
        body: &mut Sent,
        held: &mut Vec<u8>,
    ) -> Result<bool, BodyError> {
        loop {
            let frame = tokio::select! {
                biased;
                () = poll_fn(|context| rest.poll_ended(context)) => return Ok(false),
                frame = body.frame() => frame,
            };
            let Some(frame) = frame else {
                return Ok(true);
            };
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            if held.len() + data.len() > HELD_BACK {
                poll_fn(|context| rest.poll_settled(context)).await;
                self.traffic
                    .send(self.id, std::mem::take(held).into())
                    .await;
                self.traffic.send(self.id, data).await;
                return Ok(false);
            }
            held.extend_from_slice(&data);
        }
    }
}
