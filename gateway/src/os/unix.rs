//! Unix, Linux above all.

mod cgroup;
mod exit;
mod limits;
mod processors;
mod state;
mod usage;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use shared_buffers::Memory;
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind};

pub use cgroup::Cgroup;
pub use exit::{Exit, reap};
pub use limits::spawn_limited;
pub use processors::{bind, processors, run_in_batches, runs_as_usual};
pub use state::{core_pattern, create_private_file, create_private_folder, state_folder};
pub use std::os::unix::fs::symlink;
pub use usage::usage;

/// Whether the memory of processes can be told, and limits and users be given to them.
pub const HAS_LIMITS: bool = true;

/// Variables without which no program of this system runs.
pub const ESSENTIAL_VARIABLES: &[&str] = &[];

/// Most connections to a worker, and so runtime threads, as each has one of its own.
pub const MOST_LANES: usize = 256;

/// The signals that stop the gateway, for the log.
pub const STOP_SIGNALS: &str = "SIGTERM and SIGINT";

/// A process and all that it starts, as far as they do not leave its group; with a control group, whatever they do.
pub struct Group {
    leader: Pid,
    cgroup: Option<Cgroup>,
}

impl Group {
    /// Makes the process of this command the leader of a group of its own.
    pub fn lead(command: &mut Command) -> &mut Command {
        command.process_group(0)
    }

    /// The group of a process that was started so and has not been reaped.
    ///
    /// # Errors
    /// When it has been.
    pub fn of(child: &Child) -> io::Result<Self> {
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let gone = || io::Error::other("it has no process number");
        let leader = pid.ok_or_else(gone)?;
        Ok(Self::led_by(leader))
    }

    /// The group that this process leads; it has not been reaped.
    pub fn led_by(leader: Pid) -> Self {
        Self {
            leader,
            cgroup: None,
        }
    }

    /// Why the system has killed processes of the group, where it tells.
    pub fn verdict(&self) -> Option<String> {
        let killed = self.cgroup.as_ref()?.out_of_memory();
        (killed > 0).then(|| format!("killed for its cgroup's limit of memory: {killed}"))
    }

    /// Asks all processes of the group to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends all processes of the group.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
    }

    /// Has the leader, a worker, say where its longest request is, and die. False if it cannot be asked.
    pub fn ask_where_it_hangs(&self) -> bool {
        kill_process(self.leader, Signal::QUIT).is_ok()
    }

    fn signal(&self, signal: Signal) {
        // An error means that no process is left in it.
        let _ = kill_process_group(self.leader, signal);
    }
}

/// The signal that ended a process, if one did, and whether there is a core file.
pub fn ended_by(status: ExitStatus) -> Option<(i32, bool)> {
    Some((status.signal()?, status.core_dumped()))
}

/// Whether a process that was to be killed was.
pub fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

/// A connection to a worker that no runtime knows yet.
pub type Unregistered = std::os::unix::net::UnixStream;

/// A connection to a worker.
pub type Connection = super::Socket;

/// Lets the runtime of the calling thread watch a connection.
///
/// # Errors
/// When it cannot.
pub fn register(connection: Unregistered) -> io::Result<Connection> {
    Connection::new(connection)
}

/// Gives the worker that this command starts so many connections, at least one, and memory if it `shares`. Returns our ends: the
/// first is its standard input and output, the others its descriptors 3 and up, which its arguments name.
///
/// # Errors
/// When sockets or memory cannot be had.
pub async fn connect(
    command: &mut Command,
    lanes: usize,
    shares: bool,
) -> io::Result<super::Connections> {
    let (first, theirs) = pair()?;
    command.stdin(theirs.try_clone()?).stdout(theirs);
    let mut ours = vec![first];
    let mut mappings = Vec::new();
    let mut numbers = 3..;
    for child_fd in numbers.by_ref().take(lanes.saturating_sub(1)) {
        let (our_end, parent_fd) = pair()?;
        ours.push(our_end);
        mappings.push(FdMapping {
            parent_fd,
            child_fd,
        });
        command.arg("--fd").arg(child_fd.to_string());
    }
    let memory = match numbers.next().filter(|_| shares) {
        Some(child_fd) => {
            let (memory, file) = Memory::create(ours.len())?;
            mappings.push(FdMapping {
                parent_fd: file.into(),
                child_fd,
            });
            command.arg("--buffers").arg(child_fd.to_string());
            Some(memory)
        }
        None => None,
    };
    command.fd_mappings(mappings).map_err(io::Error::other)?;
    Ok(super::Connections {
        lanes: ours,
        memory,
    })
}

/// Bytes that the system is asked to take of what waits in a connection for the other end: a window, or who sends would have
/// to wait for each piece to be read. The system doubles it for what it needs itself.
const SEND_BUFFER: usize = 256 * 1024;

/// A connection: our end, which does not block, and the worker's.
fn pair() -> io::Result<(Unregistered, OwnedFd)> {
    let (ours, theirs) = Unregistered::pair()?;
    for end in [&ours, &theirs] {
        // The system may allow less, which costs switches of threads and nothing else.
        let _ = set_socket_send_buffer_size(end, SEND_BUFFER);
    }
    ours.set_nonblocking(true)?;
    Ok((ours, theirs.into()))
}

/// The signals that stop the gateway, caught from the moment of creation.
pub struct StopSignals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

impl StopSignals {
    /// Catches the signals; must be called inside a runtime.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one; returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// A signal that is an order, caught from the moment of creation; to be made inside a runtime.
pub struct OrderSignal(unix::Signal);

impl OrderSignal {
    /// SIGUSR1: log files are to be opened again.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    pub fn reopen() -> io::Result<Self> {
        unix::signal(SignalKind::user_defined1()).map(Self)
    }

    /// SIGHUP: the configuration is to be read again.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    pub fn reload() -> io::Result<Self> {
        unix::signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        // There is always a next one: the sender lives as long as the runtime.
        let _ = self.0.recv().await;
    }
}

/// Has a connection hold back what fills no segment (tcp(7), `TCP_CORK`), or send it after all. Where the system cannot, more
/// segments leave.
pub fn cork(stream: &impl AsFd, yes: bool) {
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_cork(stream, yes);
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, yes);
}

/// Whether a program could not be started for a want that may pass.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM)
    )
}

/// Whether this file can be started.
pub fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// How to make a program of a file that is none.
pub fn make_program(path: &Path) -> String {
    format!("run `chmod +x {}`", path.display())
}

/// What tells a file from others, also from one of the same name: its device and its number there.
pub fn file_number(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A string of the system, of bytes from a request.
pub fn os_str(bytes: &[u8]) -> Cow<'_, OsStr> {
    Cow::Borrowed(OsStr::from_bytes(bytes))
}
