//! What `HttpExtensionProc` returns and what `TerminateExtension` is told (`ISAPI.md` §1.4, §1.5).

use crate::types::DWORD;

/// The request is done; the control block is free. Since IIS 4 the same as [`HSE_STATUS_SUCCESS_AND_KEEP_CONN`].
pub const HSE_STATUS_SUCCESS: DWORD = 1;
/// The request is done and the connection may be kept: the extension framed its answer.
pub const HSE_STATUS_SUCCESS_AND_KEEP_CONN: DWORD = 2;
/// Not done: the extension keeps the control block and ends the request later with `HSE_REQ_DONE_WITH_SESSION`.
pub const HSE_STATUS_PENDING: DWORD = 3;
/// The request failed; the control block is free, the log says 500.
pub const HSE_STATUS_ERROR: DWORD = 4;

/// May the extension be unloaded? `FALSE` keeps it loaded.
pub const HSE_TERM_ADVISORY_UNLOAD: DWORD = 1;
/// The extension will be unloaded, whatever it returns.
pub const HSE_TERM_MUST_UNLOAD: DWORD = 2;

/// The symbolic name of what `HttpExtensionProc` returns, `None` for a number that is no status.
#[must_use]
pub fn name(status: DWORD) -> Option<&'static str> {
    match status {
        HSE_STATUS_SUCCESS => Some("HSE_STATUS_SUCCESS"),
        HSE_STATUS_SUCCESS_AND_KEEP_CONN => Some("HSE_STATUS_SUCCESS_AND_KEEP_CONN"),
        HSE_STATUS_PENDING => Some("HSE_STATUS_PENDING"),
        HSE_STATUS_ERROR => Some("HSE_STATUS_ERROR"),
        _ => None,
    }
}
