//! Codes about the server itself: 1007, 1011, 1030, 1032, 1040 (ISAPI.md §4.2).

use isapi_abi::error::{ERROR_NOT_SUPPORTED, ERROR_SUCCESS};
use isapi_abi::support::{HSE_APP_FLAG_IN_PROCESS, PFN_HSE_CACHE_INVALIDATION_CALLBACK};
use isapi_abi::types::{HRESULT, LPCWSTR};

use super::MISSING;
use crate::ecb::Arguments;
use crate::os;
use crate::session::{Session, Win32};

/// 1007: no access list of the extension's file is kept, so there is nothing to read again.
pub(super) fn refresh_access_list(arguments: &Arguments) -> Result<(), Win32> {
    if arguments.has_buffer() {
        Ok(())
    } else {
        Err(MISSING)
    }
}

/// 1011: the worker's own token, since it acts as itself for every user. Without tokens of the system: 50.
pub(super) fn impersonation_token(arguments: &mut Arguments) -> Result<(), Win32> {
    let token = os::impersonation_token().ok_or(Win32(ERROR_NOT_SUPPORTED))?;
    arguments.set_buffer(token)
}

/// 1030: as in every worker process since IIS 6.
pub(super) fn is_in_process(arguments: &mut Arguments) -> Result<(), Win32> {
    arguments.set_buffer(HSE_APP_FLAG_IN_PROCESS)
}

/// 1032: the reason in B, or NULL. Current requests finish; what becomes of the worker is the gateway's business.
pub(super) fn report_unhealthy(session: &Session, arguments: &Arguments) {
    session.report_unhealthy(arguments.text_in_buffer().unwrap_or_default());
}

/// 1040: a function that drops a URL from a cache which holds none.
pub(super) fn cache_invalidation(arguments: &mut Arguments) -> Result<(), Win32> {
    extern "system" fn invalidate(_: LPCWSTR) -> HRESULT {
        ERROR_SUCCESS.cast_signed()
    }
    let function: PFN_HSE_CACHE_INVALIDATION_CALLBACK = Some(invalidate);
    arguments.set_buffer(function)
}
