//! Code 1037: memory and files in one call, as an operation or at once (ISAPI.md §4.2).

use std::sync::Arc;

use isapi_abi::io::{HSE_IO_ASYNC, HSE_IO_SEND_HEADERS, HSE_IO_SYNC};

use super::MISSING;
use super::file::{last, part};
use crate::ecb::{Arguments, Element, Entry};
use crate::response::{Refused, Response};
use crate::session::{Sending, Win32, Work};

/// Sends the vector in B. Nothing of it is sent if anything in it is wrong.
pub(super) fn send(entry: &Arc<Entry>, arguments: &Arguments) -> Result<(), Win32> {
    let vector = arguments.vector().ok_or(MISSING)?;
    let asynchronous = vector.flags & HSE_IO_ASYNC != 0;
    let headers = match (
        vector.flags & HSE_IO_SEND_HEADERS,
        vector.status,
        vector.headers,
    ) {
        (0, None, None) => None,
        (1.., Some(status), Some(headers)) => Some((status, headers)),
        _ => return Err(MISSING),
    };
    if asynchronous && vector.flags & HSE_IO_SYNC != 0 {
        return Err(MISSING);
    }
    let pieces = vector
        .elements
        .into_iter()
        .map(|element| match element {
            Element::Memory(piece) => Ok(piece),
            Element::File {
                file,
                offset,
                length,
            } => part(file, offset, length),
        })
        .collect::<Result<_, _>>()?;
    let head_length = headers.map_or(0, |(_, headers)| headers.len());
    let mut sending = Sending::new(pieces, head_length, last(vector.flags));
    let head = |response: &mut Response, out: &mut Vec<u8>| -> Result<(), Refused> {
        headers.map_or(Ok(()), |(status, headers)| {
            response.send_header(status, headers, out)
        })
    };
    if asynchronous {
        entry.start(entry.completion()?, head, Work::Send(sending))
    } else {
        entry.session.send_pieces(head, &mut sending)
    }
}
