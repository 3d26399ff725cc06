//! The memory of one EXTENSION_CONTROL_BLOCK and of all that it points to.

use std::cell::UnsafeCell;
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
    /// What the ECB points to. Only the extension touches it: kept as raw memory so that nothing here aliases it.
    memory: Vec<NonNull<[u8]>>,
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
        // Not counted, but some extensions take the data for a string (ISAPI.md §2.2).
        data.push(0);
        let mut memory = Vec::with_capacity(6);
        let mut keep = |bytes: Vec<u8>| {
            let kept = NonNull::from(Box::leak(bytes.into_boxed_slice()));
            memory.push(kept);
            kept.cast::<u8>().as_ptr()
        };
        let translated = keep([&variables.physical("PATH_TRANSLATED"), b"\0".as_slice()].concat());
        let mut text = |name: &str| keep([variables.param(name), b"\0"].concat());
        let ecb = EXTENSION_CONTROL_BLOCK {
            cbSize: SIZE,
            dwVersion: HSE_VERSION,
            ConnID: ptr::null_mut(),
            dwHttpStatusCode: 200,
            lpszLogData: [0; HSE_LOG_BUFFER_LEN],
            lpszMethod: text("REQUEST_METHOD"),
            lpszQueryString: text("QUERY_STRING"),
            lpszPathInfo: text("PATH_INFO"),
            lpszPathTranslated: translated,
            lpszContentType: text("CONTENT_TYPE"),
            cbTotalBytes: total,
            cbAvailable: available,
            lpbData: keep(data),
            GetServerVariable: get_server_variable,
            WriteClient: write_client,
            ReadClient: read_client,
            ServerSupportFunction: server_support_function,
        };
        let first = NonNull::new(ecb.lpbData).unwrap_or(NonNull::dangling());
        Self {
            data: NonNull::slice_from_raw_parts(first, available as usize),
            ecb: Low::new(UnsafeCell::new(ecb)),
            memory,
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
        // SAFETY: the block is alive. Volatile, because another thread of the extension may still write to it.
        let (status, log) = unsafe {
            let ecb = self.ecb.get();
            (
                ptr::read_volatile(&raw const (*ecb).dwHttpStatusCode),
                ptr::read_volatile(&raw const (*ecb).lpszLogData),
            )
        };
        let end = log
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(HSE_LOG_BUFFER_LEN - 1);
        (status, log[..end].to_vec())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        for memory in self.memory.drain(..) {
            // SAFETY: made by `Box::leak` in `new`, freed only here.
            drop(unsafe { Box::from_raw(memory.as_ptr()) });
        }
    }
}
