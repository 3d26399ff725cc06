//! The entry points of an extension, and the block through which it sees one request (`ISAPI.md` §1, §2, §3).

use crate::types::{BOOL, CHAR, DWORD, HCONN, LPBYTE, LPCSTR, LPDWORD, LPSTR, LPVOID, MAKELONG};

/// Major number of the interface described here, as in the current Windows SDK (`ISAPI.md` §1.2).
pub const HSE_VERSION_MAJOR: u16 = 8;
/// Minor number of the interface described here.
pub const HSE_VERSION_MINOR: u16 = 0;
/// The interface version as `dwVersion` and `dwExtensionVersion` carry it: major number in the high word.
pub const HSE_VERSION: DWORD = MAKELONG(HSE_VERSION_MINOR, HSE_VERSION_MAJOR);
/// Size of [`EXTENSION_CONTROL_BLOCK::lpszLogData`] in bytes, NUL included.
pub const HSE_LOG_BUFFER_LEN: usize = 80;
/// Size of [`HSE_VERSION_INFO::lpszExtensionDesc`] in bytes, NUL included.
pub const HSE_MAX_EXT_DLL_NAME_LEN: usize = 256;

/// `GetExtensionVersion`, required: called once after loading, before the first request. [`crate::types::FALSE`]
/// means that the extension must not be used (`ISAPI.md` §1.3).
pub type PFN_GETEXTENSIONVERSION = unsafe extern "system" fn(pVer: *mut HSE_VERSION_INFO) -> BOOL;

/// `HttpExtensionProc`, required: called once for every request, on several threads at a time; returns one of
/// [`crate::status`] (`ISAPI.md` §1.4).
pub type PFN_HTTPEXTENSIONPROC =
    unsafe extern "system" fn(pECB: *mut EXTENSION_CONTROL_BLOCK) -> DWORD;

/// `TerminateExtension`, optional: called before unloading with one of the `HSE_TERM_*` flags, never while a request
/// is outstanding (`ISAPI.md` §1.5).
pub type PFN_TERMINATEEXTENSION = unsafe extern "system" fn(dwFlags: DWORD) -> BOOL;

/// What an extension tells about itself in `GetExtensionVersion` (`ISAPI.md` §1.2). The host owns it and zeroes it
/// before the call.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_VERSION_INFO {
    /// Out: the interface version that the extension was built for, major number in the high word. Any is accepted.
    pub dwExtensionVersion: DWORD,
    /// Out: a description, NUL-terminated unless the extension was careless.
    pub lpszExtensionDesc: [CHAR; HSE_MAX_EXT_DLL_NAME_LEN],
}

/// One request, as the extension sees it (`ISAPI.md` §2).
///
/// The block and all that it points to belong to the host. They live until `HttpExtensionProc` returns anything but
/// `HSE_STATUS_PENDING`, or until the extension ends a pending request with `HSE_REQ_DONE_WITH_SESSION` (§2.1).
/// No string is NULL: an absent value is `""`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EXTENSION_CONTROL_BLOCK {
    /// In: size of this structure in bytes.
    pub cbSize: DWORD,
    /// In: the host's interface version, major number in the high word.
    pub dwVersion: DWORD,
    /// In: identifies the request; handed back as first argument of every callback. Opaque (§2.4).
    pub ConnID: HCONN,
    /// Out: HTTP status of the finished request, for the log only. 200 at the start.
    pub dwHttpStatusCode: DWORD,
    /// Out: text that is appended to the request's log entry. All NUL at the start; without a NUL at the end only the
    /// first 79 bytes count.
    pub lpszLogData: [CHAR; HSE_LOG_BUFFER_LEN],
    /// In: request method as sent; = `REQUEST_METHOD`.
    pub lpszMethod: LPSTR,
    /// In: what follows `?` in the URL, not decoded; = `QUERY_STRING`.
    pub lpszQueryString: LPSTR,
    /// In: the part of the path that belongs to the extension, decoded; = `PATH_INFO` (§5.4).
    pub lpszPathInfo: LPSTR,
    /// In: the file-system path that `lpszPathInfo` stands for; = `PATH_TRANSLATED` (§5.4).
    pub lpszPathTranslated: LPSTR,
    /// In: size of the request body in bytes; `0xFFFF_FFFF` for unknown or 4 GiB and more (§2.3).
    pub cbTotalBytes: DWORD,
    /// In: how many bytes of the body are at `lpbData` already; `ReadClient` gives those behind them.
    pub cbAvailable: DWORD,
    /// In: the first `cbAvailable` bytes of the body, followed by a NUL that does not count.
    pub lpbData: LPBYTE,
    /// In: media type of the body; = `CONTENT_TYPE`.
    pub lpszContentType: LPSTR,
    /// In: reads a server variable (§3.1).
    pub GetServerVariable: PFN_IIS_GETSERVERVARIABLE,
    /// In: sends bytes to the client (§3.2).
    pub WriteClient: PFN_IIS_WRITECLIENT,
    /// In: receives bytes of the request body (§3.3).
    pub ReadClient: PFN_IIS_READCLIENT,
    /// In: everything else, by number (§3.4, [`crate::requests`]).
    pub ServerSupportFunction: PFN_IIS_SERVERSUPPORTFUNCTION,
}

