//! Request headers: HTTP_, HEADER_, ALL_HTTP and ALL_RAW (ISAPI.md §3.1, §5.3).

use std::borrow::Cow;

use super::{Found, Variables};

impl Variables {
    /// `HTTP_NAME`, in upper case, "-" counting as "_": the header of that name, or one of three names that are no
    /// headers.
    pub(super) fn http(&self, name: &str) -> Found<'_> {
        match name {
            "HTTP_METHOD" => self.known("REQUEST_METHOD"),
            "HTTP_URL" => self.known("REQUEST_URI"),
            "HTTP_VERSION" => self.known("SERVER_PROTOCOL"),
            "HTTP_CONTENT_TYPE" | "HTTP_CONTENT-TYPE" => self.sent("CONTENT_TYPE"),
            "HTTP_CONTENT_LENGTH" | "HTTP_CONTENT-LENGTH" => self.length(),
            _ if name.contains('-') => self.joined(name.replace('-', "_").as_bytes()),
            _ => self.joined(name.as_bytes()),
        }
    }

    /// `HEADER_name`: the literal name, as far as parameters can tell it: "-" stands where they have "_" (ISAPI.md §5.2).
    pub(super) fn header_by_literal_name(&self, name: &[u8]) -> Found<'_> {
        if name.contains(&b'_') {
            return None;
        }
        let name = String::from_utf8(name.to_ascii_uppercase()).ok()?;
        match name.as_str() {
            "CONTENT-TYPE" => self.sent("CONTENT_TYPE"),
            "CONTENT-LENGTH" => self.length(),
            _ => self.joined(format!("HTTP_{}", name.replace('-', "_")).as_bytes()),
        }
    }

    /// `HTTP_NAME:value` LF for every header (ISAPI.md §5.3).
    pub(super) fn all_http(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, value) in self.headers() {
            text.extend_from_slice(&[b"HTTP_", name, b":", value, b"\n"].concat());
        }
        text
    }

    /// `Name: value` CRLF for every header, names rebuilt (ISAPI.md §5.3).
    pub(super) fn all_raw(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, value) in self.headers() {
            text.extend_from_slice(
                &[&header_case(name), b": ".as_slice(), value, b"\r\n"].concat(),
            );
        }
        text
    }

    /// Name (`FOO_BAR`) and value of every request header, in the front's order.
    fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.params.iter().filter_map(|(name, value)| match name {
            b"CONTENT_TYPE" | b"CONTENT_LENGTH" => (!value.is_empty()).then_some((name, value)),
            // nginx tells them a second time.
            b"HTTP_CONTENT_TYPE" | b"HTTP_CONTENT_LENGTH" => None,
            _ => name.strip_prefix(b"HTTP_").map(|name| (name, value)),
        })
    }

    /// The value of a header; several of one name are joined, as the gateway does it already (ISAPI.md §3.1).
    fn joined(&self, variable: &[u8]) -> Found<'_> {
        let mut values = self.params.all(variable);
        let first = values.next()?;
        let separator: &[u8] = if variable == b"HTTP_COOKIE" {
            b"; "
        } else {
            b", "
        };
        Some(values.fold(Cow::Borrowed(first), |mut joined, value| {
            joined.to_mut().extend_from_slice(separator);
            joined.to_mut().extend_from_slice(value);
            joined
        }))
    }
}

/// Whether a name that begins with HTTP_ is no header.
pub(super) fn is_special_http(name: &[u8]) -> bool {
    matches!(name, b"HTTP_METHOD" | b"HTTP_URL" | b"HTTP_VERSION")
}

/// `FOO_BAR` → `Foo-Bar`; names that are written otherwise keep their usual spelling.
fn header_case(name: &[u8]) -> Vec<u8> {
    match name {
        b"TE" | b"DNT" => return name.to_vec(),
        b"WWW_AUTHENTICATE" => return b"WWW-Authenticate".to_vec(),
        _ => {}
    }
    let mut start = true;
    name.iter()
        .map(|byte| {
            let letter = if start {
                byte.to_ascii_uppercase()
            } else {
                byte.to_ascii_lowercase()
            };
            start = *byte == b'_';
            if start { b'-' } else { letter }
        })
        .collect()
}
