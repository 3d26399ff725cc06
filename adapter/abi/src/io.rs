//! The flags of `WriteClient`, `HSE_REQ_TRANSMIT_FILE` and `HSE_REQ_VECTOR_SEND` (`ISAPI.md` §3.2).

use crate::types::DWORD;

/// One line gives a constant, its documentation and its row in [`ALL`].
macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        $($(#[$doc])* pub const $name: DWORD = $value;)*

        /// Every flag with its name, in the order of the bits.
        pub const ALL: &[(DWORD, &str)] = &[$(($name, stringify!($name))),*];
    };
}

flags! {
    /// Return when the bytes have been handed over; also what no flag at all means.
    HSE_IO_SYNC = 0x0001;
    /// Return at once and call the completion function later (§4.3).
    HSE_IO_ASYNC = 0x0002;
    /// Close the connection after the send. Not for `WriteClient`.
    HSE_IO_DISCONNECT_AFTER_SEND = 0x0004;
    /// Send the status and headers of the structure first. Not for `WriteClient`.
    HSE_IO_SEND_HEADERS = 0x0008;
    /// This is the last send of the response. `HSE_REQ_VECTOR_SEND` only.
    HSE_IO_FINAL_SEND = 0x0010;
    /// The response may be cached by the server; wants [`HSE_IO_FINAL_SEND`]. `HSE_REQ_VECTOR_SEND` only.
    HSE_IO_CACHE_RESPONSE = 0x0020;
    /// Do not replace an error response by a custom error page. `HSE_REQ_VECTOR_SEND` only.
    HSE_IO_TRY_SKIP_CUSTOM_ERRORS = 0x0040;
    /// Do not gather small sends (Nagle) for this one.
    HSE_IO_NODELAY = 0x1000;
}
