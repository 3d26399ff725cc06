//! ISAPI filters: entry points, notifications, the context and its callbacks (`ISAPI.md` §8).

use crate::types::{BOOL, CHAR, DWORD, HANDLE, LPCSTR, LPDWORD, LPSTR, LPVOID, MAKELONG};

/// Version of the filter interface, major number in the high word.
pub const HTTP_FILTER_REVISION: DWORD = MAKELONG(0, 6);
/// Size of a user name buffer in bytes, NUL included.
pub const SF_MAX_USERNAME: usize = 257;
/// Size of a password buffer in bytes, NUL included.
pub const SF_MAX_PASSWORD: usize = 257;
/// Size of an authentication scheme buffer in bytes, NUL included.
pub const SF_MAX_AUTH_TYPE: usize = 33;
/// Size of [`HTTP_FILTER_VERSION::lpszFilterDesc`] in bytes, NUL included.
pub const SF_MAX_FILTER_DESC_LEN: usize = 257;

/// `GetFilterVersion`, required: called once after loading; `FALSE` means that the filter must not be used.
pub type PFN_GETFILTERVERSION = unsafe extern "system" fn(pVer: *mut HTTP_FILTER_VERSION) -> BOOL;
/// `HttpFilterProc`, required: called for every notification that the filter asked for; returns an
/// `SF_STATUS_REQ_*`. `pvNotification` is the structure of that notification, or NULL.
pub type PFN_HTTPFILTERPROC = unsafe extern "system" fn(
    pfc: *mut HTTP_FILTER_CONTEXT,
    NotificationType: DWORD,
    pvNotification: LPVOID,
) -> DWORD;
/// `TerminateFilter`, optional: called before unloading; its result is ignored.
pub type PFN_TERMINATEFILTER = unsafe extern "system" fn(dwFlags: DWORD) -> BOOL;

/// What a filter tells about itself in `GetFilterVersion`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_FILTER_VERSION {
    /// In: the server's [`HTTP_FILTER_REVISION`].
    pub dwServerFilterVersion: DWORD,
    /// Out: the revision that the filter was built for.
    pub dwFilterVersion: DWORD,
    /// Out: a description, NUL-terminated.
    pub lpszFilterDesc: [CHAR; SF_MAX_FILTER_DESC_LEN],
    /// Out: set of `SF_NOTIFY_*`: the notifications, the ports and the priority.
    pub dwFlags: DWORD,
}

/// The session that a notification belongs to. The block may be another one each time: only `ServerContext` and
/// `pFilterContext` identify the session.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_FILTER_CONTEXT {
    /// In: size of this structure in bytes.
    pub cbSize: DWORD,
    /// In: the server's [`HTTP_FILTER_REVISION`].
    pub Revision: DWORD,
    /// In: the server's own, opaque.
    pub ServerContext: LPVOID,
    /// Reserved.
    pub ulReserved: DWORD,
    /// In: does the request come over TLS?
    pub fIsSecurePort: BOOL,
    /// The filter's own pointer, kept for it until the connection ends; NULL at the start.
    pub pFilterContext: LPVOID,
    /// In: reads a server variable, as an extension does (§3.1).
    pub GetServerVariable: PFN_SF_GETSERVERVARIABLE,
    /// In: adds header lines to the coming response.
    pub AddResponseHeaders: PFN_SF_ADDRESPONSEHEADERS,
    /// In: sends raw bytes to the client.
    pub WriteClient: PFN_SF_WRITECLIENT,
    /// In: allocates memory that the server frees when the connection ends.
    pub AllocMem: PFN_SF_ALLOCMEM,
    /// In: everything else, by number (`SF_REQ_*`).
    pub ServerSupportFunction: PFN_SF_SERVERSUPPORTFUNCTION,
}

