//! The backends of all pools: started together, and stopped together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio::task::JoinSet;

use crate::backend::Backend;
use crate::backend::cgi::Cgi;
use crate::backend::fastcgi::{FastCgi, Located};
#[cfg(feature = "in-process")]
use crate::backend::in_process::InProcess;
use crate::backend::isapi::Isapi;
use crate::command::launchers::Launchers;
use crate::config::{self, Config, Pool, PoolKind};
use crate::observe::crash_report::Reports;
use crate::pool::{Launcher, Predecessors};
use crate::runtime::Runtimes;
use crate::site::Warmup;

/// Backends by the names of their pools.
pub type Backends = BTreeMap<String, Arc<Backend>>;

/// Backends of which nothing runs yet: an error before the first is started leaves no process behind.
pub struct Prepared<'a> {
    config: &'a Config,
    /// Where deaths of workers are reported.
    reports: Option<Reports>,
    backends: BTreeMap<&'a str, (&'a Pool, Parts<'a>)>,
}

/// What a backend is made of.
enum Parts<'a> {
    Isapi(&'a Path, Launcher),
    Cgi(&'a Path),
    FastCgi(&'a config::FastCgi, Located<'a>),
    #[cfg(feature = "in-process")]
    InProcess(Box<InProcess>),
}

impl<'a> Prepared<'a> {
    /// Of the pools with these names.
    ///
    /// # Errors
    /// When an extension cannot be run by any worker, or a program not be given a socket.
    pub fn of<'n>(
        config: &'a Config,
        names: impl Iterator<Item = &'n String>,
        launchers: &Launchers,
        reports: Option<&Reports>,
    ) -> anyhow::Result<Self> {
        let pools = names.filter_map(|name| config.pools.get(name));
        let part = |pool: &'a Pool| Ok((pool.name.as_str(), (pool, Parts::of(pool, launchers)?)));
        Ok(Self {
            config,
            reports: reports.cloned(),
            backends: pools.map(part).collect::<anyhow::Result<_>>()?,
        })
    }

    /// Of all pools, with the extensions in this very process.
    ///
    /// # Errors
    /// When an extension cannot be loaded, or a program not be given a socket.
    #[cfg(feature = "in-process")]
    pub fn in_process(config: &'a Config, launchers: &Launchers) -> anyhow::Result<Self> {
        let part = |pool: &'a Pool| {
            let parts = match &pool.kind {
                PoolKind::Extension(file) => {
                    Parts::InProcess(Box::new(InProcess::load(pool, file)?))
                }
                _ => Parts::of(pool, launchers)?,
            };
            Ok((pool.name.as_str(), (pool, parts)))
        };
        let pools = config.pools.values();
        Ok(Self {
            config,
            reports: None,
            backends: pools.map(part).collect::<anyhow::Result<_>>()?,
        })
    }

    /// Starts the pool of this name, of which there is no other, when those `before` have ended.
    pub fn start(
        &mut self,
        name: &str,
        before: Predecessors,
        runtimes: &Runtimes,
    ) -> Option<Arc<Backend>> {
        let (pool, parts) = self.backends.remove(name)?;
        let reports = self.reports.clone();
        let backend = parts.start(pool, self.config, reports, before, runtimes);
        Some(Arc::new(backend))
    }

    /// Starts all that are left.
    pub fn start_all(mut self, runtimes: &Runtimes) -> Backends {
        let names: Vec<&str> = self.backends.keys().copied().collect();
        let start = |name: &str| {
            let backend = self.start(name, Predecessors::default(), runtimes)?;
            Some((name.to_owned(), backend))
        };
        names.into_iter().filter_map(start).collect()
    }
}

impl<'a> Parts<'a> {
    fn of(pool: &'a Pool, launchers: &Launchers) -> anyhow::Result<Self> {
        Ok(match &pool.kind {
            PoolKind::Extension(file) => Self::Isapi(file, launchers.launcher(file)?),
            PoolKind::Cgi(file) => Self::Cgi(file),
            PoolKind::FastCgi(settings) => {
                Self::FastCgi(settings, Located::prepare(&settings.application)?)
            }
        })
    }

    fn start(
        self,
        pool: &Pool,
        config: &Config,
        reports: Option<Reports>,
        before: Predecessors,
        runtimes: &Runtimes,
    ) -> Backend {
        match self {
            Self::Isapi(file, launcher) => {
                let warmup = Warmup::new(config, &pool.name);
                let isapi = Isapi::start(pool, file, launcher, warmup, reports, before, runtimes);
                Backend::Isapi(isapi)
            }
            #[cfg(feature = "in-process")]
            Self::InProcess(inside) => Backend::InProcess(*inside),
            Self::Cgi(file) => {
                let worker = config.server.worker_binary();
                Backend::Cgi(Box::new(Cgi::new(pool, file, Some(worker))))
            }
            Self::FastCgi(settings, located) => {
                let fastcgi = FastCgi::start(pool, settings, located);
                Backend::FastCgi(Box::new(fastcgi))
            }
        }
    }
}

/// Waits until every extension has been loaded, where workers run without requests.
///
/// # Errors
/// Why one cannot be, in words for the operator.
pub async fn loaded(backends: &Backends) -> anyhow::Result<()> {
    for backend in backends.values() {
        if let Backend::Isapi(isapi) = backend.as_ref() {
            isapi.ready().await.map_err(|reason| anyhow!(reason))?;
        }
    }
    Ok(())
}

/// Ends these, all at the same time and within `limit`.
pub async fn stop(backends: impl IntoIterator<Item = Arc<Backend>>, limit: Duration) {
    let mut stopping = JoinSet::new();
    for backend in backends {
        stopping.spawn(async move { backend.stop(limit).await });
    }
    stopping.join_all().await;
}
