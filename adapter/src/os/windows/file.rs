//! Files of the extension.

use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use isapi_abi::types::HANDLE;
use windows_sys::Win32::Foundation::{ERROR_HANDLE_EOF, ERROR_INVALID_HANDLE, ERROR_IO_PENDING};
use windows_sys::Win32::Storage::FileSystem::{GetFileSizeEx, ReadFile};
use windows_sys::Win32::System::IO::{GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Threading::CreateEventW;

use super::last_error;

/// A file that the extension has opened.
pub struct ForeignFile(HANDLE);

// SAFETY: handles belong to the process, not to a thread.
unsafe impl Send for ForeignFile {}

impl ForeignFile {
    /// Wraps a handle. One that is none fails when it is used.
    ///
    /// # Safety
    /// The extension leaves it open as long as this lives.
    pub unsafe fn new(handle: HANDLE) -> Self {
        Self(handle)
    }

    /// Size in bytes.
    ///
    /// # Errors
    /// A Win32 error for what is no open file.
    pub fn size(&self) -> Result<u64, u32> {
        let mut size = 0;
        // SAFETY: the number is valid for the time of the call.
        if unsafe { GetFileSizeEx(self.0, &raw mut size) } == 0 {
            return Err(last_error());
        }
        u64::try_from(size).map_err(|_| ERROR_INVALID_HANDLE)
    }

    /// Its path as web servers have it: nobody tells that of a handle here.
    pub fn path(&self) -> Option<Vec<u8>> {
        None
    }

    /// Reads at an offset; zero at the end of the file. It does not matter whether the file was opened with
    /// `FILE_FLAG_OVERLAPPED`, nor what else goes on with it.
    ///
    /// # Errors
    /// A Win32 error.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, u32> {
        let event = event()?;
        // SAFETY: plain numbers and NULL.
        let mut overlapped: OVERLAPPED = unsafe { std::mem::zeroed() };
        let [low, high] = [offset, offset >> 32].map(|half| half & 0xffff_ffff);
        overlapped.Anonymous.Anonymous.Offset = u32::try_from(low).unwrap_or(0);
        overlapped.Anonymous.Anonymous.OffsetHigh = u32::try_from(high).unwrap_or(0);
        // The lowest bit keeps the end of this read from a completion port of the extension's.
        overlapped.hEvent = event.map_addr(|address| address | 1);
        let room = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let mut count = 0;
        // SAFETY: buffer and structure are valid until the read is over, which is awaited here.
        let read = unsafe {
            ReadFile(
                self.0,
                buffer.as_mut_ptr(),
                room,
                std::ptr::null_mut(),
                &raw mut overlapped,
            ) != 0
                || last_error() == ERROR_IO_PENDING
        } && {
            // SAFETY: as above.
            unsafe { GetOverlappedResult(self.0, &raw const overlapped, &raw mut count, 1) != 0 }
        };
        match (read, last_error()) {
            (true, _) => Ok(count as usize),
            (false, ERROR_HANDLE_EOF) => Ok(0),
            (false, error) => Err(error),
        }
    }
}

/// An event of the calling thread, for its own reads.
fn event() -> Result<HANDLE, u32> {
    thread_local! {
        static EVENT: std::cell::OnceCell<OwnedHandle> = const { std::cell::OnceCell::new() };
    }
    EVENT.with(|event| {
        if let Some(event) = event.get() {
            return Ok(event.as_raw_handle());
        }
        // SAFETY: a plain call.
        let handle = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
        if handle.is_null() {
            return Err(last_error());
        }
        // SAFETY: a fresh handle that is ours alone.
        let owned = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(event.get_or_init(|| owned).as_raw_handle())
    })
}
