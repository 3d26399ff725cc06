//! The memory of one EXTENSION_CONTROL_BLOCK and of all that it points to.

use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use isapi_abi::ecb::{EXTENSION_CONTROL_BLOCK, HSE_LOG_BUFFER_LEN, HSE_VERSION};
use isapi_abi::types::HCONN;

use super::{get_server_variable, read_client, server_support_function, write_client};
use crate::os::Low;
use crate::variables::Variables;

/// `cbSize`: 144 on 32-bit systems, 192 on 64-bit ones.
#[expect(clippy::cast_possible_truncation, reason = "below 200")]
const SIZE: u32 = size_of::<EXTENSION_CONTROL_BLOCK>() as u32;

/// One block. Its strings are private, writable and NUL-terminated, since some extensions scribble in them (ISAPI.md
/// §2.1), and never NULL.
pub(super) struct Block {
    ecb: Low<UnsafeCell<EXTENSION_CONTROL_BLOCK>>,
    /// The first part of the body in that memory.
    data: NonNull<[u8]>,
    /// What the ECB points to.
    _strings: Memory,
    _body: Memory,
}

/// Bytes that only the extension touches: kept as raw memory so that nothing here aliases them.
struct Memory {
    start: NonNull<u8>,
    capacity: usize,
}

impl Memory {
    fn new(bytes: Vec<u8>) -> Self {
        let mut bytes = ManuallyDrop::new(bytes);
        Self {
            // SAFETY: the pointer of a vector is never NULL.
            start: unsafe { NonNull::new_unchecked(bytes.as_mut_ptr()) },
            capacity: bytes.capacity(),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: taken from a vector of bytes in `new`, given back only here.
        drop(unsafe { Vec::from_raw_parts(self.start.as_ptr(), 0, self.capacity) });
    }
}

// SAFETY: the worker itself touches the ECB only before the extension sees it and, by volatile reads, afterwards; the
// extension may use it from any thread by contract (ISAPI.md §3).
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// A block for a request whose first body bytes are `data` of `total` (`cbTotalBytes`).
    pub(super) fn new(variables: &Variables, mut data: Vec<u8>, total: u32) -> Self {
        let available = u32::try_from(data.len()).unwrap_or(0);
        let translated = variables.physical("PATH_TRANSLATED");
        let texts = [
            variables.param("REQUEST_METHOD"),
            variables.param("QUERY_STRING"),
            variables.param("PATH_INFO"),
            &translated,
            variables.param("CONTENT_TYPE"),
            // Where there is no body.
            b"",
        ];
        let size = texts.iter().map(|text| text.len() + 1).sum();
        let mut strings = Vec::with_capacity(size);
        let places = texts.map(|text| {
            let place = strings.len();
            strings.extend_from_slice(text);
            strings.push(0);
            place
        });
        let strings = Memory::new(strings);
        // SAFETY: each of these places is in the memory.
        let [method, query, info, translated, content_type, nothing] =
            places.map(|place| unsafe { strings.start.add(place) });
        if available > 0 {
            // Not counted, but some extensions take the data for a string (ISAPI.md §2.2).
            data.push(0);
        }
        let body = Memory::new(data);
        let first = if available > 0 { body.start } else { nothing };
        let ecb = EXTENSION_CONTROL_BLOCK {
            cbSize: SIZE,
            dwVersion: HSE_VERSION,
            ConnID: ptr::null_mut(),
            dwHttpStatusCode: 200,
            lpszLogData: [0; HSE_LOG_BUFFER_LEN],
            lpszMethod: method.as_ptr(),
            lpszQueryString: query.as_ptr(),
            lpszPathInfo: info.as_ptr(),
            lpszPathTranslated: translated.as_ptr(),
            lpszContentType: content_type.as_ptr(),
            cbTotalBytes: total,
            cbAvailable: available,
            lpbData: first.as_ptr(),
            GetServerVariable: get_server_variable,
            WriteClient: write_client,
            ReadClient: read_client,
            ServerSupportFunction: server_support_function,
        };
        Self {
            data: NonNull::slice_from_raw_parts(first, available as usize),
            ecb: Low::new(UnsafeCell::new(ecb)),
            _strings: strings,
            _body: body,
        }
    }

    /// Sets the ConnID, before the extension sees the block.
    pub(super) fn set_connection(&self, id: HCONN) {
        // SAFETY: nobody else has seen the block yet.
        unsafe { (*self.ecb.get()).ConnID = id };
    }

    /// The address that the extension gets.
    pub(super) fn ecb(&self) -> *mut EXTENSION_CONTROL_BLOCK {
        self.ecb.get()
    }

    /// The first part of the body, which the extension may have changed.
    pub(super) fn data(&self) -> NonNull<[u8]> {
        self.data
    }

    /// What the extension has left in it: dwHttpStatusCode and the text in lpszLogData, at most 79 bytes of it.
    pub(super) fn outcome(&self) -> (u32, Vec<u8>) {
        let ecb = self.ecb.get();
        // SAFETY: the block is alive. Volatile, because another thread of the extension may still write to it.
        let status = unsafe { ptr::read_volatile(&raw const (*ecb).dwHttpStatusCode) };
        let text = (0..HSE_LOG_BUFFER_LEN - 1).map(|index| {
            // SAFETY: as above.
            unsafe { ptr::read_volatile((&raw const (*ecb).lpszLogData).cast::<u8>().add(index)) }
        });
        (status, text.take_while(|byte| *byte != 0).collect())
    }
}
