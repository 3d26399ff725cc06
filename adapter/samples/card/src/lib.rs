//! card: `?ID=4111 1111 1111 1111` tells whether that can be the number of a payment card.
//!
//! The classic first extension, in Rust: `luhn` checks, `page` shows, and this file alone speaks ISAPI.

mod luhn;
mod page;

use std::{ffi::CStr, panic::catch_unwind, process};

use isapi_abi::{
    ecb::{EXTENSION_CONTROL_BLOCK, HSE_VERSION, HSE_VERSION_INFO},
    io::HSE_IO_SYNC,
    requests::HSE_REQ_SEND_RESPONSE_HEADER_EX,
    status::{HSE_STATUS_ERROR, HSE_STATUS_SUCCESS},
    support::HSE_SEND_HEADER_EX_INFO,
    types::{BOOL, DWORD, FALSE, TRUE},
};

const DESCRIPTION: &CStr = c"card sample";

/// Tells the server what this is (`ISAPI.md` §1.3).
///
/// # Safety
///
/// `info` points to a structure that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn GetExtensionVersion(info: *mut HSE_VERSION_INFO) -> BOOL {
    let mut description = [0; _];
    let text = DESCRIPTION.to_bytes_with_nul();
    description[..text.len()].copy_from_slice(text);
    // SAFETY: the server passes its own structure, and nobody else uses it meanwhile.
    unsafe {
        *info = HSE_VERSION_INFO {
            dwExtensionVersion: HSE_VERSION,
            lpszExtensionDesc: description,
        };
    }
    TRUE
}

/// Answers one request (`ISAPI.md` §1.4).
///
/// # Safety
///
/// `block` is a server's control block with callbacks that keep their contract.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HttpExtensionProc(block: *mut EXTENSION_CONTROL_BLOCK) -> DWORD {
    let answered = catch_unwind(|| {
        // SAFETY: the block belongs to this call until it returns, and the query is a string that ends with a NUL.
        let query = unsafe { CStr::from_ptr((*block).lpszQueryString.cast()) };
        let html = page::render(query.to_bytes(), process::id(), &thread_id());
        // SAFETY: as above.
        unsafe { send(&mut *block, html.as_bytes()) }
    });
    match answered {
        Ok(Some(())) => HSE_STATUS_SUCCESS,
        Ok(None) | Err(_) => HSE_STATUS_ERROR,
    }
}

/// Nothing to clean up (`ISAPI.md` §1.5).
#[unsafe(no_mangle)]
pub extern "system" fn TerminateExtension(_flags: DWORD) -> BOOL {
    TRUE
}

/// Sends a page as the whole answer; `None` if the server refuses or the client has gone.
///
/// # Safety
///
/// The callbacks of `block` keep their contract.
unsafe fn send(block: &mut EXTENSION_CONTROL_BLOCK, html: &[u8]) -> Option<()> {
    let status = c"200 OK";
    let headers = format!(
        "Content-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\r\n\0",
        html.len()
    );
    let mut info = HSE_SEND_HEADER_EX_INFO {
        pszStatus: status.as_ptr().cast(),
        pszHeader: headers.as_ptr(),
        cchStatus: DWORD::try_from(status.count_bytes()).ok()?,
        cchHeader: DWORD::try_from(headers.len() - 1).ok()?,
        fKeepConn: TRUE,
    };
    // SAFETY: the structure and its strings outlive the call; the other parameters are unused.
    let sent = unsafe {
        (block.ServerSupportFunction)(
            block.ConnID,
            HSE_REQ_SEND_RESPONSE_HEADER_EX,
            (&raw mut info).cast(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    if sent == FALSE {
        return None;
    }
    block.dwHttpStatusCode = 200;

    let mut rest = html;
    while !rest.is_empty() {
        let mut size = DWORD::try_from(rest.len()).ok()?;
        // SAFETY: the buffer has `size` bytes; a synchronous write only reads it, before it returns.
        let written = unsafe {
            (block.WriteClient)(
                block.ConnID,
                rest.as_ptr().cast_mut().cast(),
                &raw mut size,
                HSE_IO_SYNC,
            )
        };
        if written == FALSE || size == 0 {
            return None;
        }
        rest = rest.get(usize::try_from(size).ok()?..)?;
    }
    Some(())
}

/// The system's number of the calling thread.
#[cfg(target_os = "linux")]
fn thread_id() -> String {
    std::fs::read_link("/proc/thread-self")
        .ok()
        .and_then(|link| Some(link.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| String::from("unknown"))
}

/// The system's number of the calling thread.
#[cfg(windows)]
fn thread_id() -> String {
    #[link(name = "kernel32")]
    unsafe extern "system" {
        safe fn GetCurrentThreadId() -> u32;
    }
    GetCurrentThreadId().to_string()
}
