//! Codes that steer a request's I/O: 1005, 1017, 1043, 1049 (ISAPI.md §4.2).

use std::sync::Arc;

use crate::ecb::{Arguments, Entry};
use crate::session::{Session, Win32};

/// 1005: the completion function in B, with the context in T; NULL removes it. The last call counts.
pub(super) fn register(entry: &Entry, arguments: &Arguments) -> Result<(), Win32> {
    entry.set_completion(arguments.completion());
    Ok(())
}

/// 1043: B itself is the BOOL.
pub(super) fn set_flush_flag(session: &Arc<Session>, arguments: &Arguments) -> Result<(), Win32> {
    session.set_unbuffered(arguments.has_buffer())
}
