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
    /// The process itself, for its streams.
    pub child: Child,
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
            child,
            is_reaped: false,
        })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the leader has exited.
    pub async fn exited(&mut self) {
        self.exit.seen(&mut self.child).await;
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
        let status = self.child.wait().await;
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
