//! How a worker process is started: by itself, or under Wine.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use command_fds::{CommandFdExt as _, FdMapping};
use tokio::process::{Child, Command};

use crate::config;
use crate::process::environment;
use crate::wine::Session;

/// What runs the extensions of a pool.
#[derive(Clone)]
pub enum Launcher {
    /// The worker for the gateway's own system.
    Native(PathBuf),
    /// A worker for Windows.
    Wine(Arc<Session>, PathBuf),
}

/// Everything that is the same for each worker of a pool.
pub struct Plan {
    launcher: Launcher,
    /// `--drive` for each of the pool's drives.
    drives: Vec<OsString>,
    extension: PathBuf,
    directory: PathBuf,
    threads: usize,
    environment: Vec<(OsString, OsString)>,
}

impl Plan {
    /// The plan of a configured pool.
    pub fn new(config: &config::Pool, extension: &Path, launcher: Launcher) -> Self {
        // The worker runs in another folder, so relative paths would mean something else there.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let extension = absolute(extension);
        let directory = match &config.working_directory {
            Some(directory) => absolute(directory),
            None => extension.parent().unwrap_or(Path::new("/")).to_owned(),
        };
        let own = [("APP_POOL_ID".into(), config.name.clone().into())];
        let given = config.environment.iter();
        let given = given.map(|(name, value)| (name.into(), value.into()));
        let mut environment: Vec<_> = environment::inherited().chain(own).chain(given).collect();
        let launcher = match launcher {
            Launcher::Native(worker) => Launcher::Native(absolute(&worker)),
            Launcher::Wine(session, worker) => {
                // The pool's own variables come later, so that Wine can be made to talk; the prefix is not theirs.
                let is_given = |name: &OsString| environment.iter().any(|(given, _)| given == name);
                let settings: Vec<_> = session
                    .environment()
                    .filter(|(name, _)| name == "WINEPREFIX" || !is_given(name))
                    .collect();
                environment.extend(settings);
                Launcher::Wine(session, absolute(&worker))
            }
        };
        let drives = config.drives.iter().map(|(drive, folder)| {
            let mut argument = OsString::from(format!("--drive={drive}="));
            argument.push(folder);
            argument
        });
        Self {
            launcher,
            drives: drives.collect(),
            extension,
            directory,
            threads: config.threads,
            environment,
        }
    }

    /// Starts a worker in a process group of its own. Returns our ends of its `lanes` connections: the first is its
    /// standard input and output, the others are its descriptors 3 and up. Its standard error is a pipe.
    ///
    /// # Errors
    /// When the sockets or the process cannot be created, or Wine does not come up.
    pub async fn spawn(&self, lanes: usize) -> io::Result<(Child, Vec<UnixStream>)> {
        let mut command = match &self.launcher {
            Launcher::Native(worker) => Command::new(worker),
            Launcher::Wine(session, worker) => {
                session.ensure().await.map_err(io::Error::other)?;
                let mut command = Command::new(session.loader());
                command.arg(worker).args(&self.drives);
                command
            }
        };
        command
            .current_dir(&self.directory)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .kill_on_drop(true)
            .stderr(Stdio::piped())
            .arg("--threads")
            .arg(self.threads.to_string());
        let (first, theirs) = pair()?;
        command.stdin(theirs.try_clone()?).stdout(theirs);
        let mut ours = vec![first];
        let mut mappings = Vec::new();
        for child_fd in (3..).take(lanes.saturating_sub(1)) {
            let (our_end, parent_fd) = pair()?;
            ours.push(our_end);
            mappings.push(FdMapping {
                parent_fd,
                child_fd,
            });
            command.arg("--fd").arg(child_fd.to_string());
        }
        command.arg(&self.extension);
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        Ok((command.spawn()?, ours))
    }

    /// The worker that is started.
    pub fn worker(&self) -> &Path {
        match &self.launcher {
            Launcher::Native(worker) | Launcher::Wine(_, worker) => worker,
        }
    }

    /// Whether it is a worker for Windows.
    pub fn is_windows(&self) -> bool {
        matches!(self.launcher, Launcher::Wine(..))
    }
}

/// A connection: our end, which does not block, and the worker's.
fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((ours, theirs.into()))
}
