//! The CGI backend.

use crate::error::Error;
use crate::request::Request;
use crate::response::Answer;
use crate::site::Target;

/// A CGI program.
pub struct Cgi {}

impl Cgi {
    /// Runs one request.
    ///
    /// # Errors
    /// When no worker answers.
    pub async fn call(&self, _request: Request, _target: &Target) -> Result<Answer, Error> {
        Err(Error::NotFound)
    }
}
