//! ServerSupportFunction: one line for each code (ISAPI.md §4.1), one file for each family of codes.

mod connection;
mod header;
mod log;
mod map;

use isapi_abi::error::{ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED};
use isapi_abi::requests as code;

use crate::ecb::Arguments;
use crate::session::{Session, Win32};

/// Runs one code.
///
/// # Errors
/// The Win32 error for the extension: 87 for codes that ISAPI does not know, 50 for those that it knows and this host
/// does not offer (ISAPI.md §3.4).
pub fn call(session: &Session, request: u32, arguments: &mut Arguments) -> Result<(), Win32> {
    match request {
        code::HSE_REQ_SEND_URL_REDIRECT_RESP | code::HSE_REQ_SEND_URL => {
            header::redirect(session, arguments)
        }
        code::HSE_REQ_SEND_RESPONSE_HEADER => header::send(session, arguments),
        code::HSE_REQ_SEND_RESPONSE_HEADER_EX => header::send_ex(session, arguments),
        code::HSE_REQ_MAP_URL_TO_PATH => map::in_place(session, arguments),
        code::HSE_REQ_MAP_URL_TO_PATH_EX => map::extended(session, arguments),
        code::HSE_APPEND_LOG_PARAMETER => log::append(session, arguments),
        code::HSE_REQ_IS_KEEP_CONN => connection::is_keep_alive(session, arguments),
        code::HSE_REQ_IS_CONNECTED => connection::is_connected(session, arguments),
        code::HSE_REQ_EXTENSION_TRIGGER => Err(Win32(ERROR_INVALID_PARAMETER)),
        known if code::name(known).is_some() => Err(Win32(ERROR_NOT_SUPPORTED)),
        _ => Err(Win32(ERROR_INVALID_PARAMETER)),
    }
}

/// What a code fails with when a pointer that it needs is NULL.
const MISSING: Win32 = Win32(ERROR_INVALID_PARAMETER);