/// Copies a server variable to `lpvBuffer`; sizes and errors as for extensions (§3.1).
pub type PFN_SF_GETSERVERVARIABLE = unsafe extern "system" fn(
    pfc: *mut HTTP_FILTER_CONTEXT,
    lpszVariableName: LPSTR,
    lpvBuffer: LPVOID,
    lpdwSize: LPDWORD,
) -> BOOL;
/// Keeps `Name: value` lines, each with CRLF, for the coming response; `dwReserved` is 0.
pub type PFN_SF_ADDRESPONSEHEADERS = unsafe extern "system" fn(
    pfc: *mut HTTP_FILTER_CONTEXT,
    lpszHeaders: LPSTR,
    dwReserved: DWORD,
) -> BOOL;
/// Sends `*lpdwBytes` bytes at `Buffer` to the client; `dwReserved` is 0.
pub type PFN_SF_WRITECLIENT = unsafe extern "system" fn(
    pfc: *mut HTTP_FILTER_CONTEXT,
    Buffer: LPVOID,
    lpdwBytes: LPDWORD,
    dwReserved: DWORD,
) -> BOOL;
/// Allocates `cbSize` bytes; NULL on failure; `dwReserved` is 0.
pub type PFN_SF_ALLOCMEM = unsafe extern "system" fn(
    pfc: *mut HTTP_FILTER_CONTEXT,
    cbSize: DWORD,
    dwReserved: DWORD,
) -> LPVOID;
/// Does what `sfReq` says (one of the `SF_REQ_*`); `ul1` and `ul2` are as wide as pointers.
pub type PFN_SF_SERVERSUPPORTFUNCTION = unsafe extern "system" fn(
    pfc: *mut HTTP_FILTER_CONTEXT,
    sfReq: SF_REQ_TYPE,
    pData: LPVOID,
    ul1: usize,
    ul2: usize,
) -> BOOL;
/// Reads a header, named with its colon (`Host:`) or one of `method`, `url`, `version`, `status`; sizes and errors as
/// in §3.1.
pub type PFN_SF_GETHEADER = unsafe extern "system" fn(
    pfc: *mut HTTP_FILTER_CONTEXT,
    lpszName: LPSTR,
    lpvBuffer: LPVOID,
    lpdwSize: LPDWORD,
) -> BOOL;
/// Replaces (`SetHeader`; an empty value deletes) or appends (`AddHeader`) a header.
pub type PFN_SF_SETHEADER = unsafe extern "system" fn(
    pfc: *mut HTTP_FILTER_CONTEXT,
    lpszName: LPSTR,
    lpszValue: LPSTR,
) -> BOOL;
/// Leaves the user's token in `*phToken`.
pub type PFN_SF_GETUSERTOKEN =
    unsafe extern "system" fn(pfc: *mut HTTP_FILTER_CONTEXT, phToken: *mut HANDLE) -> BOOL;

/// `SF_NOTIFY_READ_RAW_DATA`, `SF_NOTIFY_SEND_RAW_DATA`: a block as received or before it is sent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_FILTER_RAW_DATA {
    /// The bytes; may be changed in place, or replaced by memory of `AllocMem`.
    pub pvInData: LPVOID,
    /// How many bytes are valid.
    pub cbInData: DWORD,
    /// Size of the buffer in bytes.
    pub cbInBuffer: DWORD,
    /// Reserved.
    pub dwReserved: DWORD,
}

/// `SF_NOTIFY_PREPROC_HEADERS`: the request's headers before anything else is done with them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_FILTER_PREPROC_HEADERS {
    /// Reads a header.
    pub GetHeader: PFN_SF_GETHEADER,
    /// Replaces or deletes a header.
    pub SetHeader: PFN_SF_SETHEADER,
    /// Appends a header.
    pub AddHeader: PFN_SF_SETHEADER,
    /// Status of the response in `SF_NOTIFY_SEND_RESPONSE`, else 0.
    pub HttpStatus: DWORD,
    /// Reserved.
    pub dwReserved: DWORD,
}

/// `SF_NOTIFY_SEND_RESPONSE`: the response's headers before they are sent.
pub type HTTP_FILTER_SEND_RESPONSE = HTTP_FILTER_PREPROC_HEADERS;

/// `SF_NOTIFY_AUTHENTICATION`: the user before the server checks the account; an empty name is the anonymous user.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_FILTER_AUTHENT {
    /// The user's name; may be changed in place.
    pub pszUser: LPSTR,
    /// Size of that buffer in bytes, at least [`SF_MAX_USERNAME`].
    pub cbUserBuff: DWORD,
    /// The password; may be changed in place.
    pub pszPassword: LPSTR,
    /// Size of that buffer in bytes, at least [`SF_MAX_PASSWORD`].
    pub cbPasswordBuff: DWORD,
}

/// `SF_NOTIFY_URL_MAP`: a URL has been mapped to a path.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_FILTER_URL_MAP {
    /// The URL, read-only.
    pub pszURL: LPCSTR,
    /// The path; may be changed in place.
    pub pszPhysicalPath: LPSTR,
    /// Size of that buffer in bytes.
    pub cbPathBuff: DWORD,
}

