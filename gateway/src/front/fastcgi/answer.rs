//! The head of an answer as a CGI program gives it (RFC 3875 §6.3). Pure.

use http::header::{CONNECTION, HeaderName, LOCATION};
use hyper::ext::ReasonPhrase;

use crate::response::{Lines, Response};

/// Appends `Status`, the headers and the empty line behind them. `Status` is always there: without it nginx would make
/// 302 of an answer with a Location (ISAPI.md §9.8). HAProxy does so too unless `Status` comes behind the Location.
pub fn write_head(out: &mut Vec<u8>, response: &Response<()>) {
    if let Some(Lines(lines)) = response.headers.unread() {
        // There is neither Location nor Connection among them.
        write_status(out, response);
        out.extend_from_slice(lines);
        out.extend_from_slice(b"\r\n");
        return;
    }
    write_lines(out, response, |name| *name == LOCATION);
    write_status(out, response);
    // A client's connection is the web server's business.
    write_lines(out, response, |name| {
        *name != LOCATION && *name != CONNECTION
    });
    out.extend_from_slice(b"\r\n");
}

fn write_status(out: &mut Vec<u8>, response: &Response<()>) {
    let own = response.reason.as_deref();
    let own = own.filter(|reason| ReasonPhrase::try_from(*reason).is_ok());
    let usual = || response.status.canonical_reason().unwrap_or("").as_bytes();
    out.extend_from_slice(b"Status: ");
    out.extend_from_slice(response.status.as_str().as_bytes());
    match own.unwrap_or_else(usual) {
        b"" => {}
        reason => {
            out.push(b' ');
            out.extend_from_slice(reason);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn write_lines(out: &mut Vec<u8>, response: &Response<()>, are_due: impl Fn(&HeaderName) -> bool) {
    for (name, value) in response.headers.iter().filter(|(name, _)| are_due(name)) {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;
    use crate::response::Headers;

    fn head(
        status: u16,
        reason: Option<&'static [u8]>,
        headers: &[(&'static str, &str)],
    ) -> String {
        let headers = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        });
        let response = Response {
            status: StatusCode::from_u16(status).unwrap(),
            reason: reason.map(Bytes::from_static),
            headers: HeaderMap::from_iter(headers).into(),
            body: (),
        };
        let mut out = Vec::new();
        write_head(&mut out, &response);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn begins_with_the_status() {
        assert_eq!(head(200, None, &[]), "Status: 200 OK\r\n\r\n");
        let own = head(299, Some(b"Not Quite"), &[("location", "/x")]);
        assert_eq!(own, "location: /x\r\nStatus: 299 Not Quite\r\n\r\n");
        assert_eq!(head(299, None, &[]), "Status: 299\r\n\r\n");
    }

    #[test]
    fn lines_are_written_as_they_came() {
        let lines = Lines((*b"Content-Type: a/b\r\nVary: *\r\n").into());
        let response = Response {
            status: StatusCode::NOT_FOUND,
            reason: None,
            headers: Headers::of(lines),
            body: (),
        };
        let mut out = Vec::new();
        write_head(&mut out, &response);
        let expected = "Status: 404 Not Found\r\nContent-Type: a/b\r\nVary: *\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_clients_connection_is_left_alone() {
        let text = head(200, None, &[("connection", "close"), ("a", "b")]);
        assert_eq!(text, "Status: 200 OK\r\na: b\r\n\r\n");
    }

    #[test]
    fn a_reason_cannot_bring_headers() {
        let text = head(404, Some(b"No\r\nX: y"), &[]);
        assert_eq!(text, "Status: 404 Not Found\r\n\r\n");
    }
}
