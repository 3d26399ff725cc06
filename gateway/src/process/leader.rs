//! A started program and everything in its process group: watched, ended, and always reaped.

use std::io;
use std::process::ExitStatus;

use tokio::process::Child;

use crate::os::{Exit, Group};

/// The leader of a process group. Dropping it kills everything in the group; first that and only then is the leader
/// reaped, so that the group's number cannot belong to anybody else when the signal is sent.
pub struct Leader {
    pid: u32,
    group: Group,
    exit: Exit,
    /// Has to be asked for its end, if there is one.
    child: Option<Child>,
    has_exited: bool,
    is_reaped: bool,
}

impl Leader {
    /// Of a process whose command went through [`Group::lead`].
    ///
    /// # Errors
    /// When it cannot be watched; it is then killed.
    pub fn new(child: Child) -> io::Result<Self> {
        let group = Group::of(&child)?;
        let exit = Exit::of(&child).inspect_err(|_| group.kill())?;
        Ok(Self {
            pid: child.id().unwrap_or_default(),
            group,
            exit,
            child: Some(child),
            has_exited: false,
            is_reaped: false,
        })
    }

    /// Of a child of this process that another one has started for it.
    #[cfg(unix)]
    pub fn started(process: rustix::process::Pid) -> Self {
        Self {
            pid: process.as_raw_nonzero().get().cast_unsigned(),
            group: Group::led_by(process),
            exit: Exit::of_process(process),
            child: None,
            has_exited: false,
            is_reaped: false,
        }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the leader has exited, as far as that can be told without waiting for it.
    pub fn has_exited(&mut self) -> bool {
        self.has_exited = self.has_exited || self.exit.has_come();
        self.has_exited
    }

    /// Waits until the leader has exited.
    pub async fn exited(&mut self) {
        if !self.has_exited {
            self.exit.seen(self.child.as_mut()).await;
            self.has_exited = true;
        }
    }

    /// Asks the group to end, and gives the leader until `grace_over` to do so.
    pub async fn terminate(&mut self, grace_over: impl Future<Output = ()>) {
        self.group.terminate();
        // Whether it ended in time or not: what is left of the group is killed when it is reaped.
        tokio::select! {
            () = self.exited() => {}
            () = grace_over => {}
        }
    }

    /// Kills what is left of the group, and reaps the leader.
    ///
    /// # Errors
    /// When its exit status cannot be read.
    pub async fn reap(mut self) -> io::Result<ExitStatus> {
        self.group.kill();
        let status = match &mut self.child {
            Some(child) => child.wait().await,
            None => {
                self.exited().await;
                self.exit.status()
            }
        };
        self.is_reaped = true;
        status
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.group.kill();
        }
    }
}
