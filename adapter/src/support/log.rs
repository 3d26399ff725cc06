//! Code 1003: text for the access log (ISAPI.md §4.2).

use super::MISSING;
use crate::ecb::Arguments;
use crate::session::{Session, Win32};

/// Appends the text in B, at most as long as S says.
pub(super) fn append(session: &Session, arguments: &Arguments) -> Result<(), Win32> {
    let text = arguments.text_in_buffer().ok_or(MISSING)?;
    let length = arguments
        .size()
        .map_or(text.len(), |size| text.len().min(size as usize));
    session.append_log(&text[..length]);
    Ok(())
}
