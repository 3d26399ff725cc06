//! The pages that the worker itself answers with.

use super::head::Status;

/// The body of a redirect, as IIS writes it (ISAPI.md §4.2, code 1).
pub(super) fn moved(url: &[u8]) -> Vec<u8> {
    let mut page = b"<head><title>Document Moved</title></head>\n<body><h1>Object Moved</h1>This document may be found <a HREF=\"".to_vec();
    escape_html(url, &mut page);
    page.extend_from_slice(b"\">here</a></body>");
    page
}

/// The body of an error: its status and nothing that the client need not know.
pub(super) fn error(status: &Status<'_>) -> Vec<u8> {
    let code = status.code;
    format!(
        "<!doctype html><title>{code}</title><h1>{code} {}</h1>\n",
        String::from_utf8_lossy(&status.reason)
    )
    .into_bytes()
}

fn escape_html(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            other => out.push(*other),
        }
    }
}
