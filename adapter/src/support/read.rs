//! Code 1010: an asynchronous read of the body (ISAPI.md §4.2).

use std::sync::Arc;

use isapi_abi::io::HSE_IO_ASYNC;

use super::MISSING;
use crate::ecb::{Arguments, Entry};
use crate::session::{Win32, Work};

/// Room in B, its size in S, `HSE_IO_ASYNC` in the DWORD at T. At the end of the body it completes at once with 0 bytes.
pub(super) fn start(entry: &Arc<Entry>, arguments: &Arguments) -> Result<(), Win32> {
    let flags = arguments.dword_in_data_type().ok_or(MISSING)?;
    if flags & HSE_IO_ASYNC == 0 {
        return Err(MISSING);
    }
    let room = arguments.room().ok_or(MISSING)?;
    entry.start(entry.completion()?, |_, _| Ok(()), Work::Receive(room))
}
