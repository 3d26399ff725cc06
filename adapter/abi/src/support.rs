//! The structures, flags and function types that the codes of `ServerSupportFunction` take (`ISAPI.md` §4.2).
//!
//! The extension owns and fills them, and they must stay valid until the call returns, or until the completion
//! function is called if the operation is asynchronous.

use crate::{
    ecb::PFN_HSE_IO_COMPLETION,
    types::{
        BOOL, BYTE, CHAR, DWORD, HANDLE, HRESULT, LPBYTE, LPCSTR, LPCWSTR, LPSTR, LPVOID, LPWSTR,
        MAX_PATH, ULONGLONG, USHORT, WCHAR,
    },
};

/// Argument of `HSE_REQ_TRANSMIT_FILE` (1006).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_TF_INFO {
    /// Completion function of this call; NULL: the one registered with `HSE_REQ_IO_COMPLETION`.
    pub pfnHseIO: PFN_HSE_IO_COMPLETION,
    /// Its context.
    pub pContext: LPVOID,
    /// The file, opened for overlapped reading; stays the extension's, which closes it in the completion function.
    pub hFile: HANDLE,
    /// Status such as `200 OK`, used with `HSE_IO_SEND_HEADERS`; else NULL.
    pub pszStatusCode: LPCSTR,
    /// How many bytes of the file to send; 0: all from `Offset` on.
    pub BytesToWrite: DWORD,
    /// Where in the file to begin, in bytes.
    pub Offset: DWORD,
    /// With `HSE_IO_SEND_HEADERS` the header lines with the empty line, else bytes to send before the file. May be NULL.
    pub pHead: LPVOID,
    /// Bytes at `pHead`.
    pub HeadLength: DWORD,
    /// Bytes to send behind the file. May be NULL.
    pub pTail: LPVOID,
    /// Bytes at `pTail`.
    pub TailLength: DWORD,
    /// Set of `HSE_IO_ASYNC` (required), `HSE_IO_SEND_HEADERS`, `HSE_IO_DISCONNECT_AFTER_SEND`, `HSE_IO_NODELAY`.
    pub dwFlags: DWORD,
}

/// Argument of `HSE_REQ_SEND_RESPONSE_HEADER_EX` (1016).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_SEND_HEADER_EX_INFO {
    /// Status such as `200 OK`; NULL or empty: `200 OK`.
    pub pszStatus: LPCSTR,
    /// Header lines, an empty line, perhaps the first body bytes; NULL: none.
    pub pszHeader: LPCSTR,
    /// Bytes at `pszStatus` without a NUL; 0: up to the NUL.
    pub cchStatus: DWORD,
    /// Bytes at `pszHeader` without a NUL; 0: up to the NUL.
    pub cchHeader: DWORD,
    /// May the connection be kept? `FALSE` means `Connection: close`.
    pub fKeepConn: BOOL,
}

/// Result of `HSE_REQ_MAP_URL_TO_PATH_EX` (1012); all fields are filled by the host.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_URL_MAPEX_INFO {
    /// The physical path, NUL-terminated.
    pub lpszPath: [CHAR; MAX_PATH],
    /// Set of `HSE_URL_FLAGS_*`: what the directory of the URL permits.
    pub dwFlags: DWORD,
    /// How many characters of the path stand for the matched virtual directory.
    pub cchMatchingPath: DWORD,
    /// How many characters of the URL name the matched virtual directory.
    pub cchMatchingURL: DWORD,
    /// Reserved, 0.
    pub dwReserved1: DWORD,
    /// Reserved, 0.
    pub dwReserved2: DWORD,
}

/// Result of `HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX` (1024); all fields are filled by the host. There are no reserved
/// fields behind the last one, although some documents show two: never write them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_UNICODE_URL_MAPEX_INFO {
    /// The physical path, NUL-terminated UTF-16.
    pub lpszPath: [WCHAR; MAX_PATH],
    /// Set of `HSE_URL_FLAGS_*`: what the directory of the URL permits.
    pub dwFlags: DWORD,
    /// How many characters of the path stand for the matched virtual directory.
    pub cchMatchingPath: DWORD,
    /// How many characters of the URL name the matched virtual directory.
    pub cchMatchingURL: DWORD,
}

