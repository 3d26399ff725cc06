//! The request codes of `ServerSupportFunction` (`ISAPI.md` §4.1, §4.2).
//!
//! In the texts B, S and T are the parameters `lpvBuffer`, `lpdwSize` and `lpdwDataType`; those not mentioned are
//! unused and may hold anything. Numbers that are absent here are in no public header; a host answers them with
//! `ERROR_INVALID_PARAMETER`.

use crate::types::DWORD;

/// The first code of the server's core set.
pub const HSE_REQ_BASE: DWORD = 0;
/// The end of the codes of the server's core set; the extended ones lie above it.
pub const HSE_REQ_END_RESERVED: DWORD = 1000;

/// The symbolic name of a request code, `None` for a number that has none.
#[must_use]
pub fn name(code: DWORD) -> Option<&'static str> {
    ALL.iter()
        .find(|(number, _)| *number == code)
        .map(|(_, name)| *name)
}

/// One line gives a constant, its documentation and its row in [`ALL`].
macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $($(#[$doc])* pub const $name: DWORD = $number;)*

        /// Every code with its name, in the order of the numbers.
        pub const ALL: &[(DWORD, &str)] = &[$(($name, stringify!($name))),*];
    };
}

requests! {
    /// Answer 302 with `Location`. B: URL, S: its length (callers differ about the NUL: the NUL decides).
    HSE_REQ_SEND_URL_REDIRECT_RESP = 1;
    /// Answer with the document at a URL; since IIS 5 the same as code 1. B: URL, S: its length.
    HSE_REQ_SEND_URL = 2;
    /// Send the response head. B: status or NULL, T: header lines with the final empty line, or NULL.
    HSE_REQ_SEND_RESPONSE_HEADER = 3;
    /// End a pending request. B: pointer to an `HSE_STATUS_*`, or NULL.
    HSE_REQ_DONE_WITH_SESSION = 4;
    /// Map a URL path to a physical path, in place. B: buffer, S: its size in, bytes of the result out.
    HSE_REQ_MAP_URL_TO_PATH = 1001;
    /// Security context of the request. B: `CtxtHandle*` out, T: `CredHandle*` out.
    HSE_REQ_GET_SSPI_INFO = 1002;
    /// Append to the logged query string. B: string, S: its length. (The name has no `REQ_` in the header either.)
    HSE_APPEND_LOG_PARAMETER = 1003;
    /// Register the completion function. B: [`crate::ecb::PFN_HSE_IO_COMPLETION`], T: its context.
    HSE_REQ_IO_COMPLETION = 1005;
    /// Send a file, asynchronously. B: [`crate::support::HSE_TF_INFO`].
    HSE_REQ_TRANSMIT_FILE = 1006;
    /// Re-read the access list of an extension's file. B: file name, S: its length.
    HSE_REQ_REFRESH_ISAPI_ACL = 1007;
    /// Will the connection be kept? B: `BOOL*` out.
    HSE_REQ_IS_KEEP_CONN = 1008;
    /// Read body bytes, asynchronously. B: buffer, S: its size, T: `DWORD*` holding `HSE_IO_ASYNC`.
    HSE_REQ_ASYNC_READ_CLIENT = 1010;
    /// Token of the authenticated user. B: `HANDLE*` out; the host's handle, not to be closed.
    HSE_REQ_GET_IMPERSONATION_TOKEN = 1011;
    /// Map a URL path, with the permissions. B: URL, S: its length, T: [`crate::support::HSE_URL_MAPEX_INFO`] out.
    HSE_REQ_MAP_URL_TO_PATH_EX = 1012;
    /// Reset the connection when it is closed; without effect since IIS 5.1.
    HSE_REQ_ABORTIVE_CLOSE = 1014;
    /// The client's certificate. B: [`crate::support::CERT_CONTEXT_EX`].
    HSE_REQ_GET_CERT_INFO_EX = 1015;
    /// Send the response head. B: [`crate::support::HSE_SEND_HEADER_EX_INFO`].
    HSE_REQ_SEND_RESPONSE_HEADER_EX = 1016;
    /// Close the connection at once, although an operation is outstanding.
    HSE_REQ_CLOSE_CONNECTION = 1017;
    /// Is the client still there? B: `BOOL*` out, or NULL for the answer as the return value.
    HSE_REQ_IS_CONNECTED = 1018;
    /// In one pre-release SDK only; parameters unknown.
    HSE_REQ_EXTENSION_TRIGGER = 1020;
    /// As 1001 in UTF-16; S counts bytes.
    HSE_REQ_MAP_UNICODE_URL_TO_PATH = 1023;
    /// As 1012 in UTF-16; S counts bytes, T: [`crate::support::HSE_UNICODE_URL_MAPEX_INFO`] out.
    HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX = 1024;
    /// As 1026. B: [`crate::support::HSE_EXEC_UNICODE_URL_INFO`].
    HSE_REQ_EXEC_UNICODE_URL = 1025;
    /// Run another URL as part of this response, asynchronously. B: [`crate::support::HSE_EXEC_URL_INFO`].
    HSE_REQ_EXEC_URL = 1026;
    /// How the last child request ended. B: [`crate::support::HSE_EXEC_URL_STATUS`] out.
    HSE_REQ_GET_EXEC_URL_STATUS = 1027;
    /// Send the configured error page. B: [`crate::support::HSE_CUSTOM_ERROR_INFO`].
    HSE_REQ_SEND_CUSTOM_ERROR = 1028;
    /// Where does the extension run? B: `DWORD*` out, one of the `HSE_APP_FLAG_*`.
    HSE_REQ_IS_IN_PROCESS = 1030;
    /// Ask for this worker process to be replaced. B: the reason as a string, or NULL.
    HSE_REQ_REPORT_UNHEALTHY = 1032;
    /// Decode and shorten a URL as the server does, in place. B: URL.
    HSE_REQ_NORMALIZE_URL = 1033;
    /// Put a fragment into the server's cache. B: [`crate::support::HSE_VECTOR_ELEMENT`], S: its name in UTF-16.
    HSE_REQ_ADD_FRAGMENT_TO_CACHE = 1034;
    /// Read a fragment from the cache. B: [`crate::support::HSE_VECTOR_ELEMENT`], S: its name in UTF-16.
    HSE_REQ_READ_FRAGMENT_FROM_CACHE = 1035;
    /// Remove a fragment from the cache. S: its name in UTF-16.
    HSE_REQ_REMOVE_FRAGMENT_FROM_CACHE = 1036;
    /// Send buffers and files together. B: [`crate::support::HSE_RESPONSE_VECTOR`].
    HSE_REQ_VECTOR_SEND = 1037;
    /// Token of the anonymous user. B: metabase path, S: `HANDLE*` out.
    HSE_REQ_GET_ANONYMOUS_TOKEN = 1038;
    /// Function that drops a URL from the cache. B: [`crate::support::PFN_HSE_CACHE_INVALIDATION_CALLBACK`] out.
    HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK = 1040;
    /// As 1038 with the path in UTF-16.
    HSE_REQ_GET_UNICODE_ANONYMOUS_TOKEN = 1041;
    /// Is this request traced? B: [`crate::support::HSE_TRACE_INFO`] out.
    HSE_REQ_GET_TRACE_INFO = 1042;
    /// Pass every write on at once (or gather again). B: the `BOOL` itself, cast to a pointer.
    HSE_REQ_SET_FLUSH_FLAG = 1043;
    /// What does a trace provider want? B: [`crate::trace::HTTP_TRACE_CONFIGURATION`] in and out.
    HSE_REQ_GET_TRACE_INFO_EX = 1044;
    /// Raise a trace event. B: [`crate::trace::HTTP_TRACE_EVENT`].
    HSE_REQ_RAISE_TRACE_EVENT = 1045;
    /// The native configuration system; parameters not public.
    HSE_REQ_GET_CONFIG_OBJECT = 1046;
    /// The settings of the worker process; parameters not public.
    HSE_REQ_GET_WORKER_PROCESS_SETTINGS = 1047;
    /// A function of a protocol manager. B:
    /// [`crate::support::PFN_HSE_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK`] out.
    HSE_REQ_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK = 1048;
    /// Cancel the outstanding operation; its completion comes with `ERROR_OPERATION_ABORTED`.
    HSE_REQ_CANCEL_IO = 1049;
    /// The channel binding token of the TLS connection; parameters not public.
    HSE_REQ_GET_CHANNEL_BINDING_TOKEN = 1050;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_named_once_each_in_order() {
        assert!(ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(name(1003), Some("HSE_APPEND_LOG_PARAMETER"));
        assert_eq!(name(1037), Some("HSE_REQ_VECTOR_SEND"));
        for unnamed in [
            HSE_REQ_BASE,
            HSE_REQ_END_RESERVED,
            1004,
            1009,
            1051,
            DWORD::MAX,
        ] {
            assert_eq!(name(unnamed), None, "{unnamed}");
        }
    }
}
