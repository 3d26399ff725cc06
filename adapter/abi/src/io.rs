//! The flags of `WriteClient`, `HSE_REQ_TRANSMIT_FILE` and `HSE_REQ_VECTOR_SEND` (`ISAPI.md` §3.2).

use crate::types::DWORD;

/// Return when the bytes have been handed over; also what no flag at all means.
pub const HSE_IO_SYNC: DWORD = 0x0001;
/// Return at once and call the completion function later (§4.3).
pub const HSE_IO_ASYNC: DWORD = 0x0002;
/// Close the connection after the send. Not for `WriteClient`.
pub const HSE_IO_DISCONNECT_AFTER_SEND: DWORD = 0x0004;
/// Send the status and headers of the structure first. Not for `WriteClient`.
pub const HSE_IO_SEND_HEADERS: DWORD = 0x0008;
/// This is the last send of the response. `HSE_REQ_VECTOR_SEND` only.
pub const HSE_IO_FINAL_SEND: DWORD = 0x0010;
/// The response may be cached by the server; wants [`HSE_IO_FINAL_SEND`]. `HSE_REQ_VECTOR_SEND` only.
pub const HSE_IO_CACHE_RESPONSE: DWORD = 0x0020;
/// Do not replace an error response by a custom error page. `HSE_REQ_VECTOR_SEND` only.
pub const HSE_IO_TRY_SKIP_CUSTOM_ERRORS: DWORD = 0x0040;
/// Do not gather small sends (Nagle) for this one.
pub const HSE_IO_NODELAY: DWORD = 0x1000;
