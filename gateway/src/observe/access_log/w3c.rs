//! The extended log file format of the W3C (WD-logfile-960323), with the fields that IIS has.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::HeaderValue;
use jiff::Timestamp;

use super::line::Line;
use crate::site::variables::SERVER_SOFTWARE;

const FIELDS: &str = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) \
    cs(Referer) sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken";

/// The lines that begin a file, and each part of it that was written after it was opened again.
pub fn preamble() -> String {
    let now = Timestamp::now().strftime("%Y-%m-%d %H:%M:%S");
    format!("#Software: {SERVER_SOFTWARE}\n#Version: 1.0\n#Date: {now}\n#Fields: {FIELDS}\n")
}

/// One line, without its end. Date and time are UTC and those of the end of the request; its duration is in milliseconds.
pub fn format(line: &Line) -> String {
    let asked = line.asked;
    let local = asked.connection.local;
    // IIS appends what the extension logs to the query (ISAPI.md §4.2, code 1003).
    let mut query = asked.uri.query().unwrap_or_default().as_bytes().to_vec();
    query.extend_from_slice(line.parameter);
    let header = |value: &Option<HeaderValue>| {
        field(value.as_ref().map_or(&[][..], HeaderValue::as_bytes)).into_owned()
    };
    let mut text = String::with_capacity(256);
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}",
        line.ended().strftime("%Y-%m-%d %H:%M:%S"),
        local.ip().to_canonical(),
        field(asked.method.as_str().as_bytes()),
        field(asked.uri.path().as_bytes()),
        field(&query),
        local.port(),
        field(asked.user.as_deref().unwrap_or_default()),
        asked.client(),
        header(&asked.user_agent),
        header(&asked.referer),
        line.status(),
        line.sub_status,
        line.win32,
        line.sent,
        line.received,
        line.taken.as_millis(),
    );
    text
}

/// A text as one field: `+` for blanks, as IIS writes it, `%XX` for what is not visible ASCII, `-` for nothing.
fn field(text: &[u8]) -> Cow<'_, str> {
    let is_plain = text.iter().all(u8::is_ascii_graphic);
    if let (true, false, Ok(text)) = (is_plain, text.is_empty(), str::from_utf8(text)) {
        return Cow::Borrowed(text);
    }
    if text.is_empty() {
        return Cow::Borrowed("-");
    }
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text {
        let _ = match byte {
            b' ' => out.write_char('+'),
            byte if byte.is_ascii_graphic() => out.write_char(char::from(*byte)),
            byte => write!(out, "%{byte:02X}"),
        };
    }
    Cow::Owned(out)
}