/// Reading is allowed.
pub const HSE_URL_FLAGS_READ: DWORD = 0x001;
/// Writing is allowed.
pub const HSE_URL_FLAGS_WRITE: DWORD = 0x002;
/// Running programs is allowed.
pub const HSE_URL_FLAGS_EXECUTE: DWORD = 0x004;
/// TLS is required.
pub const HSE_URL_FLAGS_SSL: DWORD = 0x008;
/// The answer must not be cached.
pub const HSE_URL_FLAGS_DONT_CACHE: DWORD = 0x010;
/// A client certificate is asked for.
pub const HSE_URL_FLAGS_NEGO_CERT: DWORD = 0x020;
/// A client certificate is required.
pub const HSE_URL_FLAGS_REQUIRE_CERT: DWORD = 0x040;
/// The client certificate is mapped to an account.
pub const HSE_URL_FLAGS_MAP_CERT: DWORD = 0x080;
/// TLS with 128-bit keys is required.
pub const HSE_URL_FLAGS_SSL128: DWORD = 0x100;
/// Running mapped scripts is allowed.
pub const HSE_URL_FLAGS_SCRIPT: DWORD = 0x200;
/// All of these flags.
pub const HSE_URL_FLAGS_MASK: DWORD = 0x3FF;

/// The user of a child request (`HSE_REQ_EXEC_URL`, 1026).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_EXEC_URL_USER_INFO {
    /// Token of the user.
    pub hImpersonationToken: HANDLE,
    /// The user's name.
    pub pszCustomUserName: LPSTR,
    /// The scheme by which the user was authenticated.
    pub pszCustomAuthType: LPSTR,
}

/// The user of a child request (`HSE_REQ_EXEC_UNICODE_URL`, 1025).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_EXEC_UNICODE_URL_USER_INFO {
    /// Token of the user.
    pub hImpersonationToken: HANDLE,
    /// The user's name in UTF-16.
    pub pszCustomUserName: LPWSTR,
    /// The scheme by which the user was authenticated, single-byte here too.
    pub pszCustomAuthType: LPSTR,
}

/// The body of a child request.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_EXEC_URL_ENTITY_INFO {
    /// Bytes at `lpbData`.
    pub cbAvailable: DWORD,
    /// The body.
    pub lpbData: LPVOID,
}

/// Argument of `HSE_REQ_EXEC_URL` (1026).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_EXEC_URL_INFO {
    /// The URL to run; NULL: the current one again.
    pub pszUrl: LPSTR,
    /// Its method; NULL: that of the current request.
    pub pszMethod: LPSTR,
    /// Its request headers, replacing all; NULL: those of the current request.
    pub pszChildHeaders: LPSTR,
    /// Its user; NULL: that of the current request.
    pub pUserInfo: *mut HSE_EXEC_URL_USER_INFO,
    /// Its body; NULL: what the extension has not read of the current one.
    pub pEntity: *mut HSE_EXEC_URL_ENTITY_INFO,
    /// Set of `HSE_EXEC_URL_*` flags.
    pub dwExecUrlFlags: DWORD,
}

/// Argument of `HSE_REQ_EXEC_UNICODE_URL` (1025).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_EXEC_UNICODE_URL_INFO {
    /// The URL to run in UTF-16; NULL: the current one again.
    pub pszUrl: LPWSTR,
    /// Its method; NULL: that of the current request.
    pub pszMethod: LPSTR,
    /// Its request headers, replacing all; NULL: those of the current request.
    pub pszChildHeaders: LPSTR,
    /// Its user; NULL: that of the current request.
    pub pUserInfo: *mut HSE_EXEC_UNICODE_URL_USER_INFO,
    /// Its body; NULL: what the extension has not read of the current one.
    pub pEntity: *mut HSE_EXEC_URL_ENTITY_INFO,
    /// Set of `HSE_EXEC_URL_*` flags.
    pub dwExecUrlFlags: DWORD,
}

/// Suppress the response headers of the child.
pub const HSE_EXEC_URL_NO_HEADERS: DWORD = 0x02;
/// Skip the wildcard handler that makes the call; without it the same URL comes back to the caller.
pub const HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR: DWORD = 0x04;
/// The child ignores `If-*` and `Range` headers.
pub const HSE_EXEC_URL_IGNORE_VALIDATION_AND_RANGE: DWORD = 0x10;
/// No custom error pages for the child.
pub const HSE_EXEC_URL_DISABLE_CUSTOM_ERROR: DWORD = 0x20;
/// Run as a server-side include's `#exec cmd` would.
pub const HSE_EXEC_URL_SSI_CMD: DWORD = 0x40;
/// The response may be cached by the server.
pub const HSE_EXEC_URL_HTTP_CACHE_ELIGIBLE: DWORD = 0x80;

/// Result of `HSE_REQ_GET_EXEC_URL_STATUS` (1027), of the last child; all fields are filled by the host.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_EXEC_URL_STATUS {
    /// HTTP status.
    pub uHttpStatusCode: USHORT,
    /// Sub-status, 0 if none.
    pub uHttpSubStatus: USHORT,
    /// Win32 error, 0 if none.
    pub dwWin32Error: DWORD,
}

