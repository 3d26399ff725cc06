//! `sticky` and `sticky_header`: what binds a client to one member of a pool.

use http::HeaderName;
use toml::de::DeValue;

use super::diagnostic::{Findings, Wrong};
use super::section::Section;
use super::value;

/// Where a client keeps the value that names its member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// `sticky = "NAME"`: in a cookie of this name.
    Cookie(String),
    /// `sticky_header = "NAME"`: answers have it in a header of this name, and the client sends that back.
    Header(HeaderName),
}

/// Reads the keys.
pub fn read(section: &mut Section, findings: &mut Findings) -> Option<Sticky> {
    let cookie = section.get(findings, "sticky", cookie_name);
    let header = section.get(findings, "sticky_header", header_name);
    if section.has("sticky") && section.has("sticky_header") {
        let wrong = Wrong::with_remedy(
            "a client is bound by a cookie or by a header, not by both",
            "remove `sticky` or `sticky_header`",
        );
        findings.error_at(section.key_place("sticky_header"), wrong);
    }
    cookie.map(Sticky::Cookie).or(header.map(Sticky::Header))
}

/// A token (RFC 6265 §4.1.1).
fn cookie_name(value: &DeValue) -> Result<String, Wrong> {
    let name = value::text(value)?;
    let is_token = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'!' | b'#' | b'$')
    };
    if name.len() <= 64 && name.bytes().all(is_token) {
        return Ok(name);
    }
    Err(Wrong::with_remedy(
        format!("\"{name}\" is not the name of a cookie"),
        "use 1 to 64 letters, digits, `_`, `-` and `.`",
    ))
}

fn header_name(value: &DeValue) -> Result<HeaderName, Wrong> {
    let name = value::text(value)?;
    name.parse().map_err(|_| {
        Wrong::with_remedy(
            format!("\"{name}\" is not the name of a header"),
            "use letters, digits and `-`, such as `X-Route`",
        )
    })
}
