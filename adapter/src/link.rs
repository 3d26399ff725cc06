//! What a request needs from the connection that it came on, whether records or CGI streams.

use std::sync::Arc;

use crate::response::Ending;
use crate::session::Session;

/// The other end does not read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// The way back to the client, shared by all requests of a connection.
pub trait Link: Send + Sync {
    /// Sends bytes of the answer: head first, then body. May block until they are handed over.
    ///
    /// # Errors
    /// When the other end has gone.
    fn stdout(&self, id: u16, bytes: &[u8]) -> Result<(), Gone>;

    /// Whether [`Link::stdout`] would take a few bytes without blocking.
    fn is_ready(&self) -> bool;

    /// Sends the last bytes of the answer and ends the request. `log` is the extension's text for the access log.
    fn finish(&self, id: u16, last: &[u8], ending: Ending, log: &[u8]);

    /// A line for the operator's log.
    fn report(&self, id: u16, text: &str);

    /// Lets the front send so many more bytes of the body.
    fn grant(&self, id: u16, bytes: u32);

    /// Has the completion threads call [`Session::advance`].
    fn resume(&self, session: Arc<Session>);
}
