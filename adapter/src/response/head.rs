//! Status strings and header text as extensions write them, made into a CGI head (ISAPI.md §6.2, §6.3, §9.7).

use std::borrow::Cow;

use memchr::memchr;

/// A status as the extension meant it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status<'a> {
    /// 100–999.
    pub code: u16,
    /// Reason phrase without line ends.
    pub reason: Cow<'a, [u8]>,
}

impl Status<'_> {
    /// A status with its standard phrase.
    pub fn standard(code: u16) -> Self {
        Self {
            code,
            reason: Cow::Borrowed(phrase(code)),
        }
    }

    /// Whether an answer with this status has no body (RFC 9110 §6.4.1).
    pub fn forbids_body(&self) -> bool {
        matches!(self.code, 100..=199 | 204 | 205 | 304)
    }
}

/// Reads a status string: `200 OK`, `HTTP/1.1 200 OK`, `200`, empty. A text without digits is a header line if it has
/// a colon (returned beside status 200), else the reason of a 200.
pub fn parse_status(text: &[u8]) -> (Status<'_>, Option<&[u8]>) {
    let end = text
        .iter()
        .position(|byte| matches!(byte, b'\r' | b'\n' | 0));
    let line = &text[..end.unwrap_or(text.len())];
    let rest = without_version(line).trim_ascii();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 3 {
        let code = rest[..3]
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        if code >= 100 {
            let reason = printable(rest[3..].trim_ascii());
            return (
                if reason.is_empty() {
                    Status::standard(code)
                } else {
                    Status { code, reason }
                },
                None,
            );
        }
    }
    match rest {
        [] => (Status::standard(200), None),
        header if header.contains(&b':') => (Status::standard(200), Some(header)),
        reason => (
            Status {
                code: 200,
                reason: printable(reason),
            },
            None,
        ),
    }
}

fn without_version(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_start();
    let Some(rest) = line.strip_prefix(b"HTTP/") else {
        return line;
    };
    let version = rest
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
        .count();
    &rest[version..]
}

fn printable(text: &[u8]) -> Cow<'_, [u8]> {
    let is_printable = |byte: &u8| *byte >= 0x20 && *byte != 0x7f;
    if text.iter().all(is_printable) {
        Cow::Borrowed(text)
    } else {
        text.iter().copied().filter(is_printable).collect()
    }
}

/// How the extension frames its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Whatever comes until the end.
    Open,
    /// So many bytes.
    Length(u64),
    /// The extension writes chunked coding itself; it is decoded here (ISAPI.md §6.6).
    Chunked,
}

/// What header lines say.
#[derive(Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    /// About the body.
    pub framing: Framing,
    /// `Status:` line, which has a meaning only in raw heads (§6.4).
    pub status: Option<&'a [u8]>,
    /// Whether there is a `Location:`.
    pub location: bool,
    /// Whether the extension declines to keep the connection: `Connection: close` (§6.6).
    pub close: bool,
}

/// Appends the header lines (without the empty line) that are to be passed on, each with CRLF, and says what they and the
/// others mean. Lines that are no header are dropped: nothing that an extension writes may break the head.
pub fn pass_headers<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Headers<'a> {
    let mut headers = Headers {
        framing: Framing::Open,
        status: None,
        location: false,
        close: false,
    };
    let mut length = None;
    let mut passed = false;
    for line in lines(text) {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            if passed {
                continue_line(out, line);
            }
            continue;
        }
        passed = false;
        let Some((kind, name, value)) = usual(line).or_else(|| any(line)) else {
            continue;
        };
        match kind {
            Kind::Status => headers.status = Some(value),
            Kind::Length => length = parse_length(value),
            Kind::Coding if value.eq_ignore_ascii_case(b"chunked") => {
                headers.framing = Framing::Chunked
            }
            Kind::Connection => {
                headers.close |= value
                    .split(|byte| *byte == b',')
                    .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
            }
            Kind::Coding | Kind::HopByHop => {}
            Kind::Other => {
                headers.location |= name.eq_ignore_ascii_case(b"location");
                push_line(out, name, value);
                passed = true;
            }
        }
    }
    if let (Framing::Open, Some(length)) = (headers.framing, length) {
        headers.framing = Framing::Length(length);
    }
    headers
}

/// The text of a header call (§6.3), split.
#[derive(Debug, PartialEq, Eq)]
pub struct HeaderText<'a> {
    /// Header lines.
    pub lines: &'a [u8],
    /// What follows the empty line.
    pub body: &'a [u8],
    /// Line ends that the text lacks to end its head. The extension may write them later.
    pub missing: u8,
}

