//! The Windows types that the interface is made of (`ISAPI.md` §0.2).

use core::ffi::c_void;

/// A truth value: 0 is false, anything else is true. Hosts return exactly [`TRUE`] or [`FALSE`].
///
/// Free Pascal and Delphi return −1 for true: test for "not [`FALSE`]", never for "is [`TRUE`]".
pub type BOOL = i32;
/// The [`BOOL`] that a host returns for success.
pub const TRUE: BOOL = 1;
/// The [`BOOL`] for failure.
pub const FALSE: BOOL = 0;

/// A byte.
pub type BYTE = u8;
/// A byte of a single-byte string; signedness does not matter to the interface.
pub type CHAR = u8;
/// A UTF-16 code unit, little-endian in memory.
pub type WCHAR = u16;
/// 16 bits, unsigned.
pub type USHORT = u16;
/// 32 bits, unsigned, whatever the platform's `long` is.
pub type DWORD = u32;
/// 64 bits, unsigned.
pub type ULONGLONG = u64;
/// An untyped pointer.
pub type LPVOID = *mut c_void;
/// A pointer to bytes.
pub type LPBYTE = *mut BYTE;
/// A pointer to a [`DWORD`].
pub type LPDWORD = *mut DWORD;
/// A writable NUL-terminated single-byte string.
pub type LPSTR = *mut CHAR;
/// A read-only NUL-terminated single-byte string.
pub type LPCSTR = *const CHAR;
/// A writable NUL-terminated UTF-16 string.
pub type LPWSTR = *mut WCHAR;
/// A read-only NUL-terminated UTF-16 string.
pub type LPCWSTR = *const WCHAR;
/// A handle of the operating system; belongs to the process that opened it.
pub type HANDLE = *mut c_void;
/// The opaque connection identifier of a request, first argument of every extension callback (`ISAPI.md` §2.4).
pub type HCONN = *mut c_void;
/// The result of a COM-style function: negative values are failures, 0 is success.
pub type HRESULT = i32;

/// A globally unique identifier.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GUID {
    /// First eight hexadecimal digits of the written form.
    pub Data1: u32,
    /// Second group, four digits.
    pub Data2: u16,
    /// Third group, four digits.
    pub Data3: u16,
    /// Fourth and fifth group, byte by byte.
    pub Data4: [u8; 8],
}

/// The longest path of the path-returning structures, in characters with the terminating NUL.
pub const MAX_PATH: usize = 260;

/// The 32-bit number with `low` in its lower and `high` in its upper half; versions have the major number in `high`.
#[must_use]
pub const fn MAKELONG(low: u16, high: u16) -> DWORD {
    ((high as DWORD) << 16) | low as DWORD
}
