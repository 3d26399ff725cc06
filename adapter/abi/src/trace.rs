//! The structures of `HSE_REQ_GET_TRACE_INFO_EX` (1044) and `HSE_REQ_RAISE_TRACE_EVENT` (1045) (`ISAPI.md` §4.2).

use crate::types::{BOOL, DWORD, GUID, LPBYTE, LPCWSTR};

/// The trace provider of ISAPI extensions, `{A1C2040E-8840-4C31-BA11-9871031A19EA}`.
pub const ISAPI_TRACE_PROVIDER: GUID = GUID {
    Data1: 0xA1C2_040E,
    Data2: 0x8840,
    Data3: 0x4C31,
    Data4: [0xBA, 0x11, 0x98, 0x71, 0x03, 0x1A, 0x19, 0xEA],
};

/// Argument of `HSE_REQ_GET_TRACE_INFO_EX`: the extension names a provider, the host says what is wanted of it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_TRACE_CONFIGURATION {
    /// From the extension: the provider.
    pub pProviderGuid: *const GUID,
    /// From the host: the areas to trace, a set of bits.
    pub dwAreas: DWORD,
    /// From the host: the verbosity wanted: 0 general, 1 critical, 2 errors, 3 warnings, 4 information, 5 everything.
    pub dwVerbosity: DWORD,
    /// From the host: is the provider traced at all?
    pub fProviderEnabled: BOOL,
}

/// Argument of `HSE_REQ_RAISE_TRACE_EVENT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_TRACE_EVENT {
    /// The provider that raises the event.
    pub pProviderGuid: *const GUID,
    /// The area, one of the provider's bits.
    pub dwArea: DWORD,
    /// Identifier of the area; NULL: none.
    pub pAreaGuid: *const GUID,
    /// Number of the event in its area.
    pub dwEvent: DWORD,
    /// Name of the event, UTF-16.
    pub pszEventName: LPCWSTR,
    /// Version of the event.
    pub dwEventVersion: DWORD,
    /// Verbosity of the event: 0 to 5 as above, [`HTTP_TRACE_LEVEL_START`] or [`HTTP_TRACE_LEVEL_END`].
    pub dwVerbosity: DWORD,
    /// The activity that it belongs to; NULL: none.
    pub pActivityGuid: *const GUID,
    /// An activity that it is related to; NULL: none.
    pub pRelatedActivityGuid: *const GUID,
    /// Time of the event in milliseconds of the system's tick count; 0: now.
    pub dwTimeStamp: DWORD,
    /// 0 or [`HTTP_TRACE_EVENT_FLAG_STATIC_DESCRIPTIVE_FIELDS`].
    pub dwFlags: DWORD,
    /// Items at `pEventItems`.
    pub cEventItems: DWORD,
    /// The event's data.
    pub pEventItems: *mut HTTP_TRACE_EVENT_ITEM,
}

/// One datum of an [`HTTP_TRACE_EVENT`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HTTP_TRACE_EVENT_ITEM {
    /// Its name, UTF-16.
    pub pszName: LPCWSTR,
    /// Its type, one of the `HTTP_TRACE_TYPE_*`; an enumeration in C.
    pub dwDataType: HTTP_TRACE_TYPE,
    /// Its value.
    pub pbData: LPBYTE,
    /// Bytes at `pbData`.
    pub cbData: DWORD,
    /// Its description, UTF-16; NULL: none.
    pub pszDataDescription: LPCWSTR,
}

/// Names and descriptions of the event are the same every time and need not be copied.
pub const HTTP_TRACE_EVENT_FLAG_STATIC_DESCRIPTIVE_FIELDS: DWORD = 1;

/// The event begins an activity.
pub const HTTP_TRACE_LEVEL_START: DWORD = 6;
/// The event ends an activity.
pub const HTTP_TRACE_LEVEL_END: DWORD = 7;

/// The type of an [`HTTP_TRACE_EVENT_ITEM`].
pub type HTTP_TRACE_TYPE = i32;
/// 16 bits, signed.
pub const HTTP_TRACE_TYPE_SHORT: HTTP_TRACE_TYPE = 2;
/// 32 bits, signed.
pub const HTTP_TRACE_TYPE_LONG: HTTP_TRACE_TYPE = 3;
/// A [`BOOL`].
pub const HTTP_TRACE_TYPE_BOOL: HTTP_TRACE_TYPE = 11;
/// A character.
pub const HTTP_TRACE_TYPE_CHAR: HTTP_TRACE_TYPE = 16;
/// A byte.
pub const HTTP_TRACE_TYPE_BYTE: HTTP_TRACE_TYPE = 17;
/// 16 bits, unsigned.
pub const HTTP_TRACE_TYPE_USHORT: HTTP_TRACE_TYPE = 18;
/// 32 bits, unsigned.
pub const HTTP_TRACE_TYPE_ULONG: HTTP_TRACE_TYPE = 19;
/// 64 bits, signed.
pub const HTTP_TRACE_TYPE_LONGLONG: HTTP_TRACE_TYPE = 20;
/// 64 bits, unsigned.
pub const HTTP_TRACE_TYPE_ULONGLONG: HTTP_TRACE_TYPE = 21;
/// A single-byte string.
pub const HTTP_TRACE_TYPE_LPCSTR: HTTP_TRACE_TYPE = 30;
/// A UTF-16 string.
pub const HTTP_TRACE_TYPE_LPCWSTR: HTTP_TRACE_TYPE = 31;
/// A [`GUID`].
pub const HTTP_TRACE_TYPE_LPCGUID: HTTP_TRACE_TYPE = 72;
