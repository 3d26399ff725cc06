//! Heads whose lines go on as they came. Pure.

use http::StatusCode;
use http::header::{CONTENT_LENGTH, LOCATION};
use memchr::{memchr, memchr_iter};

use super::{Document, parse_length, parse_status, usual};
use crate::fields::is_value;
use crate::response::{Headers, Lines};

/// The head at the beginning of `bytes` and where it ends: if there is nothing to it but perhaps a status and fields that are
/// for the client as they stand there, in the form that most are written in.
pub fn usual_head(bytes: &[u8]) -> Option<(Document, usize)> {
    let (mut status, mut reason, mut content_length) = (StatusCode::OK, None, None);
    let mut fields = 0;
    let mut start = 0;
    for end in memchr_iter(b'\n', bytes) {
        let line = bytes[start..end].strip_suffix(b"\r")?;
        if line.is_empty() && start > fields {
            let lines = Lines(bytes[fields..start].into());
            let document = Document {
                status,
                reason,
                headers: Headers::of(lines),
                content_length,
                close: false,
            };
            return Some((document, end + 1));
        }
        // What is trimmed below goes on, too.
        is_value(line).then_some(())?;
        let colon = memchr(b':', line)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name == b"Status" && start == 0 {
            (status, reason) = parse_status(value).ok()?;
            if status.is_informational() {
                return None;
            }
            fields = end + 1;
        } else if name == b"Content-Length" && content_length.is_none() {
            content_length = Some(parse_length(value)?);
        } else {
            usual(name).filter(|name| *name != CONTENT_LENGTH && *name != LOCATION)?;
        }
        start = end + 1;
    }
    None
}