/// Splits the text of a header call. A text without an empty line is all headers; one whose lines have a NUL was given
/// too long a count and ends there.
pub fn split_header_text(text: &[u8]) -> HeaderText<'_> {
    let (lines, body) = split_head(text).unwrap_or((text, &[]));
    let nul = memchr(0, lines);
    let (lines, body) = nul.map_or((lines, body), |end| (&lines[..end], &[]));
    let is_ended = nul.is_none() && lines.len() < text.len();
    let missing = match lines {
        [] => 0,
        _ if is_ended => 0,
        [.., b'\n'] => 1,
        _ => 2,
    };
    HeaderText {
        lines,
        body,
        missing,
    }
}

/// `bytes` without a line end at their start, if there is one.
pub fn skip_line_end(bytes: &[u8]) -> Option<&[u8]> {
    bytes
        .strip_prefix(b"\r\n")
        .or_else(|| bytes.strip_prefix(b"\n"))
}

/// Splits bytes into a header part and what follows the empty line. `None`: there is no empty line yet.
pub fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(rest) = skip_line_end(bytes) {
        return Some((&[], rest));
    }
    let mut from = 0;
    while let Some(position) = memchr(b'\n', &bytes[from..]) {
        let end = from + position + 1;
        if let Some(rest) = skip_line_end(&bytes[end..]) {
            return Some((&bytes[..end], rest));
        }
        from = end;
    }
    None
}

/// What the first bytes of a raw answer are (ISAPI.md §6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Could still become a head.
    Undecided,
    /// `HTTP/d.d nnn reason`.
    StatusLine,
    /// `Token: value`.
    Header,
    /// No head: everything is body.
    Body,
}

/// Looks at the first line of a raw answer.
pub fn opening(bytes: &[u8]) -> Opening {
    let Some(end) = memchr(b'\n', bytes) else {
        let possible = bytes.iter().take_while(|byte| is_token(**byte)).count();
        let undecided =
            possible == bytes.len() || bytes[possible] == b':' || bytes.starts_with(b"HTTP/");
        return if undecided {
            Opening::Undecided
        } else {
            Opening::Body
        };
    };
    let line = &bytes[..end];
    if line.starts_with(b"HTTP/")
        && without_version(line)
            .trim_ascii()
            .first()
            .is_some_and(u8::is_ascii_digit)
    {
        Opening::StatusLine
    } else if split_header(line).is_some() {
        Opening::Header
    } else {
        Opening::Body
    }
}

/// Appends the first line of a CGI head: an explicit `Status:`, so that no `Location:` ever becomes a local redirect.
/// There is room for header lines of so many bytes, the end of the head and a short body then.
pub fn begin_head(status: &Status<'_>, lines: usize, out: &mut Vec<u8>) {
    const REST: usize = 256;
    out.reserve(status.reason.len() + lines + REST);
    out.extend_from_slice(b"Status: ");
    push_number(out, status.code.into());
    out.push(b' ');
    out.extend_from_slice(&status.reason);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a CGI head.
pub fn end_head(status: &Status<'_>, framing: Framing, out: &mut Vec<u8>) {
    // 204 has no length, that of 205 is zero (RFC 9110 §8.6, §15.3.6).
    let length = match (status.code, framing) {
        (204, _) => None,
        (205, _) => Some(0),
        (_, Framing::Length(length)) => Some(length),
        _ => None,
    };
    if let Some(length) = length {
        out.extend_from_slice(b"Content-Length: ");
        push_number(out, length);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// In decimal.
fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        first -= 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// Adds a line that names a file to a head of [`end_head`], in the place of its Content-Length: whoever sends the file
/// knows how long it is. Returns whether `out` was such a head, whole and alone.
pub fn add_file(out: &mut Vec<u8>, line: &[u8]) -> bool {
    const END: &[u8] = b"\r\n\r\n";
    if !out.starts_with(b"Status: ") || !out.ends_with(END) {
        return false;
    }
    out.truncate(out.len() - 2);
    let lines = &out[..out.len() - 2];
    let last = lines.iter().rposition(|byte| *byte == b'\n');
    let last = last.map_or(0, |at| at + 1);
    if out[last..].starts_with(b"Content-Length: ") {
        out.truncate(last);
    }
    out.extend_from_slice(line);
    out.extend_from_slice(END);
    true
}

enum Kind {
    Status,
    Length,
    Coding,
    Connection,
    HopByHop,
    Other,
}

/// A line that most answers have, as most write it: others take longer.
fn usual(line: &[u8]) -> Option<(Kind, &[u8], &[u8])> {
    let (kind, name, value) = if let Some(value) = line.strip_prefix(b"Content-Type:") {
        (Kind::Other, &b"Content-Type"[..], value)
    } else {
        let value = line.strip_prefix(b"Content-Length:")?;
        (Kind::Length, &b"Content-Length"[..], value)
    };
    Some((kind, name, value.trim_ascii()))
}

/// Any header line: what it is, its name and its value.
fn any(line: &[u8]) -> Option<(Kind, &[u8], &[u8])> {
    let (name, value) = split_header(line)?;
    Some((header_kind(name), name, value))
}

fn header_kind(name: &[u8]) -> Kind {
    const HOP_BY_HOP: [&[u8]; 5] = [
        b"keep-alive",
        b"proxy-connection",
        b"upgrade",
        b"trailer",
        b"te",
    ];
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    if is(b"status") {
        Kind::Status
    } else if is(b"content-length") {
        Kind::Length
    } else if is(b"transfer-encoding") {
        Kind::Coding
    } else if is(b"connection") {
        Kind::Connection
    } else if HOP_BY_HOP.iter().any(|other| is(other))
        || name
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"x-accel-"))
    {
        Kind::HopByHop
    } else {
        Kind::Other
    }
}

fn lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = std::iter::from_fn(move || {
        let end = memchr(b'\n', text).unwrap_or(text.len());
        let (line, rest) = text.split_at_checked(end).filter(|_| !text.is_empty())?;
        text = rest.get(1..).unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    });
    lines.filter(|line| !line.is_empty())
}

