//! Codes that map a URL to a physical path: 1001, 1012 and, in UTF-16, 1023, 1024 (ISAPI.md §4.2). URLs map into the
//! site's virtual directories or below its root, whether the file exists or not.

use std::borrow::Cow;

use isapi_abi::error::ERROR_INSUFFICIENT_BUFFER;
use isapi_abi::support::{HSE_UNICODE_URL_MAPEX_INFO, HSE_URL_MAPEX_INFO};

use super::MISSING;
use crate::directories::Mapped;
use crate::ecb::Arguments;
use crate::session::{Session, Win32};
use crate::variables::to_utf16;
use crate::{os, path};

/// 1001: URL and path share B; S is its size and then the length of the path with its NUL.
pub(super) fn in_place(session: &Session, arguments: &mut Arguments) -> Result<(), Win32> {
    let url = arguments.text_in_buffer().ok_or(MISSING)?;
    let mapped = map(session, url)?;
    replace(arguments, &[&narrow(&mapped.path)[..], b"\0"].concat())
}

/// 1023: the same in UTF-16. S counts bytes here too.
pub(super) fn in_place_wide(session: &Session, arguments: &mut Arguments) -> Result<(), Win32> {
    let url = wide_url(arguments)?;
    let mapped = map(session, &url)?;
    let bytes: Vec<u8> = wide(&mapped.path)
        .iter()
        .chain(&[0])
        .flat_map(|unit| unit.to_le_bytes())
        .collect();
    replace(arguments, &bytes)
}

/// 1012: URL in B, structure in T. A path that does not fit is truncated and the call fails with 122, as on IIS 6.
pub(super) fn extended(session: &Session, arguments: &mut Arguments) -> Result<(), Win32> {
    let url = arguments.text_in_buffer().ok_or(MISSING)?;
    let mapped = map(session, url)?;
    let mut info = HSE_URL_MAPEX_INFO {
        lpszPath: [0; 260],
        dwFlags: mapped.flags,
        cchMatchingPath: count(narrow(mapped.folder).len()),
        cchMatchingURL: count(mapped.url.len().min(url.len())),
        dwReserved1: 0,
        dwReserved2: 0,
    };
    let fits = put(&narrow(&mapped.path), &mut info.lpszPath);
    arguments.set_data_type(info)?;
    fits
}

/// 1024: the same in UTF-16; lengths are numbers of UTF-16 units.
pub(super) fn extended_wide(session: &Session, arguments: &mut Arguments) -> Result<(), Win32> {
    let url = wide_url(arguments)?;
    let mapped = map(session, &url)?;
    let mut info = HSE_UNICODE_URL_MAPEX_INFO {
        lpszPath: [0; 260],
        dwFlags: mapped.flags,
        cchMatchingPath: count(wide(mapped.folder).len()),
        cchMatchingURL: count(to_utf16(mapped.url).len().min(to_utf16(&url).len())),
    };
    let fits = put(&wide(&mapped.path), &mut info.lpszPath);
    arguments.set_data_type(info)?;
    fits
}

fn map<'a>(session: &'a Session, url: &[u8]) -> Result<Mapped<'a>, Win32> {
    path::refuse(url).map_err(|_| MISSING)?;
    Ok(session.variables().map(url))
}

/// B as a UTF-16 URL, in UTF-8 as the front has paths.
fn wide_url(arguments: &Arguments) -> Result<Vec<u8>, Win32> {
    let url = arguments.wide_text_in_buffer().ok_or(MISSING)?;
    String::from_utf16(&url)
        .map(String::into_bytes)
        .map_err(|_| MISSING)
}

fn narrow(path: &[u8]) -> Cow<'_, [u8]> {
    os::to_code_page(os::native_path(path))
}

fn wide(path: &[u8]) -> Vec<u16> {
    to_utf16(&os::native_path(path))
}

/// Writes the result over the URL in B, and its length to S.
fn replace(arguments: &mut Arguments, result: &[u8]) -> Result<(), Win32> {
    let written = arguments.fill_buffer(result);
    arguments.set_size(count(result.len()));
    written
}

/// Copies what fits beside the NUL that ends the field.
fn put<T: Copy>(path: &[T], field: &mut [T]) -> Result<(), Win32> {
    let kept = path.len().min(field.len() - 1);
    field[..kept].copy_from_slice(&path[..kept]);
    if kept < path.len() {
        Err(Win32(ERROR_INSUFFICIENT_BUFFER))
    } else {
        Ok(())
    }
}

/// Lengths of paths fit: parameters are far shorter than 4 GiB.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
