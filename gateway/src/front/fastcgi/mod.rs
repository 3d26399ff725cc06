//! The FastCGI front: nginx, Apache and their like as clients.
//!
//! `listen` accepts, `connection` moves a connection's bytes, `requests` says what its records mean, `answering` answers
//! one, `traffic` is what the two directions have in common with that. `told`, `params`, `target` and `answer` are pure: parameters to
//! a request's head, a response's head to bytes.

mod address;
mod answer;
mod answering;
mod connection;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod listen;
mod params;
mod requests;
mod target;
mod told;
mod traffic;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use fastcgi_protocol::{Limits, Options};

pub use address::{Address, Network};

use crate::config;
use crate::dispatch::Table;
use crate::front_takes::FrontTakes;
use params::Trust;

/// What the variables of a web server may take beside the headers of the client, bytes: certificates are long.
const OWN_VARIABLES: usize = 64 * 1024;

/// What one listener says of its connections, and where requests go.
pub struct FastCgi {
    table: Arc<Table>,
    /// What the word of the web server counts for.
    trust: Trust,
    /// What the web server does in our place.
    takes: Arc<FrontTakes>,
    /// The path of the handler that authorizes; empty if there is none.
    authorizer: String,
    options: Options,
    /// How long a request may take to come with all its parameters.
    header_timeout: Duration,
    /// How long a connection may have no request.
    idle_timeout: Duration,
}

impl FastCgi {
    /// A front for `table` with the limits of the configuration.
    pub fn new(
        server: &config::Server,
        listener: &config::FastCgiListener,
        table: Arc<Table>,
    ) -> Self {
        Self {
            table,
            trust: Trust {
                client: listener.trusted,
                users: listener.users,
            },
            takes: Arc::new(FrontTakes::new(listener)),
            authorizer: listener.authorizer.clone().unwrap_or_default(),
            options: Options {
                max_requests: listener.requests,
                multiplex: listener.requests > 1,
                max_connections: listener.connections,
                limits: Limits {
                    total: server.header_limit + OWN_VARIABLES,
                    ..Limits::default()
                },
                authorizer: listener.authorizer.is_some(),
                private: false,
            },
            header_timeout: server.header_timeout,
            idle_timeout: listener.idle_timeout,
        }
    }
}

#[cfg(test)]
mod tests;
