//! Codes that ask about the client's connection: 1008, 1018 (ISAPI.md §4.2).

use isapi_abi::error::WSAECONNRESET;

use crate::ecb::Arguments;
use crate::session::{Session, Win32};

/// 1008: whether the client wants its connection kept.
pub(super) fn is_keep_alive(session: &Session, arguments: &mut Arguments) -> Result<(), Win32> {
    arguments.set_bool(session.variables().wants_keep_alive())
}

/// 1018: in B, or without B by the return value as IIS 4 did.
pub(super) fn is_connected(session: &Session, arguments: &mut Arguments) -> Result<(), Win32> {
    match (arguments.has_buffer(), session.is_connected()) {
        (true, connected) => arguments.set_bool(connected),
        (false, true) => Ok(()),
        (false, false) => Err(Win32(WSAECONNRESET)),
    }
}
