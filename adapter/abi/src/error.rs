//! The Win32 error numbers that callbacks leave behind for `GetLastError` (`ISAPI.md` Appendix A).
//!
//! As an `HRESULT` the number is `0x8007_0000` plus itself.

use crate::types::DWORD;

/// The symbolic name of an error, `None` for a number that is not listed here.
#[must_use]
pub fn name(error: DWORD) -> Option<&'static str> {
    ALL.iter()
        .find(|(number, _)| *number == error)
        .map(|(_, name)| *name)
}

/// One line gives a constant, its documentation and its row in [`ALL`].
macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        $($(#[$doc])* pub const $name: DWORD = $value;)*

        /// Every error with its name, in the order of the numbers.
        pub const ALL: &[(DWORD, &str)] = &[$(($name, stringify!($name))),*];
    };
}

errors! {
    /// No error.
    ERROR_SUCCESS = 0;
    /// The function is not supported for this object.
    ERROR_INVALID_FUNCTION = 1;
    /// The file does not exist.
    ERROR_FILE_NOT_FOUND = 2;
    /// A folder of the path does not exist.
    ERROR_PATH_NOT_FOUND = 3;
    /// Access denied.
    ERROR_ACCESS_DENIED = 5;
    /// The handle is not valid.
    ERROR_INVALID_HANDLE = 6;
    /// Out of memory.
    ERROR_NOT_ENOUGH_MEMORY = 8;
    /// The data is not valid.
    ERROR_INVALID_DATA = 13;
    /// Writing to a device failed.
    ERROR_WRITE_FAULT = 29;
    /// Reading from a device failed.
    ERROR_READ_FAULT = 30;
    /// The end of the file was reached.
    ERROR_HANDLE_EOF = 38;
    /// Known, but not provided here: what a code gives that the host refuses (`ISAPI.md` §3.4).
    ERROR_NOT_SUPPORTED = 50;
    /// The connection was closed by this side or is gone.
    ERROR_NETNAME_DELETED = 64;
    /// A parameter is wrong, or the request code is unknown (`ISAPI.md` §3.4).
    ERROR_INVALID_PARAMETER = 87;
    /// The other end of the pipe has closed.
    ERROR_BROKEN_PIPE = 109;
    /// The function exists but does nothing.
    ERROR_CALL_NOT_IMPLEMENTED = 120;
    /// A time limit ran out while waiting for the client.
    ERROR_SEM_TIMEOUT = 121;
    /// The buffer is too small; the size parameter says what is needed.
    ERROR_INSUFFICIENT_BUFFER = 122;
    /// The library, or one that it needs, was not found.
    ERROR_MOD_NOT_FOUND = 126;
    /// The library does not export the function.
    ERROR_PROC_NOT_FOUND = 127;
    /// The file is no library for this kind of process: wrong bitness, wrong system.
    ERROR_BAD_EXE_FORMAT = 193;
    /// The file name or extension is too long.
    ERROR_FILENAME_EXCED_RANGE = 206;
    /// There is no data for the variable.
    ERROR_NO_DATA = 232;
    /// More data is available.
    ERROR_MORE_DATA = 234;
    /// A wait timed out.
    WAIT_TIMEOUT = 258;
    /// The operation was aborted, usually because the client has gone.
    ERROR_OPERATION_ABORTED = 995;
    /// The operation has been started and is not finished.
    ERROR_IO_PENDING = 997;
    /// Nesting too deep: what child requests give beyond the limit.
    ERROR_STACK_OVERFLOW = 1001;
    /// The initialisation routine of the library failed.
    ERROR_DLL_INIT_FAILED = 1114;
    /// The program needs a newer system.
    ERROR_OLD_WIN_VERSION = 1150;
    /// The element was not found.
    ERROR_NOT_FOUND = 1168;
    /// There is no such connection any more.
    ERROR_CONNECTION_INVALID = 1229;
    /// The connection was aborted by this side.
    ERROR_CONNECTION_ABORTED = 1236;
    /// There is no such variable or header (`ISAPI.md` §3.1).
    ERROR_INVALID_INDEX = 1413;
    /// A time limit ran out.
    ERROR_TIMEOUT = 1460;
    /// Winsock: a parameter is wrong, for example an offset beyond the end of the file.
    WSAEINVAL = 10022;
    /// Winsock: the connection was reset by the client (`ISAPI.md` §3.2).
    WSAECONNRESET = 10054;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_named_once_each_in_order() {
        assert!(ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(name(87), Some("ERROR_INVALID_PARAMETER"));
        assert_eq!(name(4711), None);
    }
}
