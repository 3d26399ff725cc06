//! Windows, and Wine: where the gateway hands over pipes, sockets and paths of Unix.

mod file;
mod place;

use std::borrow::Cow;
use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::windows::io::{
    AsHandle as _, AsRawHandle as _, AsRawSocket as _, BorrowedHandle, FromRawHandle as _,
    IntoRawHandle as _, OwnedHandle, RawHandle,
};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use isapi_abi::types::HANDLE;
use libloading::Library;
use libloading::os::windows as loader;
use windows_sys::Win32::Foundation::{
    CloseHandle, FARPROC, GENERIC_READ, GENERIC_WRITE, GetLastError, NTSTATUS,
    RtlNtStatusToDosError, SetLastError,
};
use windows_sys::Win32::Globalization::{CP_ACP, WC_NO_BEST_FIT_CHARS, WideCharToMultiByte};
use windows_sys::Win32::Networking::WinSock::{
    POLLWRNORM, WSADATA, WSAPOLLFD, WSAPoll, WSAStartup,
};
use windows_sys::Win32::Security::{
    DuplicateTokenEx, SecurityImpersonation, TOKEN_DUPLICATE, TOKEN_IMPERSONATE, TOKEN_QUERY,
    TokenImpersonation,
};
use windows_sys::Win32::Storage::FileSystem::SYNCHRONIZE;
use windows_sys::Win32::System::Com::{COINIT_MULTITHREADED, CoInitializeEx};
use windows_sys::Win32::System::Console::{
    STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetConsoleCtrlHandler, SetStdHandle,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows_sys::core::BOOL;
use windows_sys::w;

use super::{Transport, tcp};
use crate::drives::Drives;
use crate::options::Address;

pub use file::ForeignFile;
pub use place::{MOST_PROCESSORS, Place, ThreadId};

static DRIVES: OnceLock<Drives> = OnceLock::new();

/// The calling thread's last error.
pub fn last_error() -> u32 {
    // SAFETY: always allowed.
    unsafe { GetLastError() }
}

/// Sets the calling thread's last error.
pub fn set_last_error(code: u32) {
    // SAFETY: always allowed.
    unsafe { SetLastError(code) };
}

/// Makes the process ready for extensions: Winsock is started, as they expect of their host, and no box asks the
/// operator about errors.
pub fn prepare_process(drives: &Drives) {
    // Prepared once; what was first stays.
    let _ = DRIVES.set(drives.clone());
    // SAFETY: plain calls; the structure is valid for the time of its call. An extension that needs Winsock and does
    // not get it notices by itself.
    unsafe {
        SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
        let mut data: WSADATA = std::mem::zeroed();
        WSAStartup(0x0202, &raw mut data);
    }
}

/// Makes a new pool thread ready for extensions: it joins COM's multithreaded apartment (ISAPI.md §7.3).
pub fn prepare_thread() {
    // SAFETY: a plain call. Where COM is missing, the extension learns it.
    unsafe { CoInitializeEx(std::ptr::null(), COINIT_MULTITHREADED.cast_unsigned()) };
}

/// A path of the gateway or of a web server, as Windows writes it, in UTF-8.
pub fn native_path(path: &[u8]) -> Cow<'_, [u8]> {
    Cow::Owned(DRIVES.get_or_init(Drives::default).to_windows(path))
}

/// UTF-8 in the code page that the functions of Windows without a W expect. Text with characters that are not in that
/// page stays as it is.
pub fn to_code_page(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match from_utf8_to_code_page(&text) {
        Some(narrow) => Cow::Owned(narrow),
        None => text,
    }
}

fn from_utf8_to_code_page(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return None;
    }
    let wide: Vec<u16> = std::str::from_utf8(text).ok()?.encode_utf16().collect();
    // No page has characters of more than four bytes.
    let mut narrow = vec![0_u8; wide.len() * 4];
    let mut lost = 0;
    // SAFETY: both buffers are as long as said. If the page is UTF-8, the call fails for being asked what is lost.
    let count = unsafe {
        WideCharToMultiByte(
            CP_ACP,
            WC_NO_BEST_FIT_CHARS,
            wide.as_ptr(),
            i32::try_from(wide.len()).ok()?,
            narrow.as_mut_ptr(),
            i32::try_from(narrow.len()).ok()?,
            std::ptr::null(),
            &raw mut lost,
        )
    };
    narrow.truncate(usize::try_from(count).ok()?);
    (lost == 0 && !narrow.is_empty()).then_some(narrow)
}

