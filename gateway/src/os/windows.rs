//! Windows.

mod connection;
mod process;
mod service;
mod signals;
mod socket_file;
mod state;

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

pub use connection::{Connection, Unregistered, connect, register};
pub use process::{Exit, Group, ended_by, is_killed, is_shortage, spawn_limited, usage};
pub use service::{inherited, notify, watchdog};
pub use signals::{OrderSignal, StopSignals};
pub use socket_file::{
    BoundFile, FileListener, FileStream, HAS_SOCKET_FILES, connect_file, permit,
};
pub use state::{core_pattern, create_private_file, create_private_folder, state_folder};
pub use std::os::windows::fs::symlink_dir as symlink;

/// Whether the memory of processes can be told, and limits and users be given to them.
pub const HAS_LIMITS: bool = false;

/// Variables without which no program of this system runs.
pub const ESSENTIAL_VARIABLES: &[&str] = &[
    "ComSpec",
    "Path",
    "PATHEXT",
    "ProgramData",
    "SystemDrive",
    "SystemRoot",
    "TEMP",
    "TMP",
    "windir",
];

/// Most connections to a worker, and so runtime threads, as each has one of its own. A worker has but its standard
/// streams.
pub const MOST_LANES: usize = 1;

/// The signals that stop the gateway, for the log.
pub const STOP_SIGNALS: &str = "Ctrl+C and its like";

/// The processors that threads are told apart by: none, as there is but one runtime thread.
pub fn processors() -> Vec<usize> {
    Vec::new()
}

/// Binds the calling thread to processors: not here.
///
/// # Errors
/// None.
pub fn bind(_: &[usize]) -> io::Result<()> {
    Ok(())
}

/// Whether the calling thread may run in batches: no thread does here.
pub fn runs_as_usual() -> bool {
    false
}

/// Has the calling thread run in batches: not here.
///
/// # Errors
/// None.
pub fn run_in_batches(_: bool) -> io::Result<()> {
    Ok(())
}

/// Has a connection hold back what fills no segment: not here.
pub fn cork<T>(_: &T, _: bool) {}

/// Whether this file can be started: what has no code of its own needs an interpreter, and that of batch files takes
/// arguments for commands.
pub fn is_program(path: &Path) -> bool {
    let ending = path.extension().map(OsStr::to_ascii_lowercase);
    path.is_file() && ending == Some(OsString::from("exe"))
}

/// How to make a program of a file that is none.
pub fn make_program(_: &Path) -> String {
    "name a program, a file that ends in .exe; scripts cannot be started by themselves".to_owned()
}

/// Windows does not tell it by the name of a file; size and time must do.
pub fn file_number(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// Windows knows no such thing.
pub fn is_root() -> bool {
    false
}

/// A string of the system, of bytes from a request. What is not UTF-8 is replaced.
pub fn os_str(bytes: &[u8]) -> Cow<'_, OsStr> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => Cow::Borrowed(OsStr::new(text)),
        Cow::Owned(text) => Cow::Owned(text.into()),
    }
}

/// A connection's socket.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Winsock tells that the other end of a connection has closed it only to who reads.
pub struct Closing;

impl Closing {
    /// For that connection.
    ///
    /// # Errors
    /// None here.
    pub fn of(_: &impl Stream) -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for ever.
    ///
    /// # Errors
    /// None here.
    pub fn poll(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}
