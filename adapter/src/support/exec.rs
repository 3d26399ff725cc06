//! Codes that have the front add to the answer: 1025, 1026, 1027, 1028 (ISAPI.md §4.2).

use std::sync::Arc;

use isapi_abi::support::HSE_EXEC_URL_STATUS;

use super::MISSING;
use crate::ecb::{Arguments, Entry};
use crate::response::head::parse_status;
use crate::session::{Entity, ErrorPage, Session, Win32};

/// 1026, and `wide` 1025: the child request in B. It is asynchronous and needs a completion function.
pub(super) fn url(entry: &Arc<Entry>, arguments: &Arguments, wide: bool) -> Result<(), Win32> {
    let asked = arguments.exec_url(wide)?;
    let completion = entry.completion()?;
    let entity = match asked.entity {
        Some(own) => Entity::Own(own),
        None => Entity::Unread(entry.read_ahead()),
    };
    let complete = entry.complete(completion);
    entry.session.exec(asked.child, entity, complete)
}

/// 1027: how the last child request ended.
pub(super) fn status(session: &Session, arguments: &mut Arguments) -> Result<(), Win32> {
    let status = session.child_status();
    arguments.set_buffer(HSE_EXEC_URL_STATUS {
        uHttpStatusCode: status.status,
        uHttpSubStatus: status.sub_status,
        dwWin32Error: status.error,
    })
}

/// 1028: the front's page for the error in B.
pub(super) fn custom_error(entry: &Arc<Entry>, arguments: &Arguments) -> Result<(), Win32> {
    let (status, sub_status, asynchronous) = arguments.custom_error()?;
    let status = parse_status(status.ok_or(MISSING)?).0;
    let page = ErrorPage {
        status: status.code,
        sub_status,
        reason: status.reason.into_owned(),
    };
    if asynchronous {
        let complete = entry.complete(entry.completion()?);
        entry.session.start_error_page(page, complete)
    } else {
        entry.session.send_error_page(&page)
    }
}
