//! Reports of workers that have died: a file each, a bounded number of them, and a program of the operator's that gets to
//! know. `content` is what a report says; `folder` writes them and removes the oldest; `hook` runs the program.
//!
//! All that is done by one task, away from the threads of the requests: whoever has something to report hands it over.

pub mod content;
mod folder;
mod hook;

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::alarms::timeout;
use crate::config;
use content::Report;
use folder::Folder;
use hook::Hook;

/// Reports that may wait to be written; more are dropped, which is logged.
const WAITING: usize = 64;

/// Reports of a pool that may wait for its hook; more go without.
const WAITING_FOR_HOOK: usize = 8;

/// A report that is not complete yet: what became of some requests takes a moment to show.
type Pending = Pin<Box<dyn Future<Output = Report> + Send>>;

/// Where reports are handed over.
#[derive(Clone)]
pub struct Reports {
    sender: mpsc::Sender<Pending>,
}

impl Reports {
    /// Has a report written, soon. Never waits.
    pub fn send(&self, pool: &str, report: impl Future<Output = Report> + Send + 'static) {
        if self.sender.try_send(Box::pin(report)).is_err() {
            tracing::error!(
                pool,
                "no crash report: {WAITING} others wait to be written, or the gateway is stopping"
            );
        }
    }
}

/// Writes the reports that are handed over.
pub struct Keeper {
    reports: Reports,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Makes the folder, and takes reports from now on; `None` when none are kept. To be called in a runtime.
    ///
    /// # Errors
    /// When the folder that is configured cannot be made.
    pub fn start(config: &config::Crash) -> anyhow::Result<Option<Self>> {
        if config.keep == 0 {
            return Ok(None);
        }
        let Some(path) = config.folder() else {
            tracing::warn!(
                "no crash reports: this user has no folder for them; set `folder` in [crash]"
            );
            return Ok(None);
        };
        let folder = match Folder::open(path.clone(), config.keep, config.size) {
            Ok(folder) => folder,
            Err(error) if config.folder.is_none() => {
                let shown = path.display();
                tracing::warn!("no crash reports: {shown}: {error}; set `folder` in [crash]");
                return Ok(None);
            }
            Err(error) => {
                let shown = path.display();
                return Err(error).with_context(|| {
                    format!("cannot make the folder {shown}; correct `folder` in [crash], or its permissions")
                });
            }
        };
        let (sender, receiver) = mpsc::channel(WAITING);
        let (stop, stopped) = oneshot::channel();
        let work = Work {
            folder,
            hook: Hook::new(&config.hook, config.hook_timeout),
            hooks: HashMap::new(),
            running: JoinSet::new(),
        };
        Ok(Some(Self {
            reports: Reports { sender },
            stop,
            task: tokio::spawn(work.run(receiver, stopped)),
        }))
    }

    /// Where to hand reports over.
    pub fn reports(&self) -> Reports {
        self.reports.clone()
    }

    /// Writes what has been handed over, and lets the hooks that run finish, all within `limit`.
    pub async fn finish(self, limit: Duration) {
        let _ = self.stop.send(());
        let mut task = self.task;
        if timeout(limit, &mut task).await.is_err() {
            task.abort();
        }
    }
}

struct Work {
    folder: Folder,
    hook: Option<Hook>,
    /// Where the hook of each pool gets its reports.
    hooks: HashMap<String, mpsc::Sender<PathBuf>>,
    running: JoinSet<()>,
}

impl Work {
    async fn run(
        mut self,
        mut receiver: mpsc::Receiver<Pending>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped, if !receiver.is_closed() => receiver.close(),
                pending = receiver.recv() => match pending {
                    Some(pending) => self.keep(pending.await).await,
                    None => break,
                },
            }
        }
        self.hooks.clear();
        self.running.join_all().await;
    }

    async fn keep(&mut self, report: Report) {
        let (pool, pid, kind) = (report.pool.clone(), report.worker.pid, report.kind.name());
        let folder = self.folder.clone();
        // Never fails: the task neither panics nor is aborted.
        let Ok(written) = tokio::task::spawn_blocking(move || folder.put(&report)).await else {
            return;
        };
        match written {
            Ok(path) => {
                let shown = path.display();
                tracing::warn!(pool, pid, kind, "crash report: {shown}");
                self.run_hook(pool, path);
            }
            Err(error) => {
                let folder = self.folder.path().display();
                tracing::error!(
                    pool,
                    pid,
                    "the crash report cannot be written to {folder}: {error}"
                );
            }
        }
    }

    fn run_hook(&mut self, pool: String, path: PathBuf) {
        let Some(hook) = &self.hook else {
            return;
        };
        let running = &mut self.running;
        let queue = self.hooks.entry(pool.clone()).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(WAITING_FOR_HOOK);
            running.spawn(hook.clone().serve(pool.clone(), receiver));
            sender
        });
        if let Err(unsent) = queue.try_send(path) {
            let path = unsent.into_inner();
            let shown = path.display();
            tracing::error!(
                pool,
                "the crash hook is too slow: it does not run for {shown}"
            );
        }
    }
}
