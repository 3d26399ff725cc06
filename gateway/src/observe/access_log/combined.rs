//! The combined format of Apache and nginx.

use std::fmt::Write as _;

use http::{HeaderValue, Version};
use jiff::tz::TimeZone;

use super::line::Line;

/// One line, without its end. The time is local and that of the request's beginning. What the extension has logged has no
/// place in this format.
pub fn format(line: &Line) -> String {
    let asked = line.asked;
    let begun = line.begun.to_zoned(TimeZone::system());
    let user = match asked.user.as_deref() {
        None | Some([]) => "-".to_owned(),
        // A blank would be taken for the end of the field.
        Some(user) => quoted(user).replace(' ', "\\x20"),
    };
    let header = |value: &Option<HeaderValue>| match value {
        Some(value) => quoted(value.as_bytes()),
        None => "-".to_owned(),
    };
    let mut text = String::with_capacity(256);
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "{} - {user} [{}] \"{} {} {}\" {} {} \"{}\" \"{}\"",
        asked.client(),
        begun.strftime("%d/%b/%Y:%H:%M:%S %z"),
        asked.method,
        quoted(asked.target().as_bytes()),
        protocol(asked.version),
        line.status(),
        line.sent,
        header(&asked.referer),
        header(&asked.user_agent),
    );
    text
}

/// What can stand between quotation marks, escaped as Apache does it.
fn quoted(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        let _ = match byte {
            b'"' | b'\\' => write!(out, "\\{}", char::from(*byte)),
            b' '..=b'~' => out.write_char(char::from(*byte)),
            byte => write!(out, "\\x{byte:02x}"),
        };
    }
    out
}

/// The version as it stands in a request line; of HTTP/2, which has none, as Apache and nginx log it.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}
