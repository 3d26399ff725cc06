//! The front as the fuzzer drives it: a configuration, and connections to its first FastCGI listener.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::net::UnixStream;

use super::{FastCgi, connection};
use crate::backend::files::Files;
use crate::backend::{Backend, fastcgi};
use crate::config::{Config, PoolKind};
use crate::dispatch::{Dispatch, Table};
use crate::request::Connection;
use crate::shutdown::Shutdown;
use crate::site::Sites;

/// A gateway that never listens.
pub struct Front {
    front: Arc<FastCgi>,
    shutdown: Shutdown,
}

impl Front {
    /// With a configuration file whose pools are FastCGI applications. To be called in a runtime.
    ///
    /// # Errors
    /// When the file is not that.
    pub fn load(file: &Path) -> anyhow::Result<Self> {
        let (config, _) = Config::load(file).map_err(|errors| anyhow!("{errors}"))?;
        let mut backends = HashMap::new();
        for (name, pool) in &config.pools {
            let PoolKind::FastCgi(settings) = &pool.kind else {
                return Err(anyhow!("{name} is no FastCGI application"));
            };
            let located = fastcgi::Located::prepare(&settings.application)?;
            let started = fastcgi::FastCgi::start(pool, settings, located);
            backends.insert(name, Arc::new(Backend::FastCgi(Box::new(started))));
        }
        let sites = Sites::new(&config, |name| Arc::clone(&backends[&name.to_owned()]));
        let files = Files::new(std::iter::empty());
        let table = Table::new(Arc::new(Dispatch::new(sites, files, Arc::default())));
        let listener = config.server.fastcgi.first();
        let listener = listener.ok_or_else(|| anyhow!("it has no FastCGI listener"))?;
        Ok(Self {
            front: Arc::new(FastCgi::new(&config.server, listener, Arc::new(table))),
            shutdown: Shutdown::new(),
        })
    }

    /// Serves a connection to its end.
    ///
    /// # Errors
    /// Why it ended other than in order.
    pub async fn serve(&self, stream: UnixStream) -> anyhow::Result<()> {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = Connection {
            remote: nowhere,
            local: nowhere,
            secure: false,
        };
        let front = Arc::clone(&self.front);
        connection::serve(front, stream, socket, self.shutdown.subscribe()).await
    }
}
