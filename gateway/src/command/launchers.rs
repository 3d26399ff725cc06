//! What the extensions of a configuration need to run: the worker of each pool, and Wine for those that are DLLs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;

use crate::config::{Config, PoolKind, Server};
use crate::library::{self, Platform};
use crate::pool::Launcher;
use crate::wine::{self, Drive, Session, Wine, WineError};

/// Starts workers; holds Wine's session, if any pool needs it.
#[derive(Default)]
pub struct Launchers {
    native: PathBuf,
    wine: Option<Prepared>,
    /// Sessions of earlier configurations: their last workers may still run.
    earlier: Vec<Arc<Session>>,
}

/// A session, and what the configuration has said of it.
#[derive(Clone)]
struct Prepared {
    session: Arc<Session>,
    loader: Option<PathBuf>,
    prefix: Option<PathBuf>,
    drives: BTreeMap<Drive, PathBuf>,
}

impl Launchers {
    /// Makes ready what the pools of a configuration need. The first time under Wine takes some seconds.
    ///
    /// # Errors
    /// When an extension cannot be run by any worker, or Wine cannot be used.
    pub async fn prepare(config: &Config) -> anyhow::Result<Self> {
        Self::default().renewed(config).await
    }

    /// The same for another configuration, which goes on with the session of this one if it can.
    ///
    /// # Errors
    /// As for [`Self::prepare`].
    pub async fn renewed(&self, config: &Config) -> anyhow::Result<Self> {
        let mut drives = BTreeMap::new();
        let mut needs_wine = false;
        for pool in config.pools.values() {
            if let PoolKind::Extension(extension) = &pool.kind {
                needs_wine |= platform(extension)?.needs_wine();
                drives.extend(pool.drives.clone());
            }
        }
        let server = &config.server;
        let mut earlier = self.earlier.clone();
        let wine = match &self.wine {
            // A session that is not needed any more is kept for the workers that still run.
            Some(wine) if !needs_wine || wine.fits(server, &drives) => Some(wine.clone()),
            before if needs_wine => {
                earlier.extend(before.iter().map(|wine| Arc::clone(&wine.session)));
                Some(Prepared::new(server, drives).await.map_err(with_remedy)?)
            }
            _ => None,
        };
        Ok(Self {
            native: server.worker_binary(),
            wine,
            earlier,
        })
    }

    /// What runs this extension.
    ///
    /// # Errors
    /// As for [`Self::prepare`].
    pub fn launcher(&self, extension: &Path) -> anyhow::Result<Launcher> {
        let platform = platform(extension)?;
        let worker = wine::worker(&self.native, platform).map_err(with_remedy)?;
        match &self.wine {
            _ if !platform.needs_wine() => Ok(Launcher::Native(worker)),
            Some(wine) => Ok(Launcher::Wine(Arc::clone(&wine.session), worker)),
            None => Err(anyhow!("{} has just been replaced", extension.display())),
        }
    }

    /// Ends Wine's server. To be called when all pools have ended.
    pub async fn stop(&self) {
        let last = self.wine.iter().map(|wine| &wine.session);
        for session in self.earlier.iter().chain(last) {
            session.stop().await;
        }
    }
}

impl Prepared {
    async fn new(server: &Server, drives: BTreeMap<Drive, PathBuf>) -> Result<Self, WineError> {
        let wine = Wine::find(server.wine.as_deref())?;
        Ok(Self {
            session: Session::start(wine, &server.wine_prefix()?, &drives).await?,
            loader: server.wine.clone(),
            prefix: server.wine_prefix.clone(),
            drives,
        })
    }

    /// Whether it does for this configuration, too.
    fn fits(&self, server: &Server, drives: &BTreeMap<Drive, PathBuf>) -> bool {
        let mut drives = drives.iter();
        self.loader == server.wine
            && self.prefix == server.wine_prefix
            && drives.all(|(drive, folder)| self.drives.get(drive) == Some(folder))
    }
}

fn platform(extension: &Path) -> anyhow::Result<Platform> {
    library::platform_of(extension).map_err(|defect| anyhow!("{} {defect}", extension.display()))
}

fn with_remedy(error: WineError) -> anyhow::Error {
    anyhow!("{error}\n  help: {}", error.remedy())
}
