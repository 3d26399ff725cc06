//! What extensions pass for child requests and error pages (ISAPI.md §4.2, codes 1025, 1026, 1028).

use std::sync::Arc;

use fastcgi_protocol::ChildRequest;
use isapi_abi::support::{
    HSE_CUSTOM_ERROR_INFO, HSE_EXEC_URL_ENTITY_INFO, HSE_EXEC_URL_INFO, HSE_EXEC_URL_USER_INFO,
};
use isapi_abi::types::FALSE;

use super::arguments::{text, wide_text};
use super::{Arguments, Entry, INVALID, Memory};
use crate::session::Win32;

/// HSE_EXEC_URL_INFO, read.
pub struct ExecUrl {
    /// The request, but for the length of its entity.
    pub child: ChildRequest,
    /// Its entity, in place until the operation is over; `None`: what is left of the extension's own.
    pub entity: Option<Box<dyn AsRef<[u8]> + Send>>,
}

impl Arguments {
    /// B as HSE_EXEC_URL_INFO, or as HSE_EXEC_UNICODE_URL_INFO, which has the same layout with URL and user in UTF-16.
    ///
    /// # Errors
    /// 87 when a pointer that is needed is NULL.
    pub fn exec_url(&self, wide: bool) -> Result<ExecUrl, Win32> {
        let info: HSE_EXEC_URL_INFO = self.buffer()?;
        // SAFETY: by the contract of `new`, B is such a structure with strings and structures that are NULL or valid.
        unsafe {
            let own = |pointer: *mut u8| text(pointer).map(<[u8]>::to_vec);
            let either = |pointer: *mut u8| match wide {
                true => {
                    wide_text(pointer.cast()).map(|text| String::from_utf16_lossy(&text).into())
                }
                false => own(pointer),
            };
            let user = structure::<HSE_EXEC_URL_USER_INFO>(info.pUserInfo);
            let entity = structure::<HSE_EXEC_URL_ENTITY_INFO>(info.pEntity);
            let entity = entity.map(|entity| {
                let memory = Memory::new(entity.lpbData.cast(), entity.cbAvailable as usize);
                memory.map(|memory| Box::new(memory) as _).ok_or(INVALID)
            });
            Ok(ExecUrl {
                child: ChildRequest {
                    url: either(info.pszUrl),
                    method: own(info.pszMethod),
                    headers: own(info.pszChildHeaders),
                    user: user.and_then(|user| either(user.pszCustomUserName)),
                    auth_type: user.and_then(|user| own(user.pszCustomAuthType)),
                    flags: info.dwExecUrlFlags,
                    length: None,
                },
                entity: entity.transpose()?,
            })
        }
    }

    /// B as HSE_CUSTOM_ERROR_INFO: status text, sub-status, and whether to answer asynchronously.
    ///
    /// # Errors
    /// 87 when B is NULL.
    pub fn custom_error(&self) -> Result<(Option<&[u8]>, u16, bool), Win32> {
        let info: HSE_CUSTOM_ERROR_INFO = self.buffer()?;
        // SAFETY: by the contract of `new`.
        let status = unsafe { text(info.pszStatus) };
        Ok((status, info.uHttpSubError, info.fAsync != FALSE))
    }
}

impl Entry {
    /// The first part of the body, which the extension got before its call.
    pub fn read_ahead(self: &Arc<Self>) -> Box<dyn AsRef<[u8]> + Send> {
        Box::new(ReadAhead(Arc::clone(self)))
    }
}

struct ReadAhead(Arc<Entry>);

impl AsRef<[u8]> for ReadAhead {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the memory lives as long as its block, and the extension leaves what it hands on unchanged until the
        // operation is over.
        unsafe { self.0.block.data().as_ref() }
    }
}

/// # Safety
/// `pointer` is NULL or there is a `T`.
unsafe fn structure<T: Copy>(pointer: *const T) -> Option<T> {
    // SAFETY: by the contract above; extensions may pass unaligned pointers.
    (!pointer.is_null()).then(|| unsafe { pointer.read_unaligned() })
}
