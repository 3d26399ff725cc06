//! The pointers that an extension passes to ServerSupportFunction, read as what the code says they are.

use std::ffi::{CStr, c_void};

use isapi_abi::error::ERROR_INSUFFICIENT_BUFFER;
use isapi_abi::support::{CERT_CONTEXT_EX, HSE_SEND_HEADER_EX_INFO};
use isapi_abi::types::{BOOL, FALSE};

use super::INVALID;
use crate::session::Win32;

/// `lpvBuffer`, `lpdwSize` and `lpdwDataType` of one call. What they point to depends on the code (ISAPI.md §4.1), so
/// a code's function calls only the methods that its row in the table allows.
pub struct Arguments {
    pub(super) buffer: *mut c_void,
    pub(super) size: *mut u32,
    pub(super) data_type: *mut u32,
}

/// HSE_SEND_HEADER_EX_INFO, read (ISAPI.md §4.2, code 1016).
pub struct HeaderEx<'a> {
    /// Status string; empty for NULL.
    pub status: &'a [u8],
    /// Header text and what follows its empty line; empty for NULL.
    pub headers: &'a [u8],
    /// fKeepConn: anything but FALSE (ISAPI.md §4.2: IIS 6 takes garbage for TRUE).
    pub keep: bool,
}

/// X509_ASN_ENCODING, the encoding type of certificates in DER.
const X509_ASN_ENCODING: u32 = 1;

impl Arguments {
    /// Wraps the pointers of one call.
    ///
    /// # Safety
    /// Each is NULL or valid for what the code of the call defines, until the call returns; what an asynchronous operation
    /// uses, until its completion function is called.
    pub(super) unsafe fn new(buffer: *mut c_void, size: *mut u32, data_type: *mut u32) -> Self {
        Self {
            buffer,
            size,
            data_type,
        }
    }

    /// As `new`, for the tests of the codes.
    #[cfg(test)]
    pub(crate) fn for_test(buffer: *mut c_void, size: *mut u32, data_type: *mut u32) -> Self {
        // SAFETY: the tests pass what `new` demands.
        unsafe { Self::new(buffer, size, data_type) }
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

    /// B as NUL-terminated UTF-16 text.
    pub fn wide_text_in_buffer(&self) -> Option<Vec<u16>> {
        // SAFETY: by the contract of `new`.
        unsafe { wide_text(self.buffer.cast()) }
    }

    /// Replaces the text in B by one that is not longer.
    ///
    /// # Errors
    /// 87 when B is NULL, 122 when the text is longer.
    pub fn replace_text_in_buffer(&mut self, text: &[u8]) -> Result<(), Win32> {
        let room = self.text_in_buffer().ok_or(INVALID)?.len();
        if text.len() > room {
            return Err(Win32(ERROR_INSUFFICIENT_BUFFER));
        }
        let bytes = self.buffer.cast::<u8>();
        // SAFETY: by the contract of `new` there are `room` bytes and a NUL at B.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), bytes, text.len());
            bytes.add(text.len()).write(0);
        }
        Ok(())
    }

    /// Writes a BOOL to B.
    ///
    /// # Errors
    /// 87 when B is NULL.
    pub fn set_bool(&mut self, value: bool) -> Result<(), Win32> {
        self.set_buffer(BOOL::from(value))
    }

    /// Writes to B what the code defines there: a number, a pointer, a structure that the host fills.
    ///
    /// # Errors
    /// 87 when B is NULL.
    pub fn set_buffer<T: Copy>(&mut self, value: T) -> Result<(), Win32> {
        // SAFETY: by the contract of `new`, B has room for what the code defines.
        unsafe { set(self.buffer, value) }
    }

    /// Writes to T the structure that the code defines there.
    ///
    /// # Errors
    /// 87 when T is NULL.
    pub fn set_data_type<T: Copy>(&mut self, value: T) -> Result<(), Win32> {
        // SAFETY: by the contract of `new`, T has room for what the code defines.
        unsafe { set(self.data_type.cast(), value) }
    }

    /// B as the structure that the code defines there.
    ///
    /// # Errors
    /// 87 when B is NULL.
    pub fn buffer<T: Copy>(&self) -> Result<T, Win32> {
        if self.buffer.is_null() {
            return Err(INVALID);
        }
        // SAFETY: by the contract of `new`, B is what the code defines; extensions may pass unaligned pointers.
        Ok(unsafe { self.buffer.cast::<T>().read_unaligned() })
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
            return Err(Win32(ERROR_INSUFFICIENT_BUFFER));
        }
        if self.buffer.is_null() {
            return Err(INVALID);
        }
        // SAFETY: by the contract of `new` there are `room` bytes at B.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.buffer.cast(), bytes.len()) };
        Ok(())
    }

    /// B as HSE_SEND_HEADER_EX_INFO. A length of zero means that the text ends at its NUL.
    ///
    /// # Errors
    /// 87 when B is NULL.
    pub fn header_ex(&self) -> Result<HeaderEx<'_>, Win32> {
        let info: HSE_SEND_HEADER_EX_INFO = self.buffer()?;
        // SAFETY: by the contract of `new`, its strings are NULL or as long as it says.
        unsafe {
            Ok(HeaderEx {
                status: counted(info.pszStatus, info.cchStatus),
                headers: counted(info.pszHeader, info.cchHeader),
                keep: info.fKeepConn != FALSE,
            })
        }
    }

    /// Fills the CERT_CONTEXT_EX at B: the certificate's size in any case, its bytes if the extension's buffer holds
    /// them. An empty one is none.
    ///
    /// # Errors
    /// 87 when B or the buffer is NULL, 122 when the buffer is too small.
    pub fn set_certificate(&mut self, der: &[u8], flags: u32) -> Result<(), Win32> {
        let mut info: CERT_CONTEXT_EX = self.buffer()?;
        let size = u32::try_from(der.len()).map_err(|_| INVALID)?;
        info.CertContext.dwCertEncodingType = if der.is_empty() { 0 } else { X509_ASN_ENCODING };
        info.CertContext.cbCertEncoded = size;
        info.dwCertificateFlags = flags;
        self.set_buffer(info)?;
        if info.cbAllocated < size {
            return Err(Win32(ERROR_INSUFFICIENT_BUFFER));
        }
        // SAFETY: by the contract of `new` there are `cbAllocated` bytes, which nothing else uses during the call.
        let target = unsafe { room(info.CertContext.pbCertEncoded, size) }.ok_or(INVALID)?;
        target.copy_from_slice(der);
        Ok(())
    }
}

/// Writes a value.
///
/// # Safety
/// `pointer` is NULL or there is room for a `T`.
unsafe fn set<T: Copy>(pointer: *mut c_void, value: T) -> Result<(), Win32> {
    if pointer.is_null() {
        return Err(INVALID);
    }
    // SAFETY: by the contract above; extensions may pass unaligned pointers.
    unsafe { pointer.cast::<T>().write_unaligned(value) };
    Ok(())
}

/// NUL-terminated UTF-16 text, copied: extensions may pass unaligned pointers.
///
/// # Safety
/// `pointer` is NULL or such a text.
pub(super) unsafe fn wide_text(pointer: *const u16) -> Option<Vec<u16>> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: by the contract above; nothing is read behind the NUL.
    let units = (0..).map(|index| unsafe { pointer.add(index).read_unaligned() });
    Some(units.take_while(|unit| *unit != 0).collect())
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
pub(super) unsafe fn counted<'a>(pointer: *const u8, count: u32) -> &'a [u8] {
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
