//! What runs a request: an ISAPI pool or a CGI program. One file each, one line here.

pub mod cgi;
pub mod head;
pub mod isapi;

use crate::error::Error;
use crate::request::Request;
use crate::response::Answer;
use crate::site::Target;

/// The backend of one pool.
pub enum Backend {
    /// An ISAPI extension in worker processes.
    Isapi(isapi::Isapi),
    /// A CGI program, one process per request.
    Cgi(cgi::Cgi),
}

impl Backend {
    /// Runs one request. The answer's body streams; dropping it ends the request.
    ///
    /// # Errors
    /// Every way in which the backend fails to answer; [`Error::outcome`] says what the client gets.
    pub async fn call(&self, request: Request, target: &Target) -> Result<Answer, Error> {
        match self {
            Backend::Isapi(isapi) => isapi.call(request, target).await,
            Backend::Cgi(cgi) => cgi.call(request, target).await,
        }
    }
}
