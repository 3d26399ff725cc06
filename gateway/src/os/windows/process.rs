//! Processes: groups of them, how they end, and what they take.

use std::io;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};

use tokio::process::{Child, Command};
use win32job::{ExtendedLimitInfo, Job};

use crate::config::Limits;
use crate::os::Usage;

/// A process and all that it starts: a job, whose processes end with the last handle to it, and so also when the
/// gateway is killed. What a process starts before it is in the job, some microseconds, is not in it.
pub struct Group(Mutex<Option<Job>>);

impl Group {
    /// Nothing is to be done before a process starts.
    pub fn lead(command: &mut Command) -> &mut Command {
        command
    }

    /// Puts a process that has just been started into a job of its own.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn of(child: &Child) -> io::Result<Self> {
        let process = child.raw_handle();
        let process = process.ok_or_else(|| io::Error::other("it has ended already"))?;
        let mut limits = ExtendedLimitInfo::new();
        limits.limit_kill_on_job_close();
        let job = Job::create_with_limit_info(&limits).map_err(io::Error::other)?;
        job.assign_process(process.addr().cast_signed())
            .map_err(io::Error::other)?;
        Ok(Self(Mutex::new(Some(job))))
    }

    /// Windows has no way to ask programs without windows.
    pub fn terminate(&self) {
        self.kill();
    }

    /// Windows has no signals: a worker cannot be asked.
    pub fn ask_where_it_hangs(&self) -> bool {
        false
    }

    /// Why the system has killed processes of the group: it does not tell.
    pub fn verdict(&self) -> Option<String> {
        None
    }

    /// Ends all processes of the group.
    pub fn kill(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Sees a process's exit.
pub struct Exit;

impl Exit {
    /// That of any process.
    ///
    /// # Errors
    /// None here.
    pub fn of(_: &Child) -> io::Result<Self> {
        Ok(Self)
    }

    /// Whether it has come: that takes waiting.
    pub fn has_come(&self) -> bool {
        false
    }

    /// Waits for it.
    pub async fn seen(&mut self, child: Option<&mut Child>) {
        if let Some(child) = child {
            // The status stays to be asked for again, and so does an error.
            let _ = child.wait().await;
        }
    }

    /// The status of a process that is no child of the gateway's: there are none.
    ///
    /// # Errors
    /// Always.
    pub fn status(&self) -> io::Result<ExitStatus> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// There are no signals: exit codes tell it all.
pub fn ended_by(_: ExitStatus) -> Option<(i32, bool)> {
    None
}

/// Whether a process that was to be killed was: its exit code does not tell.
pub fn is_killed(_: ExitStatus) -> bool {
    true
}

/// Whether a program could not be started for a want that may pass.
pub fn is_shortage(error: &io::Error) -> bool {
    const TOO_MANY_OPEN_FILES: i32 = 4;
    const NO_SYSTEM_RESOURCES: i32 = 1450;
    const COMMITMENT_LIMIT: i32 = 1455;
    error.kind() == io::ErrorKind::OutOfMemory
        || matches!(
            error.raw_os_error(),
            Some(TOO_MANY_OPEN_FILES | NO_SYSTEM_RESOURCES | COMMITMENT_LIMIT)
        )
}

/// Starts a worker. There are no limits ([`HAS_LIMITS`]).
///
/// # Errors
/// When it cannot be started.
pub fn spawn_limited(
    command: &mut Command,
    _: &Limits,
    _: bool,
    _: &str,
) -> io::Result<(Child, Group)> {
    let child = command.spawn()?;
    let group = Group::of(&child)?;
    Ok((child, group))
}

/// Nothing is told of processes ([`HAS_LIMITS`]).
pub fn usage(groups: &[u32]) -> Vec<Usage> {
    vec![Usage::default(); groups.len()]
}
