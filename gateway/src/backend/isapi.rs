//! The ISAPI backend: an extension behind a pool of worker processes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::CONNECTION;
use http_body::Body as _;

use super::sticky::Sticky;
use crate::body::{self, Body};
use crate::config;
use crate::dispatch::{Caller, Origin};
use crate::error::Error;
use crate::observe::crash_report::Reports;
use crate::observe::crash_report::content::Outcome;
use crate::pool::{
    Begun, Exchange, Lane, Launcher, Pool, Predecessors, Pump, Repeatable, Reply, Token, Trials,
};
use crate::request::RequestHead;
use crate::response::Answer;
use crate::runtime::Runtimes;
use crate::site::{Target, Warmup};

/// An ISAPI extension behind a pool of workers.
pub struct Isapi {
    pool: Arc<Pool>,
    sticky: Option<Sticky>,
}

impl Isapi {
    /// Starts the pool of `extension`: its supervisor runs on the calling thread, each worker gets a connection from
    /// every runtime thread. Returns at once; the workers start in the background, when those `before` have ended.
    pub fn start(
        config: &config::Pool,
        extension: &Path,
        launcher: Launcher,
        warmup: Option<Warmup>,
        reports: Option<Reports>,
        before: Predecessors,
        runtimes: &Runtimes,
    ) -> Self {
        Self::new(Pool::start(
            config, extension, launcher, warmup, reports, before, runtimes,
        ))
    }

    /// The backend of a pool that runs.
    pub fn new(pool: Arc<Pool>) -> Self {
        let sticky = pool.sticky().map(Sticky::new);
        Self { pool, sticky }
    }

    /// Waits until the first worker has loaded the extension.
    ///
    /// # Errors
    /// Why the first worker could not be started, in words for the operator.
    pub async fn ready(&self) -> Result<(), String> {
        self.pool.ready().await
    }

    /// Runs one request. Dropping the future or the answer's body tells the extension that the client has gone. A
    /// request whose worker dies runs again on another one, if it may be repeated and its answer has not begun: once if
    /// it may have brought the worker down itself, more often if another request is known to have done so.
    ///
    /// # Errors
    /// When no worker answers.
    pub async fn call(
        &self,
        origin: &Arc<Origin>,
        body: Body,
        target: &Target<'_>,
    ) -> Result<Answer, Error> {
        let has_body = !body.is_end_stream();
        let head = &origin.head;
        let mut request = Repeatable::new(&head.method, body, self.pool.retry_body());
        let mut trials = Trials::default();
        let bound = self.sticky.as_ref().and_then(|sticky| sticky.value(head));
        let bound = bound.and_then(Token::parse);
        let answer = loop {
            let (lane, exchange) = self.begin(origin, has_body, target, bound).await?;
            let body = has_body.then(|| request.body());
            let token = self.sticky.as_ref().map(|_| lane.token());
            match self.attempt(origin, lane, &exchange, body, target).await {
                Err(Error::WorkerLost { reason, innocent })
                    if request.can_be_repeated() && trials.lost(innocent) =>
                {
                    exchange.becomes(Outcome::RunsAgain);
                    let (pool, method, path) = (self.pool(), &head.method, head.uri.path());
                    tracing::warn!(pool, %method, path, "runs again: {reason}");
                }
                answer => {
                    exchange.becomes(match answer {
                        Ok(_) => Outcome::Cut,
                        Err(_) => Outcome::Failed,
                    });
                    break match token {
                        Some(token) if bound != Some(token) => {
                            answer.map(|answer| self.bind(head, answer, token))
                        }
                        _ => answer,
                    };
                }
            }
        };
        request.settle();
        answer
    }

    async fn begin(
        &self,
        origin: &Arc<Origin>,
        has_body: bool,
        target: &Target<'_>,
        bound: Option<Token>,
    ) -> Result<(Arc<Lane>, Arc<Exchange>), Error> {
        let begun = self.pool.begin(&origin.head, target, has_body, bound);
        let (lane, exchange, waited) = begun.await?;
        origin.journal.waited(waited);
        exchange.report_to(Arc::clone(&origin.journal));
        Ok((lane, exchange))
    }

    /// Binds the client to the worker that has answered.
    fn bind(&self, head: &RequestHead, answer: Answer, token: Token) -> Answer {
        match (&self.sticky, answer) {
            (Some(sticky), Answer::Response(mut response)) => {
                let secure = head.connection.secure;
                sticky.bind(&mut response.headers, &token.to_string(), secure);
                Answer::Response(response)
            }
            (_, answer) => answer,
        }
    }

    async fn attempt(
        &self,
        origin: &Arc<Origin>,
        lane: Arc<Lane>,
        exchange: &Arc<Exchange>,
        body: Option<Body>,
        target: &Target<'_>,
    ) -> Result<Answer, Error> {
        let mut pump = body.map(|body| Pump::new(lane.clone(), exchange.clone(), body));
        let mut reply = Reply::new(lane, exchange.clone(), Caller::new(origin, target));
        let begun = reply.head(&mut pump).await?;
        if let Some(pump) = pump {
            // The answer has begun and the body still comes: from here each has its own pace.
            tokio::spawn(pump);
        }
        Ok(match begun {
            Begun::LocalRedirect(path) => {
                body::discard(reply);
                Answer::LocalRedirect(path)
            }
            Begun::Document(document) => {
                let close = document.close;
                let mut response = document.into_response(reply, &origin.head.method);
                if close {
                    let value = HeaderValue::from_static("close");
                    response.headers.insert(CONNECTION, value);
                }
                Answer::Response(response)
            }
            Begun::ErrorPage(page) => {
                body::discard(reply);
                origin.journal.sub_status(page.sub_status);
                let response = origin.error_page(page.status, page.sub_status, page.reason);
                Answer::Response(Box::pin(response).await)
            }
        })
    }

    /// Name of the pool.
    pub fn pool(&self) -> &str {
        self.pool.name()
    }

    /// Its workers.
    pub fn workers(&self) -> &Pool {
        &self.pool
    }

    /// How many requests may be in its workers at the same time.
    pub fn room(&self) -> usize {
        self.pool.room()
    }

    /// Ends the pool: no new requests, those in the workers finish, the workers end. Bounded by the pool's
    /// `shutdown_timeout` and by `limit`; afterwards no process of the pool is left.
    pub async fn stop(&self, limit: Duration) {
        self.pool.stop(limit).await;
    }
}