/// `SF_NOTIFY_URL_MAP` on newer servers: [`HTTP_FILTER_URL_MAP`] and more.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_FILTER_URL_MAP_EX {
    /// The URL, read-only.
    pub pszURL: LPCSTR,
    /// The path; may be changed in place.
    pub pszPhysicalPath: LPSTR,
    /// Size of that buffer in bytes.
    pub cbPathBuff: DWORD,
    /// Set of `HSE_URL_FLAGS_*`.
    pub dwFlags: DWORD,
    /// How many characters of the path stand for the matched virtual directory.
    pub cchMatchingPath: DWORD,
    /// How many characters of the URL name the matched virtual directory.
    pub cchMatchingURL: DWORD,
    /// The script map entry that applies, read-only; NULL: none.
    pub pszScriptMapEntry: LPCSTR,
}

/// `SF_NOTIFY_ACCESS_DENIED`: a 401 is about to be sent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_FILTER_ACCESS_DENIED {
    /// The URL.
    pub pszURL: LPCSTR,
    /// Its path.
    pub pszPhysicalPath: LPCSTR,
    /// Set of `SF_DENIED_*`.
    pub dwReason: DWORD,
}

/// `SF_NOTIFY_LOG`: the request is about to be logged. Pointers may be replaced, the strings must not be changed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_FILTER_LOG {
    /// The client's name or address.
    pub pszClientHostName: LPCSTR,
    /// The user's name.
    pub pszClientUserName: LPCSTR,
    /// The server's name.
    pub pszServerName: LPCSTR,
    /// The method.
    pub pszOperation: LPCSTR,
    /// The URL without query.
    pub pszTarget: LPCSTR,
    /// The query.
    pub pszParameters: LPCSTR,
    /// HTTP status.
    pub dwHttpStatus: DWORD,
    /// Win32 error, 0 if none.
    pub dwWin32Status: DWORD,
    /// Bytes sent.
    pub dwBytesSent: DWORD,
    /// Bytes received.
    pub dwBytesRecvd: DWORD,
    /// Time taken, in milliseconds.
    pub msTimeForProcessing: DWORD,
}

/// `SF_NOTIFY_AUTH_COMPLETE`: the user is known, the handler is not yet chosen.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_FILTER_AUTH_COMPLETE_INFO {
    /// Reads a header.
    pub GetHeader: PFN_SF_GETHEADER,
    /// Replaces or deletes a header.
    pub SetHeader: PFN_SF_SETHEADER,
    /// Appends a header.
    pub AddHeader: PFN_SF_SETHEADER,
    /// Hands out the user's token.
    pub GetUserToken: PFN_SF_GETUSERTOKEN,
    /// 0 here.
    pub HttpStatus: DWORD,
    /// Out: authenticate again for the new URL?
    pub fResetAuth: BOOL,
    /// Reserved.
    pub dwReserved: DWORD,
}

/// Wants requests over TLS.
pub const SF_NOTIFY_SECURE_PORT: DWORD = 0x0000_0001;
/// Wants requests without TLS.
pub const SF_NOTIFY_NONSECURE_PORT: DWORD = 0x0000_0002;
/// The response's head is about to be sent: [`HTTP_FILTER_SEND_RESPONSE`].
pub const SF_NOTIFY_SEND_RESPONSE: DWORD = 0x0000_0040;
/// The response has been sent: NULL.
pub const SF_NOTIFY_END_OF_REQUEST: DWORD = 0x0000_0080;
/// The connection has been closed: NULL.
pub const SF_NOTIFY_END_OF_NET_SESSION: DWORD = 0x0000_0100;
/// Just before logging: [`HTTP_FILTER_LOG`].
pub const SF_NOTIFY_LOG: DWORD = 0x0000_0200;
/// Every block before it is sent: [`HTTP_FILTER_RAW_DATA`].
pub const SF_NOTIFY_SEND_RAW_DATA: DWORD = 0x0000_0400;
/// Before a 401: [`HTTP_FILTER_ACCESS_DENIED`].
pub const SF_NOTIFY_ACCESS_DENIED: DWORD = 0x0000_0800;
/// A URL has been mapped: [`HTTP_FILTER_URL_MAP`] or [`HTTP_FILTER_URL_MAP_EX`].
pub const SF_NOTIFY_URL_MAP: DWORD = 0x0000_1000;
/// Before the server authenticates: [`HTTP_FILTER_AUTHENT`].
pub const SF_NOTIFY_AUTHENTICATION: DWORD = 0x0000_2000;
/// Headers have been parsed, nothing else done: [`HTTP_FILTER_PREPROC_HEADERS`].
pub const SF_NOTIFY_PREPROC_HEADERS: DWORD = 0x0000_4000;
/// Every block received: [`HTTP_FILTER_RAW_DATA`].
pub const SF_NOTIFY_READ_RAW_DATA: DWORD = 0x0000_8000;
/// Priority: after the others.
pub const SF_NOTIFY_ORDER_LOW: DWORD = 0x0002_0000;
/// Priority when none is given.
pub const SF_NOTIFY_ORDER_DEFAULT: DWORD = SF_NOTIFY_ORDER_LOW;
/// Priority: between the others.
pub const SF_NOTIFY_ORDER_MEDIUM: DWORD = 0x0004_0000;
/// Priority: before the others.
pub const SF_NOTIFY_ORDER_HIGH: DWORD = 0x0008_0000;
/// The user is known: [`HTTP_FILTER_AUTH_COMPLETE_INFO`].
pub const SF_NOTIFY_AUTH_COMPLETE: DWORD = 0x0400_0000;

