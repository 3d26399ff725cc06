//! Code 1033: a URL as the server would have it (ISAPI.md §4.2).

use super::MISSING;
use crate::ecb::Arguments;
use crate::session::Win32;
use crate::url;

/// Normalises the URL in B, in place. One that hides a NUL is refused and stays as it is.
pub(super) fn normalize(arguments: &mut Arguments) -> Result<(), Win32> {
    let text = arguments.text_in_buffer().ok_or(MISSING)?;
    let normal = url::normalize(text).ok_or(MISSING)?;
    arguments.replace_text_in_buffer(&normal)
}
