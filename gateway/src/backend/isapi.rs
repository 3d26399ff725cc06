//! The ISAPI backend: an extension behind a pool of worker processes.

use std::path::Path;

use crate::config;
use crate::error::Error;
use crate::request::Request;
use crate::response::Answer;
use crate::runtime::Runtimes;
use crate::site::Target;

/// An ISAPI extension behind a pool of workers.
pub struct Isapi {}

impl Isapi {
    /// Starts the pool of `extension`: its supervisor runs on the first runtime thread, each worker gets a connection
    /// from every runtime thread. Returns at once; the workers start in the background.
    pub fn start(
        _config: &config::Pool,
        _extension: &Path,
        _worker_binary: &Path,
        _runtimes: &Runtimes,
    ) -> Self {
        Self {}
    }

    /// Waits until the first worker has loaded the extension.
    ///
    /// # Errors
    /// Why the first worker could not be started, in words for the operator.
    pub async fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    /// Runs one request.
    ///
    /// # Errors
    /// When no worker answers.
    pub async fn call(&self, _request: Request, _target: &Target) -> Result<Answer, Error> {
        Err(Error::NotFound)
    }

    /// Ends the pool: no new requests, those in the workers finish, the workers end. Bounded by the pool's
    /// `shutdown_timeout`; afterwards no process of the pool is left.
    pub async fn stop(&self) {}
}
