//! Codes that start the answer: 1, 2, 3, 1016 (ISAPI.md §4.2, §6.1).

use super::MISSING;
use crate::ecb::Arguments;
use crate::session::{Session, Win32};

/// 1 and 2: a redirect to the URL in B. The length in S counts for nothing: callers differ about the NUL.
pub(super) fn redirect(session: &Session, arguments: &Arguments) -> Result<(), Win32> {
    let url = arguments.text_in_buffer().ok_or(MISSING)?;
    session.respond(|response, out| response.redirect(url, out))
}

/// 3: status string in B, header text in T; both may be NULL.
pub(super) fn send(session: &Session, arguments: &Arguments) -> Result<(), Win32> {
    let status = arguments.text_in_buffer().unwrap_or_default();
    let headers = arguments.text_in_data_type().unwrap_or_default();
    session.respond(|response, out| response.send_header(status, headers, out))
}

/// 1016: the same with lengths.
pub(super) fn send_ex(session: &Session, arguments: &Arguments) -> Result<(), Win32> {
    let info = arguments.header_ex().ok_or(MISSING)?;
    session.respond(|response, out| response.send_header(info.status, info.headers, out))
}