/// Argument of `HSE_REQ_SEND_CUSTOM_ERROR` (1028).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_CUSTOM_ERROR_INFO {
    /// Status such as `404 Not Found`.
    pub pszStatus: LPSTR,
    /// Sub-error, 0 if none.
    pub uHttpSubError: USHORT,
    /// Return at once and call the completion function later?
    pub fAsync: BOOL,
}

/// `HSE_REQ_IS_IN_PROCESS`: in the server's process, or in an IIS 6 worker process; the only answer of this project.
pub const HSE_APP_FLAG_IN_PROCESS: DWORD = 0;
/// `HSE_REQ_IS_IN_PROCESS`: in a process of its own (IIS 4, 5).
pub const HSE_APP_FLAG_ISOLATED_OOP: DWORD = 1;
/// `HSE_REQ_IS_IN_PROCESS`: in a process shared with other applications (IIS 5).
pub const HSE_APP_FLAG_POOLED_OOP: DWORD = 2;

/// One piece of an [`HSE_RESPONSE_VECTOR`]. Aligned to 8 bytes on every target, as Windows compilers align a 64-bit
/// member.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct HSE_VECTOR_ELEMENT {
    /// One of the `HSE_VECTOR_ELEMENT_TYPE_*`.
    pub ElementType: DWORD,
    /// Address of the buffer, or the file's handle.
    pub pvContext: LPVOID,
    /// Where to begin in the file or buffer, in bytes.
    pub cbOffset: ULONGLONG,
    /// How many bytes from `cbOffset` on. File: 0 means all; buffer: 0 is invalid.
    pub cbSize: ULONGLONG,
}

/// The element is a buffer in memory.
pub const HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER: DWORD = 0;
/// The element is an open file.
pub const HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE: DWORD = 1;

/// Argument of `HSE_REQ_VECTOR_SEND` (1037).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_RESPONSE_VECTOR {
    /// Set of `HSE_IO_*`; `HSE_IO_SEND_HEADERS` if and only if both strings are given.
    pub dwFlags: DWORD,
    /// Status such as `200 OK`, or NULL.
    pub pszStatus: LPSTR,
    /// Header lines with the final empty line, or NULL.
    pub pszHeaders: LPSTR,
    /// Elements at `lpElementArray`; 0 with `HSE_IO_SEND_HEADERS`: headers only.
    pub nElementCount: DWORD,
    /// The pieces, in order.
    pub lpElementArray: *mut HSE_VECTOR_ELEMENT,
}

/// A certificate, as far as `HSE_REQ_GET_CERT_INFO_EX` uses the structure.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CERT_CONTEXT {
    /// Filled by the host: 1 for X.509, with `0x10000` for PKCS #7.
    pub dwCertEncodingType: DWORD,
    /// The extension's buffer; the host copies the DER certificate there.
    pub pbCertEncoded: LPBYTE,
    /// Filled by the host: size of the certificate in bytes.
    pub cbCertEncoded: DWORD,
    /// Not used.
    pub pCertInfo: LPVOID,
    /// Not used.
    pub hCertStore: LPVOID,
}

/// Argument of `HSE_REQ_GET_CERT_INFO_EX` (1015).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CERT_CONTEXT_EX {
    /// The certificate.
    pub CertContext: CERT_CONTEXT,
    /// Size in bytes of the buffer at `CertContext.pbCertEncoded`.
    pub cbAllocated: DWORD,
    /// Filled by the host: bit 0 there is a certificate, bit 1 its issuer is not trusted.
    pub dwCertificateFlags: DWORD,
}

/// Result of `HSE_REQ_GET_TRACE_INFO` (1042); all fields are filled by the host.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HSE_TRACE_INFO {
    /// Is the request traced?
    pub fTraceRequest: BOOL,
    /// Identifier of the request in the trace.
    pub TraceContextId: [BYTE; 16],
    /// Reserved, 0.
    pub dwReserved1: DWORD,
    /// Reserved, 0.
    pub dwReserved2: DWORD,
}

/// What `HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK` (1040) hands out: drops the URL (the value of `UNICODE_CACHE_URL`)
/// from the server's cache.
pub type PFN_HSE_CACHE_INVALIDATION_CALLBACK =
    Option<unsafe extern "system" fn(pszUrl: LPCWSTR) -> HRESULT>;

/// What `HSE_REQ_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK` (1048) hands out.
pub type PFN_HSE_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK = Option<
    unsafe extern "system" fn(
        pszProtocolManagerDll: LPCWSTR,
        pszProtocolManagerDllInitFunction: LPCWSTR,
        dwCustomInterfaceId: DWORD,
        ppCustomInterface: *mut LPVOID,
    ) -> HRESULT,
>;