/// Copies the variable named `lpszVariableName` (§5.2) to `lpvBuffer`.
///
/// `*lpdwSize` is the buffer's size in bytes before, and the size of the value with its terminating NUL after the
/// call. Fails with `ERROR_INSUFFICIENT_BUFFER` (and the needed size), `ERROR_INVALID_INDEX` for an unknown name or
/// `ERROR_INVALID_PARAMETER` (`ISAPI.md` §3.1).
pub type PFN_IIS_GETSERVERVARIABLE = unsafe extern "system" fn(
    hConn: HCONN,
    lpszVariableName: LPCSTR,
    lpvBuffer: LPVOID,
    lpdwSize: LPDWORD,
) -> BOOL;

/// Sends `*lpdwBytes` bytes at `Buffer`, and leaves in `*lpdwBytes` how many were sent.
///
/// `dwFlags` is 0 or a set of `HSE_IO_SYNC`, `HSE_IO_ASYNC` and `HSE_IO_NODELAY`. Fails when the client has gone
/// (`ISAPI.md` §3.2).
pub type PFN_IIS_WRITECLIENT = unsafe extern "system" fn(
    ConnID: HCONN,
    Buffer: LPVOID,
    lpdwBytes: LPDWORD,
    dwFlags: DWORD,
) -> BOOL;

/// Reads at most `*lpdwSize` bytes of the body behind the first `cbAvailable` ones into `lpvBuffer`, and leaves in
/// `*lpdwSize` how many came; 0 is the end of the body (`ISAPI.md` §3.3).
pub type PFN_IIS_READCLIENT =
    unsafe extern "system" fn(ConnID: HCONN, lpvBuffer: LPVOID, lpdwSize: LPDWORD) -> BOOL;

/// Does what `dwHSERequest` says (one of [`crate::requests`]). The code alone decides what the three pointers are,
/// and a pointer that the code does not define may hold garbage (`ISAPI.md` §3.4, §4).
pub type PFN_IIS_SERVERSUPPORTFUNCTION = unsafe extern "system" fn(
    hConn: HCONN,
    dwHSERequest: DWORD,
    lpvBuffer: LPVOID,
    lpdwSize: LPDWORD,
    lpdwDataType: LPDWORD,
) -> BOOL;

/// The extension's function that an asynchronous operation ends with: exactly one call for every operation that was
/// accepted, on a thread of the host (`ISAPI.md` §4.3).
///
/// `pContext` is the pointer given at registration, `cbIO` the number of bytes moved, `dwError` 0 or a Win32 error.
/// `None` (NULL) removes the registration.
pub type PFN_HSE_IO_COMPLETION = Option<
    unsafe extern "system" fn(
        pECB: *mut EXTENSION_CONTROL_BLOCK,
        pContext: LPVOID,
        cbIO: DWORD,
        dwError: DWORD,
    ),
>;
