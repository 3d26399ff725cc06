//! Files of the extension.

use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};

use isapi_abi::error::{ERROR_INVALID_HANDLE, ERROR_READ_FAULT};
use isapi_abi::types::HANDLE;
use rustix::fs::FileType;

/// A file that the extension has opened: its handle is a descriptor (`adapter/include/windows.h`).
pub struct ForeignFile(Option<RawFd>);

impl ForeignFile {
    /// Wraps a handle. One that is no descriptor fails when it is used.
    ///
    /// # Safety
    /// The extension leaves it open as long as this lives.
    pub unsafe fn new(handle: HANDLE) -> Self {
        Self(RawFd::try_from(handle.addr()).ok())
    }

    /// Size in bytes.
    ///
    /// # Errors
    /// A Win32 error for what is no open file.
    pub fn size(&self) -> Result<u64, u32> {
        let stat = rustix::fs::fstat(self.descriptor()?).map_err(to_win32)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            u64::try_from(stat.st_size).map_err(|_| ERROR_INVALID_HANDLE)
        } else {
            Err(ERROR_INVALID_HANDLE)
        }
    }

    /// Reads at an offset; zero at the end of the file.
    ///
    /// # Errors
    /// A Win32 error.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, u32> {
        let file = self.descriptor()?;
        rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut *buffer, offset))
            .map_err(to_win32)
    }

    /// Its path without links. `None`: there is none any more, or another file is there now.
    pub fn path(&self) -> Option<Vec<u8>> {
        let file = self.descriptor().ok()?;
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        let path = rustix::fs::readlink(link, Vec::new()).ok()?;
        let (own, there) = (rustix::fs::fstat(file).ok()?, rustix::fs::stat(&path).ok()?);
        let is_same = (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino);
        is_same.then(|| path.into_bytes())
    }

    fn descriptor(&self) -> Result<BorrowedFd<'_>, u32> {
        let descriptor = self.0.ok_or(ERROR_INVALID_HANDLE)?;
        // SAFETY: by the contract of `new`; a number of no open file fails.
        Ok(unsafe { BorrowedFd::borrow_raw(descriptor) })
    }
}

fn to_win32(error: rustix::io::Errno) -> u32 {
    match error {
        rustix::io::Errno::BADF => ERROR_INVALID_HANDLE,
        _ => ERROR_READ_FAULT,
    }
}
