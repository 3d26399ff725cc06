//! The ISAPI backend.

use crate::error::Error;
use crate::request::Request;
use crate::response::Answer;
use crate::site::Target;

/// An ISAPI extension behind a pool of workers.
pub struct Isapi {}

impl Isapi {
    /// Runs one request.
    ///
    /// # Errors
    /// When no worker answers.
    pub async fn call(&self, _request: Request, _target: &Target) -> Result<Answer, Error> {
        Err(Error::NotFound)
    }
}
