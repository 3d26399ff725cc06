//! What the extensions of a configuration need to run: the worker of each pool, and Wine for those that are DLLs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;

use crate::config::{Config, PoolKind, Server};
use crate::library::{self, Platform};
use crate::pool::Launcher;
use crate::wine::{self, Session, Wine, WineError};

/// Starts workers; holds Wine's session, if any pool needs it.
pub struct Launchers {
    native: PathBuf,
    wine: Option<Arc<Session>>,
}

impl Launchers {
    /// Makes ready what the pools of a configuration need. The first time under Wine takes some seconds.
    ///
    /// # Errors
    /// When an extension cannot be run by any worker, or Wine cannot be used.
    pub async fn prepare(config: &Config) -> anyhow::Result<Self> {
        let mut drives = BTreeMap::new();
        let mut needs_wine = false;
        for pool in config.pools.values() {
            if let PoolKind::Extension(extension) = &pool.kind {
                needs_wine |= platform(extension)?.needs_wine();
                drives.extend(pool.drives.clone());
            }
        }
        let wine = match needs_wine {
            true => Some(
                session(&config.server, &drives)
                    .await
                    .map_err(with_remedy)?,
            ),
            false => None,
        };
        Ok(Self {
            native: config.server.worker_binary(),
            wine,
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
            Some(session) => Ok(Launcher::Wine(Arc::clone(session), worker)),
            None => Err(anyhow!("{} has just been replaced", extension.display())),
        }
    }

    /// Ends Wine's server. To be called when all pools have ended.
    pub async fn stop(&self) {
        if let Some(session) = &self.wine {
            session.stop().await;
        }
    }
}

async fn session(
    server: &Server,
    drives: &BTreeMap<wine::Drive, PathBuf>,
) -> Result<Arc<Session>, WineError> {
    let wine = Wine::find(server.wine.as_deref())?;
    Session::start(wine, &server.wine_prefix()?, drives).await
}

fn platform(extension: &Path) -> anyhow::Result<Platform> {
    library::platform_of(extension).map_err(|defect| anyhow!("{} {defect}", extension.display()))
}

fn with_remedy(error: WineError) -> anyhow::Error {
    anyhow!("{error}\n  help: {}", error.remedy())
}
