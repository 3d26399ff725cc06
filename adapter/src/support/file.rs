//! Code 1006: a file, with a head and a tail (ISAPI.md §4.2), and what it has in common with code 1037.

use std::sync::Arc;

use isapi_abi::error::{ERROR_HANDLE_EOF, ERROR_INVALID_HANDLE, WSAEINVAL};
use isapi_abi::io::{HSE_IO_DISCONNECT_AFTER_SEND, HSE_IO_FINAL_SEND};

use super::MISSING;
use crate::ecb::{Arguments, Entry};
use crate::os::ForeignFile;
use crate::sendfile;
use crate::session::{Last, Piece, Sending, Session, Win32, Work};

/// Starts the transmission. It is asynchronous whatever the flags say, as on IIS. The completion function learns of all
/// bytes, the header text of the extension among them.
pub(super) fn transmit(entry: &Arc<Entry>, arguments: &Arguments) -> Result<(), Win32> {
    let info = arguments.transmit_file().ok_or(MISSING)?;
    let completion = info.completion.map_or_else(|| entry.completion(), Ok)?;
    let is_alone = info.head.is_empty() && info.tail.is_empty();
    let mut pieces = vec![info.head];
    let mut offer = None;
    if let Some(file) = info.file {
        if is_alone && info.offset == 0 {
            offer = offered(&entry.session, &file, info.length);
        }
        pieces.push(part(file, info.offset, info.length)?);
    }
    pieces.push(info.tail);
    let (status, headers) = info.headers.unwrap_or_default();
    // Only code 1037 knows HSE_IO_FINAL_SEND.
    let sending = Sending::new(pieces, headers.len(), last(info.flags & !HSE_IO_FINAL_SEND));
    let sending = sending.offering(offer);
    entry.start(
        completion,
        |response, out| match info.headers {
            Some(_) => response.send_header(status, headers, out),
            None => Ok(()),
        },
        Work::Send(sending),
    )
}

/// The header line by which the web server would send this file in our place; `length` bytes of it are wanted, 0: all.
fn offered(session: &Session, file: &ForeignFile, length: u64) -> Option<Vec<u8>> {
    let table = session.variables().param("ISAPI_SENDFILE");
    sendfile::line(table, || {
        let is_whole = length == 0 || file.size().ok()? == length;
        is_whole.then(|| file.path()).flatten()
    })
}

/// `length` bytes of a file from `offset` on, or all for 0.
///
/// # Errors
/// 6 for what is no file, 10022 for an offset behind its end, 38 for more bytes than it has.
pub(super) fn part(file: ForeignFile, offset: u64, length: u64) -> Result<Piece, Win32> {
    let size = file.size().map_err(|_| Win32(ERROR_INVALID_HANDLE))?;
    let left = size.checked_sub(offset).ok_or(Win32(WSAEINVAL))?;
    if length > left {
        return Err(Win32(ERROR_HANDLE_EOF));
    }
    Ok(Piece::File {
        file: Box::new(file),
        offset,
        length: if length == 0 { left } else { length },
    })
}

/// Whether the answer ends behind what is sent.
pub(super) fn last(flags: u32) -> Option<Last> {
    if flags & HSE_IO_DISCONNECT_AFTER_SEND != 0 {
        Some(Last::Disconnect)
    } else if flags & HSE_IO_FINAL_SEND != 0 {
        Some(Last::Final)
    } else {
        None
    }
}
