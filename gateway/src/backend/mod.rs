//! What answers a request: an ISAPI pool, a CGI program, a FastCGI application, a static file. One module each, one
//! line here.

pub mod cgi;
pub mod fastcgi;
pub mod files;
pub mod head;
#[cfg(feature = "in-process")]
pub mod in_process;
pub mod isapi;
pub mod sendfile;
pub mod sticky;

use std::sync::Arc;
use std::time::Duration;

use crate::body::Body;
use crate::dispatch::Origin;
use crate::error::Error;
use crate::observe::status::{PoolState, PoolStatus};
use crate::pool::Pool;
use crate::response::Answer;
use crate::site::Target;

/// The backend of one pool.
pub enum Backend {
    /// An ISAPI extension in worker processes.
    Isapi(isapi::Isapi),
    /// A CGI program, one process per request.
    Cgi(Box<cgi::Cgi>),
    /// A FastCGI application.
    FastCgi(Box<fastcgi::FastCgi>),
    /// An ISAPI extension in this process, for the benchmark.
    #[cfg(feature = "in-process")]
    InProcess(in_process::InProcess),
}

impl Backend {
    /// Runs one request. The answer's body streams; dropping it ends the request.
    ///
    /// # Errors
    /// Every way in which the backend fails to answer; [`Error::outcome`] says what the client gets.
    pub async fn call(
        &self,
        origin: &Arc<Origin>,
        body: Body,
        target: &Target<'_>,
    ) -> Result<Answer, Error> {
        match self {
            Backend::Isapi(isapi) => isapi.call(origin, body, target).await,
            // In boxes, or requests to extensions would be as large as the largest of these.
            Backend::Cgi(cgi) => {
                let answer = Box::pin(cgi.call(&origin.head, body, target)).await?;
                Box::pin(cgi.sendfile().apply(&origin.head, answer)).await
            }
            Backend::FastCgi(fastcgi) => {
                let answer = Box::pin(fastcgi.call(&origin.head, body, target)).await?;
                Box::pin(fastcgi.sendfile().apply(&origin.head, answer)).await
            }
            #[cfg(feature = "in-process")]
            Backend::InProcess(inside) => inside.call(&origin.head, body, target).await,
        }
    }

    /// Name of its pool.
    pub fn pool(&self) -> &str {
        match self {
            Backend::Isapi(isapi) => isapi.pool(),
            Backend::Cgi(cgi) => cgi.pool(),
            Backend::FastCgi(fastcgi) => fastcgi.pool(),
            #[cfg(feature = "in-process")]
            Backend::InProcess(inside) => inside.pool(),
        }
    }

    /// How many requests may be in it at the same time, where a request in it can wait for another one.
    pub fn room(&self) -> usize {
        match self {
            Backend::Isapi(isapi) => isapi.room(),
            Backend::Cgi(_) | Backend::FastCgi(_) => usize::MAX,
            #[cfg(feature = "in-process")]
            Backend::InProcess(_) => usize::MAX,
        }
    }

    /// What there is to tell of it, but for the counters of its requests and what its processes take.
    pub fn status(&self) -> PoolStatus {
        match self {
            Backend::Isapi(isapi) => isapi.workers().status(),
            Backend::Cgi(cgi) => cgi.status(),
            Backend::FastCgi(fastcgi) => fastcgi.status(),
            #[cfg(feature = "in-process")]
            Backend::InProcess(inside) => PoolStatus::new(inside.pool(), "extension"),
        }
    }

    /// Whether it serves, as the status tells it.
    pub fn state(&self) -> PoolState {
        match self {
            Backend::Isapi(isapi) => isapi.workers().state(),
            Backend::Cgi(_) => PoolState::Running,
            Backend::FastCgi(fastcgi) => fastcgi.state(),
            #[cfg(feature = "in-process")]
            Backend::InProcess(_) => PoolState::Running,
        }
    }

    /// Requests that wait for room in it.
    pub fn queued(&self) -> usize {
        match self {
            Backend::Isapi(isapi) => isapi.workers().queued(),
            Backend::Cgi(cgi) => cgi.queued(),
            Backend::FastCgi(fastcgi) => fastcgi.queued(),
            #[cfg(feature = "in-process")]
            Backend::InProcess(_) => 0,
        }
    }

    /// Its workers, if it has any.
    pub fn workers(&self) -> Option<&Pool> {
        match self {
            Backend::Isapi(isapi) => Some(isapi.workers()),
            Backend::Cgi(_) | Backend::FastCgi(_) => None,
            #[cfg(feature = "in-process")]
            Backend::InProcess(_) => None,
        }
    }

    /// Ends it: what runs may finish within the pool's `shutdown_timeout`, or `limit` if that is less; afterwards none
    /// of its processes is left.
    pub async fn stop(&self, limit: Duration) {
        match self {
            Backend::Isapi(isapi) => isapi.stop(limit).await,
            Backend::Cgi(cgi) => cgi.stop(limit).await,
            Backend::FastCgi(fastcgi) => fastcgi.stop(limit).await,
            #[cfg(feature = "in-process")]
            Backend::InProcess(inside) => inside.stop(),
        }
    }
}
