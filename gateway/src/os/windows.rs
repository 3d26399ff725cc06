//! Windows.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::windows::named_pipe::{NamedPipeServer, PipeMode, ServerOptions};
use tokio::process::{Child, Command};
use tokio::signal::windows;
use win32job::{ExtendedLimitInfo, Job};

pub use std::os::windows::fs::symlink_dir as symlink;

use super::Usage;
use crate::config::Limits;

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

/// What a pipe holds in each direction, bytes.
const PIPE_SIZE: u32 = 64 * 1024;

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

    /// Waits for it.
    pub async fn seen(&self, child: &mut Child) {
        // The status stays to be asked for again, and so does an error.
        let _ = child.wait().await;
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

/// A connection to a worker: two pipes, one for each direction, since who waits for reading at one handle keeps others
/// from writing to it.
pub struct Connection {
    /// `None`: its end has been sent.
    to_worker: Option<NamedPipeServer>,
    from_worker: NamedPipeServer,
}

/// The runtime that creates a connection watches it.
pub type Unregistered = Connection;

/// Nothing is left to do.
///
/// # Errors
/// None here.
pub fn register(connection: Unregistered) -> io::Result<Connection> {
    Ok(connection)
}

/// Gives the worker that this command starts a connection: its standard input and output. To be called inside a
/// runtime.
///
/// # Errors
/// When pipes cannot be had.
pub async fn connect(command: &mut Command, _: usize) -> io::Result<Vec<Unregistered>> {
    let (to_worker, input) = pipe(Direction::ToWorker).await?;
    let (from_worker, output) = pipe(Direction::FromWorker).await?;
    command.stdin(input).stdout(output);
    Ok(vec![Connection {
        to_worker: Some(to_worker),
        from_worker,
    }])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToWorker,
    FromWorker,
}

/// A pipe: our end, and the worker's. Pipes without a name cannot be watched.
async fn pipe(direction: Direction) -> io::Result<(NamedPipeServer, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (own, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let name = format!(r"\\.\pipe\isapi-gateway.{own}.{count}");
    let outbound = direction == Direction::ToWorker;
    // Nobody else's pipe, and nobody else at its other end: there is one, and the worker's is opened here.
    let ours = ServerOptions::new()
        .first_pipe_instance(true)
        .max_instances(1)
        .reject_remote_clients(true)
        .pipe_mode(PipeMode::Byte)
        .access_outbound(outbound)
        .access_inbound(!outbound)
        .in_buffer_size(PIPE_SIZE)
        .out_buffer_size(PIPE_SIZE)
        .create(&name)?;
    let theirs = File::options()
        .read(outbound)
        .write(!outbound)
        .open(&name)?;
    ours.connect().await?;
    Ok((ours, theirs))
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.from_worker).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.to_worker {
            Some(pipe) => Pin::new(pipe).poll_write(context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes our end; what has been written before still arrives.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.to_worker = None;
        Poll::Ready(Ok(()))
    }
}

/// The signals that stop the gateway, caught from the moment of creation.
pub struct StopSignals {
    interrupt: windows::CtrlC,
    stop: windows::CtrlBreak,
    close: windows::CtrlClose,
    shutdown: windows::CtrlShutdown,
}

impl StopSignals {
    /// Catches the signals; must be called inside a runtime.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: windows::ctrl_c()?,
            stop: windows::ctrl_break()?,
            close: windows::ctrl_close()?,
            shutdown: windows::ctrl_shutdown()?,
        })
    }

    /// Waits for the next one; returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl+C",
            _ = self.stop.recv() => "Ctrl+Break",
            _ = self.close.recv() => "closing of the console",
            _ = self.shutdown.recv() => "shutdown of the system",
        }
    }
}

/// A signal that is an order: Windows has none.
pub struct OrderSignal;

impl OrderSignal {
    /// Nothing to catch.
    ///
    /// # Errors
    /// Never.
    pub fn reopen() -> io::Result<Self> {
        Ok(Self)
    }

    /// Nothing to catch.
    ///
    /// # Errors
    /// Never.
    pub fn reload() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for ever.
    pub async fn next(&mut self) {
        std::future::pending().await
    }
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

/// Where the gateway keeps what outlives it: `isapi-gateway` below `%LOCALAPPDATA%`, or `%ProgramData%` for a user without.
pub fn state_folder() -> Option<PathBuf> {
    let folder = ["LOCALAPPDATA", "ProgramData"]
        .iter()
        .find_map(std::env::var_os)?;
    let folder = PathBuf::from(folder).join("isapi-gateway");
    folder.is_absolute().then_some(folder)
}

/// Makes a folder with those above it; who may look into it is inherited.
///
/// # Errors
/// When it cannot be made.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Makes a new file; who may read it is inherited.
///
/// # Errors
/// When it cannot be made, or is there.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    File::create_new(path)
}

/// Windows has no core files.
pub fn core_pattern() -> Option<String> {
    None
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

/// Whether this system has sockets in the file system that a runtime can watch.
pub const HAS_SOCKET_FILES: bool = false;

/// What this system does not have.
pub enum BoundFile {}

impl BoundFile {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn bind(_: &Path, _: u32, _: Option<u32>, _: Option<u32>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn listen(self, _: u32) -> io::Result<FileListener> {
        match self {}
    }
}

/// Fails.
///
/// # Errors
/// Always.
pub async fn connect_file(_: &Path) -> io::Result<TcpStream> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Fails.
///
/// # Errors
/// Always.
pub fn permit(_: &Path, _: u32, _: Option<u32>, _: Option<u32>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What this system does not have.
pub enum FileListener {}

impl FileListener {
    /// Cannot be called.
    pub fn is_own(&self) -> bool {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub async fn accept(&self) -> io::Result<FileStream> {
        match *self {}
    }
}

/// What this system does not have.
pub enum FileStream {}

impl FileStream {
    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn register(self) -> io::Result<TcpStream> {
        match self {}
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

/// Sockets that listen already: on ports, and in the file system under this path.
pub type Inherited = (Vec<TcpListener>, Vec<(PathBuf, BoundFile)>);

/// There are none here.
///
/// # Errors
/// None here.
pub fn inherited() -> io::Result<Inherited> {
    Ok(Inherited::default())
}

/// What a service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It listens.
    Ready,
    /// Every thread still works.
    Alive,
    /// It goes over to another configuration; [`Notice::Ready`] follows.
    Reloading,
    /// It stops.
    Stopping,
}

/// There is nobody to be told.
pub fn notify(_: Notice) {}

/// There is none.
pub fn watchdog() -> Option<Duration> {
    None
}
