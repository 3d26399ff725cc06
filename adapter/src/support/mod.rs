//! ServerSupportFunction: one line for each code (ISAPI.md §4.1), one file for each family of codes.

mod certificate;
mod connection;
mod exec;
mod file;
mod header;
mod log;
mod map;
mod read;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod trace;
mod url;
mod vector;

use std::sync::Arc;

use isapi_abi::error::{ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED};
use isapi_abi::requests as code;

use crate::ecb::{Arguments, Entry};
use crate::session::Win32;

/// Runs one code.
///
/// # Errors
/// The Win32 error for the extension: 87 for codes that ISAPI does not know, 50 for those that it knows and this host
/// does not offer (ISAPI.md §3.4).
pub fn call(entry: &Arc<Entry>, request: u32, arguments: &mut Arguments) -> Result<(), Win32> {
    let session = &entry.session;
    match request {
        code::HSE_REQ_SEND_URL_REDIRECT_RESP => header::redirect(session, arguments),
        code::HSE_REQ_SEND_URL => header::send_url(session, arguments),
        code::HSE_REQ_SEND_RESPONSE_HEADER => header::send(session, arguments),
        code::HSE_REQ_SEND_RESPONSE_HEADER_EX => header::send_ex(session, arguments),
        code::HSE_REQ_MAP_URL_TO_PATH => map::in_place(session, arguments),
        code::HSE_REQ_MAP_URL_TO_PATH_EX => map::extended(session, arguments),
        code::HSE_REQ_MAP_UNICODE_URL_TO_PATH => map::in_place_wide(session, arguments),
        code::HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX => map::extended_wide(session, arguments),
        code::HSE_REQ_NORMALIZE_URL => url::normalize(arguments),
        code::HSE_APPEND_LOG_PARAMETER => log::append(session, arguments),
        code::HSE_REQ_IO_COMPLETION => session::register(entry, arguments),
        code::HSE_REQ_TRANSMIT_FILE => file::transmit(entry, arguments),
        code::HSE_REQ_ASYNC_READ_CLIENT => read::start(entry, arguments),
        code::HSE_REQ_CLOSE_CONNECTION => session.close(),
        code::HSE_REQ_VECTOR_SEND => vector::send(entry, arguments),
        code::HSE_REQ_SET_FLUSH_FLAG => session::set_flush_flag(session, arguments),
        code::HSE_REQ_CANCEL_IO => {
            session.cancel();
            Ok(())
        }
        code::HSE_REQ_EXEC_UNICODE_URL => exec::url(entry, arguments, true),
        code::HSE_REQ_EXEC_URL => exec::url(entry, arguments, false),
        code::HSE_REQ_GET_EXEC_URL_STATUS => exec::status(session, arguments),
        code::HSE_REQ_SEND_CUSTOM_ERROR => exec::custom_error(entry, arguments),
        code::HSE_REQ_REPORT_UNHEALTHY => {
            server::report_unhealthy(session, arguments);
            Ok(())
        }
        code::HSE_REQ_IS_KEEP_CONN => connection::is_keep_alive(session, arguments),
        code::HSE_REQ_IS_CONNECTED => connection::is_connected(session, arguments),
        // Without effect since IIS 5.1.
        code::HSE_REQ_ABORTIVE_CLOSE => Ok(()),
        code::HSE_REQ_GET_CERT_INFO_EX => certificate::get(session, arguments),
        code::HSE_REQ_REFRESH_ISAPI_ACL => server::refresh_access_list(arguments),
        code::HSE_REQ_GET_IMPERSONATION_TOKEN => server::impersonation_token(arguments),
        code::HSE_REQ_IS_IN_PROCESS => server::is_in_process(arguments),
        code::HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK => server::cache_invalidation(arguments),
        code::HSE_REQ_GET_TRACE_INFO => trace::request(arguments),
        code::HSE_REQ_GET_TRACE_INFO_EX => trace::provider(arguments),
        code::HSE_REQ_RAISE_TRACE_EVENT => trace::raise(arguments),
        code::HSE_REQ_EXTENSION_TRIGGER => Err(Win32(ERROR_INVALID_PARAMETER)),
        known if code::name(known).is_some() => Err(Win32(ERROR_NOT_SUPPORTED)),
        _ => Err(Win32(ERROR_INVALID_PARAMETER)),
    }
}

/// What a code fails with when a pointer that it needs is NULL.
const MISSING: Win32 = Win32(ERROR_INVALID_PARAMETER);
