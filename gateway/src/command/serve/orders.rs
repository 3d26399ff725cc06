//! What has the configuration read again: a signal, the admin listener, a change of its file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::gateway::Gateway;
use crate::admin::{Reloaded, Reply};
use crate::config::{Config, FastCgiListener};
use crate::file::{FileWatch, Identity};
use crate::front::fastcgi::Address;
use crate::os::{self, Notice, OrderSignal};

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub file: PathBuf,
    /// From the command line, instead of `http` in it.
    pub http: Option<SocketAddr>,
    /// From the command line, instead of `fastcgi` in it.
    pub fastcgi: Option<Address>,
}

impl Source {
    /// Reads and checks the configuration. Warnings are logged.
    ///
    /// # Errors
    /// Everything that is wrong with it, with places and remedies.
    pub fn load(&self) -> anyhow::Result<Config> {
        let refused = |errors| anyhow!("the configuration is not valid\n{errors}");
        let (mut config, warnings) = Config::load(&self.file).map_err(refused)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        if let Some(http) = self.http {
            config.server.http = vec![http];
        }
        if let Some(address) = &self.fastcgi {
            config.server.fastcgi = vec![FastCgiListener::new(address.clone())];
        }
        Ok(config)
    }
}

/// What comes from all sides.
pub struct Orders {
    source: Option<Arc<Source>>,
    signal: Option<OrderSignal>,
    remote: mpsc::Receiver<Reply>,
    ticks: Interval,
    file: FileWatch,
}

/// An order to read the configuration again.
pub struct Order {
    /// For the log.
    cause: &'static str,
    reply: Option<Reply>,
}

impl Orders {
    /// From now on, for a configuration from there. Without a file there is nothing to be read again, and a terminal
    /// that is closed ends the gateway, as it does other programs. To be called inside a runtime.
    ///
    /// # Errors
    /// When the signal cannot be caught.
    pub fn new(source: Option<Source>, remote: mpsc::Receiver<Reply>) -> std::io::Result<Self> {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let identity = source
            .as_ref()
            .and_then(|source| Identity::of(&source.file));
        Ok(Self {
            signal: source.as_ref().map(|_| OrderSignal::reload()).transpose()?,
            source: source.map(Arc::new),
            remote,
            ticks,
            file: FileWatch::new(identity),
        })
    }

    /// The next one. The file is looked at only if it `is_watched`.
    pub async fn next(&mut self, is_watched: bool) -> Order {
        let Some(source) = self.source.clone() else {
            return std::future::pending().await;
        };
        loop {
            tokio::select! {
                () = next(&mut self.signal) => return Order::new("SIGHUP", None),
                Some(reply) = self.remote.recv() => return Order::new("order", Some(reply)),
                _ = self.ticks.tick(), if is_watched => {
                    let now = identity(&source).await;
                    if self.file.has_changed(now) {
                        return Order::new("the file has changed", None);
                    }
                }
            }
        }
    }

    /// Reads the configuration and has the gateway go over to it. Tells the log, whoever has asked, and the service
    /// manager.
    pub async fn carry_out(&mut self, order: Order, gateway: &mut Gateway) {
        os::notify(Notice::Reloading);
        let done: Reloaded = match self.reload(order.cause, gateway).await {
            Ok(changes) => {
                let text = format!("the new configuration is in use: {changes}");
                tracing::info!("{text}");
                Ok(text)
            }
            Err(error) => {
                let text = format!("everything stays as it was: {error:#}");
                tracing::error!("{text}");
                Err(text)
            }
        };
        gateway.note_reload(done.is_ok());
        os::notify(Notice::Ready);
        if let Some(reply) = order.reply {
            // Who does not wait for it any more need not know.
            let _ = reply.send(done);
        }
    }

    async fn reload(&mut self, cause: &str, gateway: &mut Gateway) -> anyhow::Result<String> {
        let source = self.source.clone().context("there is no file")?;
        tracing::info!("{cause}: reading {} again", source.file.display());
        // Before it is read: what changes from now on is news.
        self.file = FileWatch::new(identity(&source).await);
        let new = tokio::task::spawn_blocking(move || source.load()).await??;
        gateway.reload(new).await
    }
}

impl Order {
    fn new(cause: &'static str, reply: Option<Reply>) -> Self {
        Self { cause, reply }
    }
}

async fn next(signal: &mut Option<OrderSignal>) {
    match signal {
        Some(signal) => signal.next().await,
        None => std::future::pending().await,
    }
}

/// Files can make one wait, and connections are accepted on this thread.
async fn identity(source: &Arc<Source>) -> Option<Identity> {
    let source = Arc::clone(source);
    let asked = tokio::task::spawn_blocking(move || Identity::of(&source.file));
    asked.await.ok().flatten()
}
