//! What a URL path means, decided on bytes alone: decoding it once, refusing the forms that could name something
//! else than they seem to, and dividing it by a handler's path (ISAPI.md §5.4). No I/O.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::config::HandlerPath;
use crate::error::Error;

/// Decodes the path of a request target, once, and brings it into the one form in which handlers and folders are
/// looked up: it starts with `/`, and has neither empty nor `.` segments before its last one.
///
/// `%2F` is a separator like any other slash, as in IIS and nginx; all checks come after the decoding.
///
/// # Errors
/// [`Error::BadUrl`] for what ISAPI.md §5.4 refuses: broken escapes, NUL and other control characters, `\`, `..`,
/// stream names (`::$DATA`), segments that end in a dot or a blank, which Windows would drop.
pub fn decode(path: &str) -> Result<Cow<'_, [u8]>, Error> {
    if !path.starts_with('/') {
        return Err(Error::BadUrl("the path does not begin with a slash"));
    }
    if is_plain(path.as_bytes()) {
        return Ok(Cow::Borrowed(path.as_bytes()));
    }
    if has_broken_escape(path.as_bytes()) {
        return Err(Error::BadUrl("a percent sign without two hex digits"));
    }
    let decoded: Cow<[u8]> = percent_decode(path.as_bytes()).into();
    for byte in decoded.iter() {
        match byte {
            0 => return Err(Error::BadUrl("NUL in the path")),
            1..=0x1f | 0x7f => return Err(Error::BadUrl("control character in the path")),
            b'\\' => return Err(Error::BadUrl("backslash in the path")),
            _ => {}
        }
    }
    let mut unfolded = false;
    for segment in segments(&decoded) {
        match segment {
            b"" | b"." => unfolded = true,
            b".." => return Err(Error::BadUrl("`..` in the path")),
            [.., b'.' | b' '] => {
                return Err(Error::BadUrl("a segment ends in a dot or a blank"));
            }
            _ if contains(segment, b"::") || contains(segment, b":$") => {
                return Err(Error::BadUrl("a stream name in the path"));
            }
            _ => {}
        }
    }
    Ok(if unfolded {
        Cow::Owned(fold(&decoded))
    } else {
        decoded
    })
}

/// A URL divided by the handler path that it fits.
#[derive(Debug, PartialEq, Eq)]
pub enum Division<'a> {
    /// The URL names the extension or program itself (ISAPI.md §5.4 rows A and A0).
    Itself {
        /// The part that names it: SCRIPT_NAME.
        name: &'a [u8],
        /// What follows: PATH_INFO.
        extra: &'a [u8],
    },
    /// The URL names a file that the handler works on (rows B, C and D).
    File {
        /// The part that names the file: SCRIPT_NAME.
        name: &'a [u8],
        /// What follows.
        extra: &'a [u8],
    },
}

impl<'a> Division<'a> {
    /// The part that names the extension, program or file: SCRIPT_NAME.
    pub fn name(&self) -> &'a [u8] {
        match self {
            Division::Itself { name, .. } | Division::File { name, .. } => name,
        }
    }
}

/// Divides a decoded URL path by a handler's path; `None` when it does not fit. ASCII letters match in either case,
/// as in IIS, and keep the URL's spelling. `path_info` mounts a [`HandlerPath::Prefix`] or
/// [`HandlerPath::Wildcard`] as if a script were there; the other forms divide the same way with and without it.
pub fn divide<'a>(handler: &HandlerPath, path_info: bool, url: &'a [u8]) -> Option<Division<'a>> {
    match handler {
        HandlerPath::Exact(path) => {
            let (name, extra) = split_prefix(path.as_bytes(), url)?;
            Some(Division::Itself { name, extra })
        }
        HandlerPath::ScriptMap(extension) => {
            let (name, extra) = split_mapped(extension.as_bytes(), url)?;
            Some(Division::File { name, extra })
        }
        HandlerPath::Prefix(prefix) => divide_below(prefix.as_bytes(), path_info, url),
        HandlerPath::Wildcard => divide_below(b"", path_info, url),
    }
}

fn divide_below<'a>(prefix: &[u8], path_info: bool, url: &'a [u8]) -> Option<Division<'a>> {
    let (name, extra) = split_prefix(prefix, url)?;
    Some(if path_info {
        Division::Itself { name, extra }
    } else {
        Division::File {
            name: url,
            extra: b"",
        }
    })
}

/// Splits behind `prefix`, which must end where a segment ends.
fn split_prefix<'a>(prefix: &[u8], url: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (name, extra) = url.split_at_checked(prefix.len())?;
    let fits = name.eq_ignore_ascii_case(prefix) && matches!(extra.first(), None | Some(b'/'));
    fits.then_some((name, extra))
}

/// Splits behind the first segment that ends in `extension`.
fn split_mapped<'a>(extension: &[u8], url: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut end = 0;
    for segment in segments(url) {
        end += 1 + segment.len();
        let stem = segment.len().checked_sub(extension.len());
        if stem.is_some_and(|stem| segment[stem..].eq_ignore_ascii_case(extension)) {
            return url.split_at_checked(end);
        }
    }
    None
}

/// The segments of a path that begins with a slash; the last one is empty when it also ends with one.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').skip(1)
}

/// Takes out empty and `.` segments; a last one leaves its slash.
fn fold(path: &[u8]) -> Vec<u8> {
    let mut folded = Vec::with_capacity(path.len());
    for segment in segments(path).filter(|segment| !matches!(*segment, b"" | b".")) {
        folded.push(b'/');
        folded.extend_from_slice(segment);
    }
    if path.ends_with(b"/") || path.ends_with(b"/.") {
        folded.push(b'/');
    }
    folded
}

/// Whether there is nothing in a path that begins with a slash to be decoded, refused or folded, as in most.
fn is_plain(path: &[u8]) -> bool {
    let mut before = 0;
    for &byte in path {
        let fits = match byte {
            b'/' => !matches!(before, b'/' | b'.' | b' '),
            0..=0x1f | 0x7f | b'%' | b'\\' | b':' => false,
            _ => true,
        };
        if !fits {
            return false;
        }
        before = byte;
    }
    !matches!(before, b'.' | b' ')
}

fn has_broken_escape(path: &[u8]) -> bool {
    path.iter().enumerate().any(|(at, &byte)| {
        let is_hex = |offset| path.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
        byte == b'%' && !(is_hex(1) && is_hex(2))
    })
}

fn contains(haystack: &[u8], needle: &[u8; 2]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
