//! Codes that start the answer: 1, 2, 3, 1016 (ISAPI.md §4.2, §6.1).

use std::sync::Arc;

use super::MISSING;
use crate::ecb::Arguments;
use crate::session::{Session, Win32};

/// 1: a redirect to the URL in B. The length in S counts for nothing: callers differ about the NUL.
pub(super) fn redirect(session: &Arc<Session>, arguments: &Arguments) -> Result<(), Win32> {
    let url = arguments.text_in_buffer().ok_or(MISSING)?;
    session.respond(|response, out| response.redirect(url, out))
}

/// 2: as code 1, as since IIS 5. Where the operator wants it, a URL of this site is run by the front instead.
pub(super) fn send_url(session: &Arc<Session>, arguments: &Arguments) -> Result<(), Win32> {
    let url = arguments.text_in_buffer().ok_or(MISSING)?;
    // Two slashes begin the name of another host.
    let is_local = url.starts_with(b"/") && !url.starts_with(b"//");
    if is_local && session.variables().wants_local_redirects() {
        session.respond(|response, out| response.local_redirect(url, out))
    } else {
        redirect(session, arguments)
    }
}

/// 3: status string in B, header text in T; both may be NULL.
pub(super) fn send(session: &Arc<Session>, arguments: &Arguments) -> Result<(), Win32> {
    let status = arguments.text_in_buffer().unwrap_or_default();
    let headers = arguments.text_in_data_type().unwrap_or_default();
    session.respond(|response, out| response.send_header(status, headers, out))
}

/// 1016: the same with lengths, and whether the connection may be kept.
pub(super) fn send_ex(session: &Arc<Session>, arguments: &Arguments) -> Result<(), Win32> {
    let info = arguments.header_ex()?;
    session.respond(|response, out| {
        if !info.keep {
            response.decline_keep_alive();
        }
        response.send_header(info.status, info.headers, out)
    })
}