/// The worker's own token, duplicated so that threads can impersonate with it (ISAPI.md §4.2, code 1011). Made at the
/// first call and kept: the handle is the host's. `None` where the system refuses.
pub fn impersonation_token() -> Option<HANDLE> {
    static TOKEN: OnceLock<usize> = OnceLock::new();
    let token = *TOKEN.get_or_init(|| {
        let mut own = std::ptr::null_mut();
        let mut duplicate = std::ptr::null_mut();
        // SAFETY: plain calls; the handles are valid for the time of each call, the first is closed once.
        unsafe {
            if OpenProcessToken(
                GetCurrentProcess(),
                TOKEN_DUPLICATE | TOKEN_QUERY,
                &raw mut own,
            ) == 0
            {
                return 0;
            }
            DuplicateTokenEx(
                own,
                TOKEN_QUERY | TOKEN_IMPERSONATE | TOKEN_DUPLICATE,
                std::ptr::null(),
                SecurityImpersonation,
                TokenImpersonation,
                &raw mut duplicate,
            );
            CloseHandle(own);
        }
        duplicate.expose_provenance()
    });
    (token != 0).then(|| std::ptr::with_exposed_provenance_mut(token))
}

/// Loads a library, with its own folder as the first that is searched for what it needs.
///
/// # Safety
/// Runs the library's code.
///
/// # Errors
/// When the system's loader refuses it.
pub unsafe fn load_library(path: &Path) -> Result<Library, libloading::Error> {
    // SAFETY: by the caller's promise.
    unsafe { loader::Library::load_with_flags(path, loader::LOAD_WITH_ALTERED_SEARCH_PATH) }
        .map(Library::from)
}

/// Files that were mapped at some time. Windows locks the file of a loaded library; Wine does not, and gives no way to
/// replace its mappings.
pub struct Images;

impl Images {
    /// Those that are mapped now.
    pub fn mapped() -> Self {
        Self
    }

    /// Makes the images in this folder private that have been mapped since. Nothing to do here.
    ///
    /// # Safety
    /// Always sound.
    ///
    /// # Errors
    /// None.
    pub unsafe fn make_private(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Two streams, one for each direction.
pub struct Streams {
    input: File,
    output: File,
}

/// Takes standard input and output for the protocol and leaves the extension `NUL` and standard error in their place:
/// what an extension prints must not end up among the records.
///
/// # Errors
/// When there are none, or they cannot be duplicated.
pub fn take_standard_streams() -> io::Result<Streams> {
    let keep = |handle: BorrowedHandle<'_>| {
        if handle.as_raw_handle().is_null() {
            return Err(io::Error::other("there is none"));
        }
        Ok(File::from(handle.try_clone_to_owned()?))
    };
    let streams = Streams {
        input: keep(io::stdin().as_handle())?,
        output: keep(io::stdout().as_handle())?,
    };
    let nothing = File::open("NUL")?.into_raw_handle();
    redirect_c_library()?;
    // SAFETY: both handles stay open to the end of the process.
    unsafe {
        SetStdHandle(STD_INPUT_HANDLE, nothing);
        SetStdHandle(STD_OUTPUT_HANDLE, io::stderr().as_raw_handle());
    }
    Ok(streams)
}

/// The C library that many extensions share with us has its own idea of the standard streams, made when it was loaded.
/// Libraries that are loaded later look at the handles.
fn redirect_c_library() -> io::Result<()> {
    const READ_ONLY: c_int = 0;
    unsafe extern "C" {
        fn _open(path: *const std::ffi::c_char, flags: c_int, ...) -> c_int;
        fn _dup2(from: c_int, to: c_int) -> c_int;
    }
    // SAFETY: plain calls with numbers and a constant text.
    let redirected = unsafe {
        let nothing = _open(c"NUL".as_ptr(), READ_ONLY);
        nothing >= 0 && _dup2(nothing, 0) == 0 && _dup2(2, 1) == 0
    };
    if redirected {
        Ok(())
    } else {
        Err(io::Error::other(
            "the C library does not redirect its streams",
        ))
    }
}

/// What the gateway has left open for us under this number of Unix: a connected socket, a file.
///
/// # Errors
/// When there is nothing, or this is not Wine.
pub fn inherited<T: From<OwnedHandle>>(number: i32) -> io::Result<T> {
    type FdToHandle =
        unsafe extern "C" fn(fd: c_int, access: u32, attributes: u32, *mut RawHandle) -> NTSTATUS;
    // SAFETY: ntdll is part of every process; the function has the type that Wine gives it.
    let convert = unsafe {
        let found = GetProcAddress(
            GetModuleHandleW(w!("ntdll.dll")),
            c"wine_server_fd_to_handle".as_ptr().cast(),
        );
        std::mem::transmute::<FARPROC, Option<FdToHandle>>(found)
    };
    let convert = convert.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "descriptors can be inherited under Wine only",
        )
    })?;
    let mut handle = std::ptr::null_mut();
    // SAFETY: `handle` is valid for the time of the call. A number that is no descriptor fails.
    let status = unsafe {
        convert(
            number,
            GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE,
            0,
            &raw mut handle,
        )
    };
    if status != 0 {
        // SAFETY: a pure function.
        let code = unsafe { RtlNtStatusToDosError(status) };
        return Err(io::Error::from_raw_os_error(code.cast_signed()));
    }
    // SAFETY: a fresh handle that is ours alone.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) }.into())
}

