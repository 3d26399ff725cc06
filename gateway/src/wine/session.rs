//! Wine's server while workers need it.
//!
//! The server outlives its last Windows process by [`LINGER`], so that it ends by itself when the gateway was killed:
//! the workers end with their connections, the server after them. Before each worker it is started again if it has
//! gone meanwhile. When the gateway ends in order, it ends the server too, unless others use the prefix.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Mutex;

use super::prefix::{Prefix, Setup};
use super::{Drive, Wine, WineError, settings};
use crate::alarms::timeout;
use crate::library::Platform;
use crate::os::Group;
use crate::process::exit;

/// How long the server outlives its last process, in seconds.
const LINGER: u32 = 10;
/// How long a prefix may take to be created or to come up: ten times what a slow machine was seen to need.
const BOOT_LIMIT: Duration = Duration::from_secs(180);
/// How long the server may take to come up or to end its processes.
const SERVER_LIMIT: Duration = Duration::from_secs(10);
/// Bytes of Wine's own words that are told when it fails.
const LOG_LIMIT: u64 = 1000;
/// Exit status of a server that has found another for its prefix.
const ALREADY_RUNS: i32 = 2;

/// A prefix that is up, with its server.
pub struct Session {
    wine: Wine,
    prefix: Prefix,
    /// Held by whoever sees to it that the server runs.
    server: Mutex<()>,
}

impl Session {
    /// Starts the server, and before that creates the prefix, if it is not there.
    ///
    /// # Errors
    /// [`WineError::Prefix`].
    pub async fn start(
        wine: Wine,
        folder: &Path,
        drives: &BTreeMap<Drive, PathBuf>,
    ) -> Result<Arc<Self>, WineError> {
        let failed = |reason: String| WineError::Prefix {
            prefix: folder.to_owned(),
            reason,
        };
        let told = |error: io::Error| failed(error.to_string());
        let (prefix, mut setup) = Prefix::open(folder).await.map_err(told)?;
        let session = Self {
            wine,
            prefix,
            server: Mutex::new(()),
        };
        let done = async {
            session.set_up(&mut setup).await?;
            session.prefix.link(&setup, drives)?;
            session
                .prefix
                .enter(&setup)
                .map_err(|error| error.to_string())
        };
        if let Err(reason) = done.await {
            session.end(&setup).await;
            return Err(failed(reason));
        }
        Ok(Arc::new(session))
    }

    /// What everything in this prefix needs in its environment.
    pub fn environment(&self) -> impl Iterator<Item = (OsString, OsString)> {
        let own = [
            ("WINEPREFIX", self.prefix.folder()),
            // Debian's script in its place would give the server another life time.
            ("WINESERVER", &self.wine.server),
        ];
        settings().chain(own.map(|(name, value)| (name.into(), value.into())))
    }

    /// Wine's loader.
    pub fn loader(&self) -> &Path {
        &self.wine.loader
    }

    /// Sees to it that the server runs. To be called before a worker is started: a worker that had to start it would
    /// be its parent, and that of Windows' services.
    ///
    /// # Errors
    /// [`WineError::Prefix`].
    pub async fn ensure(&self) -> Result<(), WineError> {
        let _guard = self.server.lock().await;
        let up = async {
            if self.start_server().await? {
                self.boot(&["cmd", "/c", "exit"]).await?;
            }
            Ok(())
        };
        up.await.map_err(|reason| WineError::Prefix {
            prefix: self.prefix.folder().to_owned(),
            reason,
        })
    }

    /// Ends the server, if no other gateway uses the prefix. No process of this gateway may be left.
    pub async fn stop(&self) {
        // Whoever sets the prefix up now uses it afterwards.
        if let Ok(Ok(setup)) = timeout(SERVER_LIMIT, self.prefix.setup()).await {
            self.end(&setup).await;
        }
    }

