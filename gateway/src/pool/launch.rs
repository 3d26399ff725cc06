//! How a worker process is started.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use command_fds::{CommandFdExt as _, FdMapping};
use tokio::process::{Child, Command};

use crate::config;

/// Everything that is the same for each worker of a pool.
pub struct Plan {
    program: PathBuf,
    extension: PathBuf,
    directory: PathBuf,
    threads: usize,
    environment: Vec<(OsString, OsString)>,
}

impl Plan {
    /// The plan of a configured pool.
    pub fn new(config: &config::Pool, extension: &Path, worker: &Path) -> Self {
        // The worker runs in another folder, so relative paths would mean something else there.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let extension = absolute(extension);
        let directory = match &config.working_directory {
            Some(directory) => absolute(directory),
            None => extension.parent().unwrap_or(Path::new("/")).to_owned(),
        };
        let inherited = std::env::vars_os().filter(|(name, _)| is_inherited(name));
        let own = [("APP_POOL_ID".into(), config.name.clone().into())];
        let given = config.environment.iter();
        let given = given.map(|(name, value)| (name.into(), value.into()));
        Self {
            program: absolute(worker),
            extension,
            directory,
            threads: config.threads,
            environment: inherited.chain(own).chain(given).collect(),
        }
    }

    /// Starts a worker in a process group of its own. Returns our ends of its `lanes` connections: the first is its
    /// standard input and output, the others are its descriptors 3 and up. Its standard error is a pipe.
    ///
    /// # Errors
    /// When the sockets or the process cannot be created.
    pub fn spawn(&self, lanes: usize) -> io::Result<(Child, Vec<UnixStream>)> {
        let mut command = Command::new(&self.program);
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

    /// The program that is started.
    pub fn program(&self) -> &Path {
        &self.program
    }
}

/// A connection: our end, which does not block, and the worker's.
fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((ours, theirs.into()))
}

/// The few variables of the gateway's own environment that a worker gets: none that may hold a secret.
fn is_inherited(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        matches!(name, "PATH" | "HOME" | "LANG" | "TZ" | "TMPDIR") || name.starts_with("LC_")
    })
}
