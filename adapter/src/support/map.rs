//! Codes that map a URL to a physical path: 1001, 1012 (ISAPI.md §4.2). URLs map below the site's root, whether the
//! file exists or not.

use isapi_abi::error::{ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER};
use isapi_abi::support::{
    HSE_URL_FLAGS_EXECUTE, HSE_URL_FLAGS_READ, HSE_URL_FLAGS_SCRIPT, HSE_URL_MAPEX_INFO,
};

use super::MISSING;
use crate::ecb::Arguments;
use crate::session::{Session, Win32};
use crate::{os, path};

/// 1001: URL and path share B; S is its size and then the length of the path with its NUL.
pub(super) fn in_place(session: &Session, arguments: &mut Arguments) -> Result<(), Win32> {
    let mut path = physical_path(session, arguments)?;
    path.push(0);
    let result = arguments.fill_buffer(&path);
    arguments.set_size(u32::try_from(path.len()).map_err(|_| MISSING)?);
    result
}

/// 1012: URL in B, structure in T. A path that does not fit is truncated and the call fails with 122, as on IIS 6.
pub(super) fn extended(session: &Session, arguments: &mut Arguments) -> Result<(), Win32> {
    let url_length = arguments.text_in_buffer().ok_or(MISSING)?.len();
    let path = physical_path(session, arguments)?;
    let root = session.variables().physical("DOCUMENT_ROOT").len();
    let mut info = HSE_URL_MAPEX_INFO {
        lpszPath: [0; 260],
        dwFlags: HSE_URL_FLAGS_READ | HSE_URL_FLAGS_EXECUTE | HSE_URL_FLAGS_SCRIPT,
        cchMatchingPath: u32::try_from(root).unwrap_or(0),
        // The site's root is the only virtual directory: its URL is "/".
        cchMatchingURL: u32::from(url_length > 0),
        dwReserved1: 0,
        dwReserved2: 0,
    };
    let kept = path.len().min(info.lpszPath.len() - 1);
    info.lpszPath[..kept].copy_from_slice(&path[..kept]);
    arguments.set_map_ex(info)?;
    if kept < path.len() {
        Err(Win32(ERROR_INSUFFICIENT_BUFFER))
    } else {
        Ok(())
    }
}

fn physical_path(session: &Session, arguments: &Arguments) -> Result<Vec<u8>, Win32> {
    let url = arguments.text_in_buffer().ok_or(MISSING)?;
    path::refuse(url).map_err(|_| Win32(ERROR_INVALID_PARAMETER))?;
    let path = path::join(session.variables().param("DOCUMENT_ROOT"), url);
    Ok(os::path_to_native(&path).into_owned())
}
