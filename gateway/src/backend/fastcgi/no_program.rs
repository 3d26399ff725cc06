//! On Windows the gateway starts no FastCGI programs: they could not take a socket for their standard input. The
//! configuration refuses them, so that there is never one of these.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;

use crate::config::{self, Endpoint};
use crate::error::Error;

/// The socket of a program.
pub struct Socket(Infallible);

/// The processes of a program.
pub struct Program(Infallible);

impl Socket {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn listen() -> anyhow::Result<Self> {
        bail!("FastCGI programs cannot be started here")
    }

    /// Where it listens.
    pub fn address(&self) -> Endpoint {
        match self.0 {}
    }
}

impl Program {
    /// Starts nothing.
    pub fn start(_: &config::Pool, _: &Path, _: &[String], socket: Socket) -> Self {
        match socket.0 {}
    }

    /// Whether a request can hope for an answer.
    ///
    /// # Errors
    /// None here.
    pub fn check(&self) -> Result<(), Error> {
        match self.0 {}
    }

    /// Ends the processes.
    pub async fn stop(&self, _: Duration) {
        match self.0 {}
    }
}
