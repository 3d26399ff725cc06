//! The operator's program that gets every new report.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::mpsc;

use crate::alarms::{sleep, timeout};
use crate::os::Group;
use crate::process::leader::Leader;
use crate::process::{environment, exit, stderr};

/// How long it may go on after it has been asked to end.
const GRACE: Duration = Duration::from_secs(2);

/// How long its last words are waited for when a process that has left its group holds its output open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The program.
#[derive(Clone, Debug)]
pub struct Hook {
    program: String,
    arguments: Vec<String>,
    limit: Duration,
}

impl Hook {
    /// `command` is the program and its arguments; without any there is no hook.
    pub fn new(command: &[String], limit: Duration) -> Option<Self> {
        let (program, arguments) = command.split_first()?;
        Some(Self {
            program: program.clone(),
            arguments: arguments.to_vec(),
            limit,
        })
    }

    /// Runs it for one report of the pool after the other.
    pub async fn serve(self, pool: String, mut reports: mpsc::Receiver<PathBuf>) {
        while let Some(report) = reports.recv().await {
            let program = &self.program;
            match self.run(&pool, &report).await {
                Ok(None) => tracing::debug!(pool, "the crash hook {program} is done"),
                Ok(Some(end)) => tracing::error!(pool, "the crash hook {program} {end}"),
                Err(error) => {
                    tracing::error!(pool, "the crash hook {program} cannot be run: {error}");
                }
            }
        }
    }

    /// Runs it to its end; `Some`: what is wrong with that.
    async fn run(&self, pool: &str, report: &Path) -> std::io::Result<Option<String>> {
        let mut command = Command::new(&self.program);
        Group::lead(&mut command)
            .args(&self.arguments)
            .arg(report)
            .env_clear()
            .envs(environment::inherited())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let (out, error) = (child.stdout.take(), child.stderr.take());
        let mut leader = Leader::new(child)?;
        let pid = leader.pid();
        let words = async {
            let log = |line: &str| tracing::info!(pool, pid, "crash hook: {line}");
            let out = async {
                if let Some(out) = out {
                    stderr::read(out, log).await;
                }
            };
            let error = async {
                if let Some(error) = error {
                    stderr::read(error, log).await;
                }
            };
            tokio::join!(out, error);
        };
        let end = async {
            let in_time = timeout(self.limit, leader.exited()).await.is_ok();
            if !in_time {
                leader.terminate(sleep(GRACE)).await;
            }
            (leader.reap().await, in_time)
        };
        let mut words = std::pin::pin!(words);
        let mut end = std::pin::pin!(end);
        let (status, in_time) = tokio::select! {
            ended = &mut end => {
                let _ = timeout(LAST_WORDS, words).await;
                ended
            }
            () = &mut words => end.await,
        };
        let status = status?;
        Ok(match in_time {
            false => Some(format!("ran longer than {:?} and was ended", self.limit)),
            true if status.success() => None,
            true => Some(exit::describe(status)),
        })
    }
}
