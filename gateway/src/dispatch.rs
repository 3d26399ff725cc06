//! The way of a request through the middle: site, handler, backend, error table.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING};
use http::{Method, Uri};
use tracing::Level;

use crate::backend::Backend;
use crate::backend::files::Files;
use crate::body;
use crate::error::Error;
use crate::request::Request;
use crate::response::{Answer, Response};
use crate::site::{Resolved, Sites};

/// How often an answer may send the request to another path of this server before it is taken for a loop.
const LOCAL_REDIRECT_LIMIT: usize = 10;

/// Sends each request to what answers it.
pub struct Dispatch {
    sites: Sites,
    files: Files,
}

/// A failure and the pool it came from, for the log.
struct Failure {
    error: Error,
    pool: Option<Arc<Backend>>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, pool: None }
    }
}

impl Dispatch {
    /// Dispatches to the handlers and folders of `sites`.
    pub fn new(sites: Sites, files: Files) -> Self {
        Self { sites, files }
    }

    /// Answers a request. Every failure is logged once, here, and becomes the error page of its row in the error table.
    pub async fn run(&self, request: Request) -> Response {
        let (method, uri) = (request.head.method.clone(), request.head.uri.clone());
        match catch_panics(self.answer(request)).await {
            Ok(response) => response,
            Err(failure) => {
                log(&failure, &method, &uri);
                failure.error.page(&method)
            }
        }
    }

    async fn answer(&self, request: Request) -> Result<Response, Failure> {
        let Request { mut head, mut body } = request;
        for _ in 0..=LOCAL_REDIRECT_LIMIT {
            let target = match self.sites.resolve(&head)? {
                Resolved::Handler(target) => target,
                Resolved::Files(files) => return Ok(self.files.serve(&head, files).await?),
            };
            let failed = |error| Failure {
                error,
                pool: Some(Arc::clone(&target.backend)),
            };
            let answer = target
                .backend
                .call(&head, body, &target)
                .await
                .map_err(failed)?;
            let path = match answer {
                Answer::Response(response) => return Ok(response),
                Answer::LocalRedirect(path) => path,
            };
            head.uri = Uri::from_maybe_shared(path)
                .map_err(|error| failed(Error::BadAnswer(format!("its Location: {error}"))))?;
            // As if the client had asked for that path itself, without a body (RFC 3875 §6.2.2).
            if head.method != Method::HEAD {
                head.method = Method::GET;
            }
            for name in [CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING] {
                head.headers.remove(name);
            }
            body = body::empty();
        }
        let text = format!(
            "more than {LOCAL_REDIRECT_LIMIT} local redirects, the last to {}",
            head.uri
        );
        Err(Error::BadAnswer(text).into())
    }
}

/// A panic while one request is answered is a fault of the gateway, but none that the others should suffer for.
async fn catch_panics(
    answer: impl Future<Output = Result<Response, Failure>>,
) -> Result<Response, Failure> {
    let mut answer = pin!(answer);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
        polled.unwrap_or(Poll::Ready(Err(Error::Panicked.into())))
    })
    .await
}

fn log(failure: &Failure, method: &Method, uri: &Uri) {
    let Failure { error, pool } = failure;
    let label = error.outcome().label;
    let (path, pool) = (uri.path(), pool.as_deref().map(Backend::pool));
    match error.outcome().level {
        Level::ERROR => tracing::error!(label, pool, %method, path, "{error}"),
        Level::WARN => tracing::warn!(label, pool, %method, path, "{error}"),
        Level::INFO => tracing::info!(label, pool, %method, path, "{error}"),
        _ => tracing::debug!(label, pool, %method, path, "{error}"),
    }
}

#[cfg(test)]
mod tests;
