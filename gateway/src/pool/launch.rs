//! How a worker process is started: by itself, or under Wine.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::{Child, Command};

use crate::config;
use crate::os::{self, Connections, Group};
use crate::process::environment;
use crate::wine::Session;

/// What runs the extensions of a pool.
#[derive(Clone)]
pub enum Launcher {
    /// A worker that the system itself runs.
    Native(PathBuf),
    /// A worker for Windows.
    Wine(Arc<Session>, PathBuf),
}

/// What a report tells of how workers are started.
pub struct Scene {
    /// The worker's program.
    pub program: PathBuf,
    /// Its working folder.
    pub directory: PathBuf,
}

/// Everything that is the same for each worker of a pool.
pub struct Plan {
    /// Name of the pool.
    pool: String,
    launcher: Launcher,
    /// `--drive` for each of the pool's drives.
    drives: Vec<OsString>,
    /// `--sandbox` and what belongs to it.
    sandbox: Vec<OsString>,
    extension: PathBuf,
    directory: PathBuf,
    threads: usize,
    /// `--processor` for each connection, if they are read on processors of their own.
    processors: Vec<OsString>,
    shadow_copy: bool,
    limits: config::Limits,
    environment: Vec<(OsString, OsString)>,
}

impl Plan {
    /// The plan of a configured pool.
    pub fn new(
        config: &config::Pool,
        extension: &Path,
        launcher: Launcher,
        processors: &[usize],
    ) -> Self {
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
        let processors = match launcher {
            Launcher::Native(_) => processors,
            Launcher::Wine(..) => &[],
        };
        let processors = processors.iter();
        Self {
            pool: config.name.clone(),
            processors: processors
                .map(|number| format!("--processor={number}").into())
                .collect(),
            launcher,
            drives: drives.collect(),
            sandbox: sandbox(config, &directory),
            extension,
            directory,
            threads: config.threads,
            shadow_copy: config.workers.shadow_copy,
            limits: config.limits.clone(),
            environment,
        }
    }

    /// Starts a worker. Returns it, the group of processes that it leads, and our ends of its connections: as many as
    /// `lanes`, where the system allows. Its standard error is a pipe.
    ///
    /// # Errors
    /// When the connections or the process cannot be created, or Wine does not come up.
    pub async fn spawn(&self, lanes: usize) -> io::Result<(Child, Group, Connections)> {
        let mut command = match &self.launcher {
            Launcher::Native(worker) => Command::new(worker),
            Launcher::Wine(session, worker) => {
                session.ensure().await.map_err(io::Error::other)?;
                let mut command = Command::new(session.loader());
                command.arg(worker).args(&self.drives);
                command
            }
        };
        Group::lead(&mut command)
            .current_dir(&self.directory)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true)
            .stderr(Stdio::piped())
            .arg("--threads")
            .arg(self.threads.to_string());
        command.args(&self.processors).args(&self.sandbox);
        if !self.shadow_copy {
            command.arg("--no-shadow-copy");
        }
        let ours = os::connect(&mut command, lanes, !self.is_windows()).await?;
        command.arg(&self.extension);
        let (limits, is_windows) = (&self.limits, self.is_windows());
        let (child, group) = os::spawn_limited(&mut command, limits, is_windows, &self.pool)?;
        Ok((child, group, ours))
    }

    /// The worker that is started.
    pub fn worker(&self) -> &Path {
        match &self.launcher {
            Launcher::Native(worker) | Launcher::Wine(_, worker) => worker,
        }
    }

    /// For reports.
    pub fn scene(&self) -> Scene {
        Scene {
            program: self.worker().to_owned(),
            directory: self.directory.clone(),
        }
    }

    /// Whether it is a worker for Windows.
    pub fn is_windows(&self) -> bool {
        matches!(self.launcher, Launcher::Wine(..))
    }
}

/// What tells a worker of its sandbox. It may read the folder that it runs in.
fn sandbox(config: &config::Pool, directory: &Path) -> Vec<OsString> {
    let Some(sandbox) = &config.sandbox else {
        return Vec::new();
    };
    let mut arguments: Vec<OsString> = vec!["--sandbox".into()];
    let mut add = |name: &str, value: &OsStr| {
        let mut argument = OsString::from(format!("--sandbox-{name}="));
        argument.push(value);
        arguments.push(argument);
    };
    add("read", directory.as_os_str());
    for (name, paths) in sandbox.paths() {
        for path in paths {
            add(name, path.as_os_str());
        }
    }
    add("network", sandbox.network.name().as_ref());
    if sandbox.required {
        arguments.push("--sandbox-required".into());
    }
    arguments
}
