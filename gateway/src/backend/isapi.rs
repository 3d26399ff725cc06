//! The ISAPI backend: an extension behind a pool of worker processes.

use std::path::Path;
use std::sync::Arc;

use super::head::Head;
use crate::body::framed;
use crate::config;
use crate::error::Error;
use crate::pool::{Pool, Pump, Reply};
use crate::request::Request;
use crate::response::{Answer, Response};
use crate::runtime::Runtimes;
use crate::site::Target;

/// An ISAPI extension behind a pool of workers.
pub struct Isapi {
    pool: Arc<Pool>,
}

impl Isapi {
    /// Starts the pool of `extension`: its supervisor runs on the first runtime thread, each worker gets a connection
    /// from every runtime thread. Returns at once; the workers start in the background.
    pub fn start(
        config: &config::Pool,
        extension: &Path,
        worker_binary: &Path,
        runtimes: &Runtimes,
    ) -> Self {
        Self::new(Pool::start(config, extension, worker_binary, runtimes))
    }

    /// The backend of a pool that runs.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }

    /// Waits until the first worker has loaded the extension.
    ///
    /// # Errors
    /// Why the first worker could not be started, in words for the operator.
    pub async fn ready(&self) -> Result<(), String> {
        self.pool.ready().await
    }

    /// Runs one request. Dropping the future or the answer's body tells the extension that the client has gone.
    ///
    /// # Errors
    /// When no worker answers.
    pub async fn call(&self, request: Request, target: &Target) -> Result<Answer, Error> {
        let Request { head, body } = request;
        let has_body = !http_body::Body::is_end_stream(&body);
        let (lane, exchange) = self.pool.begin(&head, target, has_body).await?;
        let mut pump = has_body.then(|| Pump::new(lane.clone(), exchange.clone(), body));
        let mut reply = Reply::new(lane, exchange);
        let document = match reply.head(&mut pump).await? {
            Head::LocalRedirect(path) => return Ok(Answer::LocalRedirect(path)),
            Head::Document(document) => document,
        };
        if let Some(pump) = pump {
            // The answer has begun and the body still comes: from here each has its own pace.
            tokio::spawn(pump);
        }
        let body = framed(
            reply,
            document.content_length,
            &head.method,
            document.status,
        );
        Ok(Answer::Response(Response {
            status: document.status,
            reason: document.reason,
            headers: document.headers,
            body,
        }))
    }

    /// Ends the pool: no new requests, those in the workers finish, the workers end. Bounded by the pool's
    /// `shutdown_timeout`; afterwards no process of the pool is left.
    pub async fn stop(&self) {
        self.pool.stop().await;
    }
}
