//! Programs that end with the gateway, however it ends: the system sends them SIGTERM.
//!
//! To ask for that is the program's own part. So the gateway's executable is started in its place, asks, and becomes
//! the program.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::process::Command;

/// The subcommand by which the executable knows what it is for.
pub const SUBCOMMAND: &str = "run-program";

/// The gateway's executable, also when its file has been replaced by another version since.
const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// A command that starts the program. The signal comes also when the thread ends that has spawned it.
pub fn command(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(OWN_EXECUTABLE);
    command
        .arg(SUBCOMMAND)
        .arg(std::process::id().to_string())
        .arg("--")
        .arg(program)
        .args(arguments);
    command
}

/// Becomes the program. Returns only when that fails, with the reason.
pub fn run(parent: u32, program: &Path, arguments: &[OsString]) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return error.into();
    }
    let current = getppid().map(Pid::as_raw_nonzero);
    if current.is_none_or(|current| current.get().cast_unsigned() != parent) {
        return io::Error::other("the gateway has ended");
    }
    std::process::Command::new(program).args(arguments).exec()
}
