//! Unix.

mod alarm;
mod file;
mod place;
mod poll;
#[cfg(target_os = "linux")]
mod program;

use std::borrow::Cow;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use isapi_abi::types::HANDLE;
use libloading::Library;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Transport, tcp};
use crate::drives::Drives;
use crate::options::Address;

pub use alarm::Alarm;
pub use file::ForeignFile;
pub use place::{MOST_PROCESSORS, Place, ThreadId};
pub use poll::Poll;
#[cfg(target_os = "linux")]
pub use program::Starter;

thread_local! {
    static LAST_ERROR: Cell<u32> = const { Cell::new(0) };
}

/// `GetLastError` for extensions: `adapter/include/windows.h` declares it, the worker exports it.
#[unsafe(no_mangle)]
pub extern "C" fn GetLastError() -> u32 {
    last_error()
}

/// `SetLastError` for extensions.
#[unsafe(no_mangle)]
pub extern "C" fn SetLastError(code: u32) {
    set_last_error(code);
}

/// The calling thread's last error.
pub fn last_error() -> u32 {
    LAST_ERROR.get()
}

/// Sets the calling thread's last error.
pub fn set_last_error(code: u32) {
    LAST_ERROR.set(code);
}

/// Makes the process ready for extensions. Nothing to do here.
pub fn prepare_process(_: &Drives) {}

/// Makes a new pool thread ready for extensions. Nothing to do here.
pub fn prepare_thread() {}

/// A path of the gateway or of a web server, as the system writes it: as it is.
pub fn native_path(path: &[u8]) -> Cow<'_, [u8]> {
    Cow::Borrowed(path)
}

/// Text in the encoding of the system's single-byte functions: as it is.
pub fn to_code_page(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    text
}

/// A token of the user that the extension acts for. There is no such thing here.
pub fn impersonation_token() -> Option<HANDLE> {
    None
}

/// Loads a library.
///
/// # Safety
/// Runs the library's code.
///
/// # Errors
/// When the system's loader refuses it.
pub unsafe fn load_library(path: &Path) -> Result<Library, libloading::Error> {
    // SAFETY: by the caller's promise.
    unsafe { Library::new(path) }
}

/// Two streams, one for each direction; they may be the same socket.
pub struct Streams {
    input: File,
    output: File,
}

/// Takes standard input and output for the protocol and leaves the extension `/dev/null` and standard error in their
/// place: what an extension prints must not end up among the records.
///
/// # Errors
/// When descriptors cannot be duplicated.
pub fn take_standard_streams() -> io::Result<Streams> {
    let keep = |fd| rustix::io::fcntl_dupfd_cloexec(fd, 3);
    let streams = Streams {
        input: keep(rustix::stdio::stdin())?.into(),
        output: keep(rustix::stdio::stdout())?.into(),
    };
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(streams)
}

/// A connected socket.
pub type Stream = UnixStream;

/// What was inherited under this number: a connected socket, a file.
///
/// # Errors
/// When there is nothing.
pub fn inherited<T: From<OwnedFd>>(number: RawFd) -> io::Result<T> {
    if number <= 2 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "descriptors 0 to 2 are the standard streams",
        ));
    }
    // SAFETY: the parent has put it there for us alone and nothing else in this process knows of it. A wrong number
    // fails in the next call.
    let inherited = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::CLOEXEC)?;
    Ok(inherited.into())
}

/// A socket that waits for connections.
pub enum Listener {
    /// Unix domain.
    Unix(UnixListener),
    /// TCP.
    Tcp(TcpListener),
}

/// Listens on an address, in place of a worker that was killed there.
///
/// # Errors
/// When the system refuses it.
pub fn listen(address: &Address) -> io::Result<Listener> {
    match address {
        Address::Unix(path) => {
            remove_stale(path);
            UnixListener::bind(path).map(Listener::Unix)
        }
        Address::Tcp(address) => TcpListener::bind(address).map(Listener::Tcp),
    }
}

/// A socket file that a killed worker left behind: nobody answers on it.
fn remove_stale(path: &Path) {
    let refused = UnixStream::connect(path)
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if refused {
        // If it cannot be removed, binding says so.
        let _ = std::fs::remove_file(path);
    }
}

/// Standard input as a listening socket, if that is what it is (FastCGI 1.0 §2.2, FCGI_LISTENSOCK_FILENO).
pub fn listener_on_standard_input() -> Option<Listener> {
    let stdin = rustix::stdio::stdin();
    if !rustix::net::sockopt::socket_acceptconn(stdin).unwrap_or(false) {
        return None;
    }
    let socket = rustix::io::fcntl_dupfd_cloexec(stdin, 3).ok()?;
    let unix =
        rustix::net::sockopt::socket_domain(&socket).ok()? == rustix::net::AddressFamily::UNIX;
    Some(if unix {
        Listener::Unix(socket.into())
    } else {
        Listener::Tcp(socket.into())
    })
}

impl Listener {
    /// Waits for a connection.
    ///
    /// # Errors
    /// When the system refuses; a connection that broke meanwhile is one such case.
    pub fn accept(&self) -> io::Result<Arc<dyn Transport>> {
        match self {
            Listener::Unix(listener) => Ok(Arc::new(listener.accept()?.0)),
            Listener::Tcp(listener) => tcp::accept(listener),
        }
    }
}

/// Calls `stop` once, on a thread of its own, when the process is asked to end (SIGTERM, SIGINT).
///
/// # Errors
/// When signals or the thread cannot be had.
pub fn on_termination(stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGINT,
    ])?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if signals.forever().next().is_some() {
                stop();
            }
        })?;
    Ok(())
}

impl Transport for Streams {
    fn input(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.input).read(buffer)
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.output).write_all(bytes)
    }

    fn write_slices(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        super::write_slices(&self.output, slices)
    }

    fn is_writable(&self) -> bool {
        is_writable(&self.output)
    }

    fn finish(&self) {
        // A pipe ends when the process does.
        let _ = rustix::net::shutdown(self.output.as_fd(), rustix::net::Shutdown::Write);
    }
}

impl Transport for UnixStream {
    fn input(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&mut &*self).write_all(bytes)
    }

    fn write_slices(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        super::write_slices(self, slices)
    }

    fn is_writable(&self) -> bool {
        is_writable(self)
    }

    fn finish(&self) {
        // A socket that is gone already is as good as closed.
        let _ = self
            .set_read_timeout(Some(tcp::CLOSE_GRACE))
            .and_then(|()| self.shutdown(Shutdown::Write));
    }
}

pub(super) fn wait_readable(input: BorrowedFd<'_>, limit: Option<Duration>) -> bool {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    let mut polled = [PollFd::new(&input, PollFlags::IN)];
    loop {
        match poll(&mut polled, limit.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            // Any other error shows when it is read.
            result => return result != Ok(0),
        }
    }
}

/// Sockets and pipes count as writable only with room for several kilobytes.
pub(super) fn is_writable(stream: impl AsFd) -> bool {
    let mut polled = [PollFd::new(&stream, PollFlags::OUT)];
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}
