//! The pointers that an extension passes to ServerSupportFunction, read as what the code says they are.

use std::ffi::{CStr, c_void};

use isapi_abi::support::{HSE_SEND_HEADER_EX_INFO, HSE_URL_MAPEX_INFO};
use isapi_abi::types::BOOL;

use super::INVALID;
use crate::session::Win32;

/// `lpvBuffer`, `lpdwSize` and `lpdwDataType` of one call. What they point to depends on the code (ISAPI.md §4.1), so
/// a code's function calls only the methods that its row in the table allows.
pub struct Arguments {
    buffer: *mut c_void,
    size: *mut u32,
    data_type: *mut u32,
}

/// HSE_SEND_HEADER_EX_INFO, read (ISAPI.md §4.2, code 1016).
pub struct HeaderEx<'a> {
    /// Status string; empty for NULL.
    pub status: &'a [u8],
    /// Header text and what follows its empty line; empty for NULL.
    pub headers: &'a [u8],
}

impl Arguments {
    /// Wraps the pointers of one call.
    ///
    /// # Safety
    /// Each is NULL or valid for what the code of the call defines, until the call returns.
    pub(super) unsafe fn new(buffer: *mut c_void, size: *mut u32, data_type: *mut u32) -> Self {
        Self {
            buffer,
            size,
            data_type,
        }
    }

    /// B as NUL-terminated text.
    pub fn text_in_buffer(&self) -> Option<&[u8]> {
        // SAFETY: by the contract of `new`.
        unsafe { text(self.buffer.cast()) }
    }

    /// T as NUL-terminated text.
    pub fn text_in_data_type(&self) -> Option<&[u8]> {
        // SAFETY: by the contract of `new`.
        unsafe { text(self.data_type.cast()) }
    }

    /// B as a DWORD.
    pub fn dword_in_buffer(&self) -> Option<u32> {
        // SAFETY: by the contract of `new`; extensions may pass unaligned pointers.
        (!self.buffer.is_null()).then(|| unsafe { self.buffer.cast::<u32>().read_unaligned() })
    }

    /// Whether B is NULL.
    pub fn has_buffer(&self) -> bool {
        !self.buffer.is_null()
    }

    /// Writes a BOOL to B.
    ///
    /// # Errors
    /// 87 when B is NULL.
    pub fn set_bool(&mut self, value: bool) -> Result<(), Win32> {
        if self.buffer.is_null() {
            return Err(INVALID);
        }
        // SAFETY: by the contract of `new`.
        unsafe {
            self.buffer
                .cast::<BOOL>()
                .write_unaligned(BOOL::from(value))
        };
        Ok(())
    }

    /// The DWORD at S.
    pub fn size(&self) -> Option<u32> {
        // SAFETY: by the contract of `new`.
        (!self.size.is_null()).then(|| unsafe { self.size.read_unaligned() })
    }

    /// Writes the DWORD at S.
    pub fn set_size(&mut self, size: u32) {
        if !self.size.is_null() {
            // SAFETY: by the contract of `new`.
            unsafe { self.size.write_unaligned(size) };
        }
    }

    /// Writes bytes to B, which has room for as many as S says.
    ///
    /// # Errors
    /// 87 when B is NULL, 122 when it is too small.
    pub fn fill_buffer(&mut self, bytes: &[u8]) -> Result<(), Win32> {
        let room = self.size().ok_or(INVALID)?;
        if (room as usize) < bytes.len() {
            return Err(Win32(isapi_abi::error::ERROR_INSUFFICIENT_BUFFER));
        }
        if self.buffer.is_null() {
            return Err(INVALID);
        }
        // SAFETY: by the contract of `new` there are `room` bytes at B.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.buffer.cast(), bytes.len()) };
        Ok(())
    }

    /// B as HSE_SEND_HEADER_EX_INFO. A length of zero means that the text ends at its NUL.
    pub fn header_ex(&self) -> Option<HeaderEx<'_>> {
        if self.buffer.is_null() {
            return None;
        }
        // SAFETY: by the contract of `new`, B is such a structure, and its strings are NULL or as long as it says.
        unsafe {
            let info = self
                .buffer
                .cast::<HSE_SEND_HEADER_EX_INFO>()
                .read_unaligned();
            Some(HeaderEx {
                status: counted(info.pszStatus, info.cchStatus),
                headers: counted(info.pszHeader, info.cchHeader),
            })
        }
    }

    /// Writes an HSE_URL_MAPEX_INFO to T.
    ///
    /// # Errors
    /// 87 when T is NULL.
    pub fn set_map_ex(&mut self, info: HSE_URL_MAPEX_INFO) -> Result<(), Win32> {
        if self.data_type.is_null() {
            return Err(INVALID);
        }
        // SAFETY: by the contract of `new`, T is such a structure.
        unsafe {
            self.data_type
                .cast::<HSE_URL_MAPEX_INFO>()
                .write_unaligned(info)
        };
        Ok(())
    }
}

/// NUL-terminated text.
///
/// # Safety
/// `pointer` is NULL or such a text, valid for `'a`.
pub(super) unsafe fn text<'a>(pointer: *const u8) -> Option<&'a [u8]> {
    // SAFETY: by the contract above.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer.cast()) }.to_bytes())
}

/// `count` bytes to read. `None` for NULL with a count.
///
/// # Safety
/// `pointer` is NULL or there are `count` bytes, valid for `'a`.
pub(super) unsafe fn bytes<'a>(pointer: *const u8, count: u32) -> Option<&'a [u8]> {
    match (pointer.is_null(), count) {
        (_, 0) => Some(&[]),
        (true, _) => None,
        // SAFETY: by the contract above.
        (false, _) => Some(unsafe { std::slice::from_raw_parts(pointer, count as usize) }),
    }
}

/// Room for `count` bytes. `None` for NULL with a count.
///
/// # Safety
/// `pointer` is NULL or there is room for `count` bytes that nothing else uses during `'a`.
pub(super) unsafe fn room<'a>(pointer: *mut u8, count: u32) -> Option<&'a mut [u8]> {
    match (pointer.is_null(), count) {
        (_, 0) => Some(&mut []),
        (true, _) => None,
        // SAFETY: by the contract above.
        (false, _) => Some(unsafe { std::slice::from_raw_parts_mut(pointer, count as usize) }),
    }
}

/// Text with a length; up to its NUL for length zero; trailing NULs do not count (ISAPI.md §4.2, code 1016).
unsafe fn counted<'a>(pointer: *const u8, count: u32) -> &'a [u8] {
    // SAFETY: by the contract of the callers.
    let text = unsafe {
        if count == 0 {
            text(pointer)
        } else {
            bytes(pointer, count)
        }
    }
    .unwrap_or_default();
    let end = text
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    &text[..end]
}