    async fn end(&self, setup: &Setup) {
        if !self.prefix.leave(setup) {
            return;
        }
        for argument in ["-k", "-w"] {
            // The one fails when there is no server, the other waits until there is none.
            if timeout(SERVER_LIMIT, self.run(&self.wine.server, &[argument]))
                .await
                .is_err()
            {
                let folder = self.prefix.folder().display();
                tracing::warn!("the Wine server of {folder} does not end");
                return;
            }
        }
    }

    /// Brings the prefix up; creates it first, or brings it up to date, when it has not been used with this Wine.
    async fn set_up(&self, setup: &mut Setup) -> Result<(), String> {
        let wanted = self.description().await?;
        let noted = setup.noted().map_err(|error| error.to_string())?;
        let started = self.start_server().await?;
        let folder = self.prefix.folder();
        if noted == wanted {
            return match started {
                true => self.boot(&["cmd", "/c", "exit"]).await,
                false => Ok(()),
            };
        }
        let shown = folder.display();
        // Wine writes this file when it begins, so it may be there without the rest.
        if folder.join(".update-timestamp").exists() {
            tracing::info!("bringing the Wine prefix {shown} up to date for {wanted}");
            self.boot(&["wineboot", "-u"]).await?;
        } else {
            tracing::info!("creating the Wine prefix {shown}: once, some seconds and 1.3 GB");
            self.boot(&["cmd", "/c", "exit"]).await?;
        }
        setup.note(&wanted).map_err(|error| error.to_string())
    }

    /// What the prefix is for: a later Wine, or one that has got its 32-bit part, wants it changed.
    async fn description(&self) -> Result<String, String> {
        let output = self.command(&self.wine.loader, &["--version"]).output();
        let output = timeout(SERVER_LIMIT, output)
            .await
            .map_err(|_| "`wine --version` does not end".to_owned())?
            .map_err(|error| format!("{}: {error}", self.wine.loader.display()))?;
        let version = String::from_utf8_lossy(&output.stdout);
        let bits = match self.wine.supports(Platform::Windows32) {
            Ok(()) => "64 and 32 bits",
            Err(_) => "64 bits",
        };
        Ok(format!("{}, {bits}", version.trim()))
    }

    /// Whether it had to be started.
    async fn start_server(&self) -> Result<bool, String> {
        let persistence = format!("-p{LINGER}");
        let server = &self.wine.server;
        match timeout(SERVER_LIMIT, self.run(server, &[&persistence])).await {
            Ok(Ok(status)) if status.success() => Ok(true),
            Ok(Ok(status)) if status.code() == Some(ALREADY_RUNS) => Ok(false),
            Ok(Ok(status)) => {
                let (server, status) = (server.display(), exit::describe(status));
                Err(format!("{server} {status}{}", self.words()))
            }
            Ok(Err(error)) => Err(format!("{}: {error}", server.display())),
            Err(_) => Err(format!("{} does not come up", server.display())),
        }
    }

    /// Runs a first Windows program; Wine starts Windows' services before it.
    async fn boot(&self, program: &[&str]) -> Result<(), String> {
        let name = program[0];
        match timeout(BOOT_LIMIT, self.run(&self.wine.loader, program)).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("{name} {}{}", exit::describe(status), self.words())),
            Ok(Err(error)) => Err(format!("{}: {error}", self.wine.loader.display())),
            Err(_) => Err(format!(
                "{name} did not end in {BOOT_LIMIT:?}{}",
                self.words()
            )),
        }
    }

    async fn run(&self, program: &Path, arguments: &[&str]) -> io::Result<ExitStatus> {
        // A pipe would be held open by Windows' services.
        let log = File::create(self.log())?;
        self.command(program, arguments)
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .await
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        Group::lead(&mut command)
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .current_dir("/")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// What Wine had to say about it.
    fn words(&self) -> String {
        let mut words = Vec::new();
        let read =
            File::open(self.log()).and_then(|log| log.take(LOG_LIMIT).read_to_end(&mut words));
        match (read, String::from_utf8_lossy(&words).trim()) {
            (Err(_), _) | (_, "") => String::new(),
            (_, words) => format!(": {words}"),
        }
    }

    fn log(&self) -> PathBuf {
        self.prefix.folder().join("isapi-gateway.log")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