fn split_header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|byte| !is_token(*byte))?;
    let (name, rest) = line.split_at(end);
    let value = rest.trim_ascii_start().strip_prefix(b":")?;
    (!name.is_empty()).then(|| (name, value.trim_ascii()))
}

fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    push_value(out, value);
    out.extend_from_slice(b"\r\n");
}

fn continue_line(out: &mut Vec<u8>, line: &[u8]) {
    out.truncate(out.len() - 2);
    out.push(b' ');
    push_value(out, line.trim_ascii());
    out.extend_from_slice(b"\r\n");
}

/// Without the control characters in it.
fn push_value(out: &mut Vec<u8>, value: &[u8]) {
    if value.iter().all(|byte| is_value(*byte)) {
        out.extend_from_slice(value);
    } else {
        out.extend(value.iter().filter(|byte| is_value(**byte)));
    }
}

fn is_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let add = |sum: u64, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        sum.checked_mul(10)?.checked_add(digit.into())
    };
    let number = value.iter().try_fold(0, add);
    number.filter(|_| !value.is_empty())
}

fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0_u8;
        while byte < 0x80 {
            table[byte as usize] = byte.is_ascii_alphanumeric();
            byte += 1;
        }
        let others = b"!#$%&'*+-.^_`|~";
        let mut index = 0;
        while index < others.len() {
            table[others[index] as usize] = true;
            index += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

/// The standard reason phrase; empty for codes without one.
pub fn phrase(code: u16) -> &'static [u8] {
    match code {
        100 => b"Continue",
        200 => b"OK",
        201 => b"Created",
        202 => b"Accepted",
        203 => b"Non-Authoritative Information",
        204 => b"No Content",
        205 => b"Reset Content",
        206 => b"Partial Content",
        300 => b"Multiple Choices",
        301 => b"Moved Permanently",
        302 => b"Found",
        303 => b"See Other",
        304 => b"Not Modified",
        307 => b"Temporary Redirect",
        308 => b"Permanent Redirect",
        400 => b"Bad Request",
        401 => b"Unauthorized",
        403 => b"Forbidden",
        404 => b"Not Found",
        405 => b"Method Not Allowed",
        406 => b"Not Acceptable",
        408 => b"Request Timeout",
        409 => b"Conflict",
        410 => b"Gone",
        411 => b"Length Required",
        412 => b"Precondition Failed",
        413 => b"Content Too Large",
        414 => b"URI Too Long",
        415 => b"Unsupported Media Type",
        416 => b"Range Not Satisfiable",
        422 => b"Unprocessable Content",
        429 => b"Too Many Requests",
        500 => b"Internal Server Error",
        501 => b"Not Implemented",
        502 => b"Bad Gateway",
        503 => b"Service Unavailable",
        504 => b"Gateway Timeout",
        _ => b"",
    }
}
