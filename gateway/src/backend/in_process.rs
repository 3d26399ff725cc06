//! An ISAPI extension inside the gateway: the one marked exception to invariant 1 of docs/ARCHITECTURE.md. Only the
//! benchmark starts it, and only a build with the feature `in-process` has it, to measure what isolation costs.
//!
//! The extension is called on the runtime thread itself, as IIS calls it on the thread that has read the request: nothing
//! is faster. What that costs a server for everyday use is why there is no other way to get it: an extension that waits
//! holds up every request of its thread, bodies and answers are gathered whole, and a fault ends everything.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use fastcgi_protocol::Params;
use http_body_util::{BodyExt as _, Limited};
use isapi_adapter::ecb;
use isapi_adapter::extension::Extension;
use isapi_adapter::link::{Gone, Link, Stream};
use isapi_adapter::response::Ending;
use isapi_adapter::session::Session;
use isapi_adapter::threads::Threads;
use isapi_adapter::variables::Variables;
use tokio::sync::oneshot;

use super::head::{Head, HeadParser};
use crate::body::{self, Body};
use crate::config;
use crate::error::Error;
use crate::request::RequestHead;
use crate::response::Answer;
use crate::site::{self, Target};

/// Largest body of a request, bytes.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Largest answer, bytes.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// A loaded extension.
pub struct InProcess {
    pool: String,
    /// Their extension is called on other threads, too; theirs complete its asynchronous operations.
    threads: Arc<Threads>,
}

impl InProcess {
    /// Loads the extension into this process.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn load(pool: &config::Pool, extension: &Path) -> anyhow::Result<Self> {
        let extension = Extension::load(extension, false).context("cannot serve in-process")?;
        Ok(Self {
            pool: pool.name.clone(),
            threads: Threads::start(Arc::new(extension), 1)?,
        })
    }

    /// Name of the pool.
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// Runs one request on this thread.
    ///
    /// # Errors
    /// When the body or the answer is too large, or the answer is none.
    pub async fn call(
        &self,
        head: &RequestHead,
        body: Body,
        target: &Target<'_>,
    ) -> Result<Answer, Error> {
        let body = Limited::new(body, BODY_LIMIT).collect().await;
        let body = body
            .map_err(|error| Error::BadRequest(error.to_string()))?
            .to_bytes();
        let (link, ended) = Gathered::new(&self.threads);
        let variables = self.variables(head, target);
        let session = Session::new(1, link, variables, Some(body.len() as u64), None);
        let session = Arc::new(session);
        session
            .push_body(&body)
            .map_err(|error| Error::BadRequest(error.to_string()))?;
        session.end_body();
        ecb::call(self.threads.extension(), &session);
        // An extension that answers later does so from a thread of its own.
        let answer = ended
            .await
            .map_err(|_| Error::BackendDied("the extension has dropped the request".into()))??;
        document(answer, head)
    }

    /// Ends the extension. No request runs any more.
    pub fn stop(&self) {
        self.threads.extension().terminate();
    }

    fn variables(&self, head: &RequestHead, target: &Target<'_>) -> Variables {
        let mut params = Params::new();
        site::variables::visit(head, target, &mut |name, value| params.push(name, value));
        params.push(b"INSTANCE_ID", target.site.id.as_bytes());
        params.push(b"INSTANCE_NAME", target.site.name.as_bytes());
        params.push(b"APP_POOL_ID", self.pool.as_bytes());
        Variables::new(params)
    }
}

fn document(answer: Vec<u8>, head: &RequestHead) -> Result<Answer, Error> {
    let answer = Bytes::from(answer);
    match HeadParser::new().push(&answer)? {
        None => Err(Error::BadAnswer("it has no head".into())),
        Some((Head::LocalRedirect(path), _)) => Ok(Answer::LocalRedirect(path)),
        Some((Head::Document(document), offset)) => {
            let body = body::full(answer.slice(offset..));
            Ok(Answer::Response(document.into_response(body, &head.method)))
        }
    }
}

type Ended = oneshot::Sender<Result<Vec<u8>, Error>>;

/// An answer that is gathered until it is whole.
struct Gathered {
    threads: Arc<Threads>,
    state: Mutex<(Vec<u8>, Option<Ended>)>,
}

impl Gathered {
    fn new(threads: &Arc<Threads>) -> (Arc<Self>, oneshot::Receiver<Result<Vec<u8>, Error>>) {
        let (sender, receiver) = oneshot::channel();
        let state = Mutex::new((Vec::new(), Some(sender)));
        let threads = Arc::clone(threads);
        (Arc::new(Self { threads, state }), receiver)
    }

    fn add(&self, bytes: &[u8]) -> Result<(), Gone> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.len() + bytes.len() > ANSWER_LIMIT {
            return Err(Gone);
        }
        state.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl Link for Gathered {
    fn send(&self, _: u16, _: Stream, bytes: &[u8]) -> Result<(), Gone> {
        self.add(bytes)
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn finish(&self, _: u16, last: &[u8], ending: Ending, _: &[u8]) {
        let whole = self.add(last).is_ok() && ending == Ending::Complete;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match whole {
            true => Ok(std::mem::take(&mut state.0)),
            false => Err(Error::BadAnswer("it is not whole".into())),
        };
        if let Some(ended) = state.1.take() {
            // Nobody waits when the client has gone.
            let _ = ended.send(answer);
        }
    }

    fn report(&self, _: u16, text: &str) {
        tracing::warn!("{text}");
    }

    fn grant(&self, _: u16, _: u32) {}

    fn resume(&self, session: Arc<Session>) {
        self.threads.resume(session);
    }
}