/// The filter has answered; close the connection.
pub const SF_STATUS_REQ_FINISHED: DWORD = 0x0800_0000;
/// The filter has answered; keep the connection.
pub const SF_STATUS_REQ_FINISHED_KEEP_CONN: DWORD = 0x0800_0001;
/// Pass the notification to the next filter: the usual result.
pub const SF_STATUS_REQ_NEXT_NOTIFICATION: DWORD = 0x0800_0002;
/// No further filter for this notification.
pub const SF_STATUS_REQ_HANDLED_NOTIFICATION: DWORD = 0x0800_0003;
/// The filter failed; the last error is reported.
pub const SF_STATUS_REQ_ERROR: DWORD = 0x0800_0004;
/// Give more bytes first (`SF_NOTIFY_READ_RAW_DATA` only).
pub const SF_STATUS_REQ_READ_NEXT: DWORD = 0x0800_0005;

/// Denied by the log-on.
pub const SF_DENIED_LOGON: DWORD = 0x0000_0001;
/// Denied by the resource's access list.
pub const SF_DENIED_RESOURCE: DWORD = 0x0000_0002;
/// Denied by a filter.
pub const SF_DENIED_FILTER: DWORD = 0x0000_0004;
/// Denied by an extension or CGI program.
pub const SF_DENIED_APPLICATION: DWORD = 0x0000_0008;
/// Denied by the server's configuration; together with one of the others.
pub const SF_DENIED_BY_CONFIG: DWORD = 0x0001_0000;

/// A request code of the filter's `ServerSupportFunction`; an enumeration in C (`ISAPI.md` §8.6).
pub type SF_REQ_TYPE = i32;
/// Send the response head. `pData`: status or NULL, `ul1`: header lines with the empty line, or 0.
pub const SF_REQ_SEND_RESPONSE_HEADER: SF_REQ_TYPE = 0;
/// Add header lines (`pData`) if the request is denied with 401.
pub const SF_REQ_ADD_HEADERS_ON_DENIAL: SF_REQ_TYPE = 1;
/// `ul1`: how many bytes to read next (`SF_NOTIFY_READ_RAW_DATA`).
pub const SF_REQ_SET_NEXT_READ_SIZE: SF_REQ_TYPE = 2;
/// `ul1`: 1 marks the request as one for a proxy.
pub const SF_REQ_SET_PROXY_INFO: SF_REQ_TYPE = 3;
/// Connection identifier; not supported since IIS 4.
pub const SF_REQ_GET_CONNID: SF_REQ_TYPE = 4;
/// Sets the security context (`pData`) and token (`ul1`) of a certificate.
pub const SF_REQ_SET_CERTIFICATE_INFO: SF_REQ_TYPE = 5;
/// Reads the property `ul1` (`SF_PROPERTY_*`) into `pData`.
pub const SF_REQ_GET_PROPERTY: SF_REQ_TYPE = 6;
/// Decodes and shortens the URL at `pData`, in place.
pub const SF_REQ_NORMALIZE_URL: SF_REQ_TYPE = 7;
/// `ul1`: the `SF_NOTIFY_*` that the filter no longer wants for this request.
pub const SF_REQ_DISABLE_NOTIFICATIONS: SF_REQ_TYPE = 8;

/// A property for `SF_REQ_GET_PROPERTY`; an enumeration in C.
pub type SF_PROPERTY_IIS = i32;
/// The TLS context; not supported.
pub const SF_PROPERTY_SSL_CTXT: SF_PROPERTY_IIS = 0;
/// The number of the site, a [`DWORD`].
pub const SF_PROPERTY_INSTANCE_NUM_ID: SF_PROPERTY_IIS = 1;