/// A socket of Unix behind a handle.
pub struct Stream(File);

impl From<OwnedHandle> for Stream {
    fn from(handle: OwnedHandle) -> Self {
        Self(handle.into())
    }
}

/// A socket that waits for connections.
pub struct Listener(TcpListener);

/// Listens on an address.
///
/// # Errors
/// When the system refuses it, and for Unix sockets.
pub fn listen(address: &Address) -> io::Result<Listener> {
    match address {
        Address::Unix(_) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "Windows programs cannot listen on Unix sockets: give HOST:PORT",
        )),
        Address::Tcp(address) => TcpListener::bind(address).map(Listener),
    }
}

/// Standard input is never a listening socket here.
pub fn listener_on_standard_input() -> Option<Listener> {
    None
}

impl Listener {
    /// Waits for a connection.
    ///
    /// # Errors
    /// When the system refuses; a connection that broke meanwhile is one such case.
    pub fn accept(&self) -> io::Result<Arc<dyn Transport>> {
        tcp::accept(&self.0)
    }
}

/// Calls `stop` once, on a thread of its own, when the process is asked to end (Ctrl+C, a closed console, shutdown).
///
/// # Errors
/// When the system refuses.
pub fn on_termination(stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    type Stop = Box<dyn FnOnce() + Send>;
    static STOP: Mutex<Option<Stop>> = Mutex::new(None);
    unsafe extern "system" fn on_control(_: u32) -> BOOL {
        let stop = STOP.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stop) = stop {
            stop();
        }
        1
    }
    *STOP.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(stop));
    // SAFETY: the function may be called at any time.
    if unsafe { SetConsoleCtrlHandler(Some(on_control), 1) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

impl Transport for Streams {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.input).read(buffer)
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.output).write_all(bytes)
    }

    /// Nothing tells. The gateway's credit answers for it, and a CGI program has nobody else to keep waiting.
    fn is_writable(&self) -> bool {
        true
    }

    fn finish(&self) {
        // Its end comes with that of the process.
    }
}

impl Transport for Stream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    /// As above.
    fn is_writable(&self) -> bool {
        true
    }

    fn finish(&self) {
        // As above.
    }
}

pub(super) fn is_writable(stream: &TcpStream) -> bool {
    let Ok(fd) = usize::try_from(stream.as_raw_socket()) else {
        return false;
    };
    let mut polled = WSAPOLLFD {
        fd,
        events: POLLWRNORM,
        revents: 0,
    };
    // SAFETY: one valid structure.
    unsafe { WSAPoll(&raw mut polled, 1, 0) > 0 }
}

/// An alarm: set by some threads, waited for by one. Timers cost more here than to look a few times.
pub struct Alarm(OnceLock<Thread>);

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// None here.
    pub fn new() -> io::Result<Self> {
        Ok(Self(OnceLock::new()))
    }

    /// It rings after this time or sooner.
    pub fn set(&self, _: Duration) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }

    /// Nothing is cleared here.
    pub fn clear(&self) -> bool {
        false
    }

    /// Waits until it rings, but no longer than `limit`.
    pub fn wait(&self, limit: Duration) {
        self.0.get_or_init(std::thread::current);
        std::thread::park_timeout(limit);
    }
}
