//! How a process comes to its end: seen, and reaped.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, PidfdFlags, WaitId, WaitIdOptions, WaitOptions, pidfd_open, waitid, waitpid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;

use super::Group;
use crate::alarms::sleep;

/// How often a process is looked at whose end the system cannot tell, for want of descriptors.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Sees a process's exit without reaping it, so that its number, and its group's, stays its own.
pub struct Exit {
    process: Pid,
    /// What the system tells it by, if that is there already.
    end: Option<AsyncFd<OwnedFd>>,
}

impl Exit {
    /// That of this process.
    ///
    /// # Errors
    /// When the process has been reaped, or descriptors are short.
    pub fn of(child: &Child) -> io::Result<Self> {
        let process = Group::of(child)?.leader;
        let end = Some(watch(process)?);
        Ok(Self { process, end })
    }

    /// That of a child of this process, which is not watched before somebody waits for it.
    pub fn of_process(process: Pid) -> Self {
        Self { process, end: None }
    }

    /// Whether it has come.
    pub fn has_come(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = retry_on_intr(|| waitid(WaitId::Pid(self.process), options));
        // An error: it has been reaped.
        !matches!(status, Ok(None))
    }

    /// Waits for it.
    pub async fn seen(&mut self, _: Option<&mut Child>) {
        while self.end.is_none() {
            match watch(self.process) {
                Ok(end) => self.end = Some(end),
                Err(_) if self.has_come() => return,
                // Descriptors are short.
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        }
        if let Some(end) = &self.end {
            // An error means that the runtime ends, and the process with it.
            let _ = end.readable().await;
        }
    }

    /// Reaps the process, which nothing else does.
    ///
    /// # Errors
    /// When it has been reaped.
    pub fn status(&self) -> io::Result<ExitStatus> {
        reap(self.process)
    }
}

/// Becomes readable when the process has exited.
fn watch(process: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    let end = pidfd_open(process, PidfdFlags::empty())?;
    #[expect(
        deprecated,
        reason = "an OwnedFd keeps its one descriptor open, which is all that the unsafe replacement asks for"
    )]
    AsyncFd::with_interest(end, Interest::READABLE)
}

/// Waits for the end of a child of this process, and returns how it ended.
///
/// # Errors
/// When there is no such child.
pub fn reap(process: Pid) -> io::Result<ExitStatus> {
    let status = retry_on_intr(|| waitpid(Some(process), WaitOptions::empty()))?;
    let (_, status) = status.ok_or(io::ErrorKind::NotFound)?;
    Ok(ExitStatus::from_raw(status.as_raw()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::process;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;
    use crate::os::is_shortage;

    /// Tells this test that it runs in a process of its own, since limits are those of a process.
    const ALONE: &str = "ISAPI_TEST_ALONE";

    #[test]
    fn an_exit_is_seen_without_descriptors() {
        if std::env::var_os(ALONE).is_some() {
            return without_descriptors();
        }
        let mut again = process::Command::new(std::env::current_exe().unwrap());
        let name = "os::unix::exit::tests::an_exit_is_seen_without_descriptors";
        let output = again.args(["--exact", name]).env(ALONE, "1").output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}"
        );
    }

    #[expect(
        clippy::zombie_processes,
        reason = "it is reaped by its number, as programs are"
    )]
    #[tokio::main(flavor = "current_thread")]
    async fn without_descriptors() {
        let mut program = process::Command::new("cat");
        let mut program = program.stdin(process::Stdio::piped()).spawn().unwrap();
        let mut exit = Exit::of_process(Pid::from_child(&program));
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let none = Rlimit {
            current: Some(0),
            maximum,
        };
        setrlimit(Resource::Nofile, none).unwrap();
        assert!(watch(exit.process).is_err_and(|error| is_shortage(&error)));
        tokio::select! {
            biased;
            () = exit.seen(None) => unreachable!("it runs"),
            () = sleep(Duration::ZERO) => {}
        }
        drop(program.stdin.take());
        exit.seen(None).await;
        assert!(exit.has_come() && exit.status().unwrap().success());
    }
}
