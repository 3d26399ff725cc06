#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn variables() -> Variables {
    let mut params = Params::new();
    for (name, value) in [
        ("REQUEST_METHOD", "POST"),
        ("REQUEST_URI", "/x/foo.dll/extra?a=%20"),
        ("QUERY_STRING", "a=%20"),
        ("SCRIPT_NAME", "/x/foo.dll"),
        ("PATH_INFO", "/extra"),
        ("SCRIPT_FILENAME", "/srv/x/foo.dll"),
        ("DOCUMENT_ROOT", "/srv"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "_"),
        ("SERVER_PORT", "8080"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("CONTENT_TYPE", "text/plain"),
        ("CONTENT_LENGTH", "3"),
        ("HTTP_HOST", "example.org:8080"),
        ("HTTP_X_FORWARDED_FOR", "10.0.0.1"),
        ("HTTP_DNT", "1"),
    ] {
        params.push(name.as_bytes(), value.as_bytes());
    }
    Variables::new(params)
}

fn text(name: &str) -> Option<String> {
    match variables().get(name.as_bytes())? {
        Value::Bytes(bytes) => Some(String::from_utf8(bytes.into_owned()).unwrap()),
        Value::Wide(wide) => Some(String::from_utf16(&wide).unwrap()),
    }
}

#[test]
fn values_follow_the_table() {
    for (name, value) in [
        ("REQUEST_METHOD", "POST"),
        ("request_method", "POST"),
        ("HTTP_METHOD", "POST"),
        ("HTTP_URL", "/x/foo.dll/extra?a=%20"),
        ("HTTP_VERSION", "HTTP/1.1"),
        ("URL", "/x/foo.dll/extra"),
        ("SERVER_NAME", "example.org"),
        ("SERVER_SOFTWARE", "Microsoft-IIS/10.0"),
        ("HTTPS", "off"),
        ("SERVER_PORT_SECURE", "0"),
        ("REMOTE_HOST", "127.0.0.1"),
        ("REMOTE_USER", ""),
        ("HTTP_HOST", "example.org:8080"),
        ("HTTP_X_FORWARDED_FOR", "10.0.0.1"),
        ("HTTP_X-Forwarded-For", "10.0.0.1"),
        ("HEADER_X-Forwarded-For", "10.0.0.1"),
        ("HEADER_Content-Type", "text/plain"),
        ("HTTP_CONTENT_LENGTH", "3"),
        ("INSTANCE_META_PATH", "/LM/W3SVC/1"),
        ("APPL_MD_PATH", "/LM/W3SVC/1/ROOT"),
        ("APPL_PHYSICAL_PATH", "/srv/"),
        ("SCRIPT_TRANSLATED", r"\\?\/srv/x/foo.dll"),
        ("CACHE_URL", "http://example.org:8080/x/foo.dll/extra?a=%20"),
        ("UNICODE_SCRIPT_NAME", "/x/foo.dll"),
        ("UNICODE_HTTP_URL", "/x/foo.dll/extra?a=%20"),
    ] {
        assert_eq!(text(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn unknown_names_and_absent_headers_are_unknown() {
    for name in [
        "NO_SUCH",
        "HTTP_COOKIE",
        "HEADER_X_FORWARDED_FOR",
        "UNICODE_HTTP_HOST",
        "UNICODE_HEADER_Host",
        "PATH",
        "\u{e9}",
    ] {
        assert_eq!(text(name), None, "{name}");
    }
}

#[test]
fn header_blocks_end_every_line() {
    let http = "HTTP_HOST:example.org:8080\nHTTP_X_FORWARDED_FOR:10.0.0.1\nHTTP_DNT:1\n";
    assert_eq!(
        text("ALL_HTTP").unwrap(),
        format!("HTTP_CONTENT_TYPE:text/plain\nHTTP_CONTENT_LENGTH:3\n{http}")
    );
    let raw = "Content-Type: text/plain\r\nContent-Length: 3\r\nHost: example.org:8080\r\nX-Forwarded-For: 10.0.0.1\r\nDNT: 1\r\n";
    assert_eq!(text("ALL_RAW").unwrap(), raw);
}

#[test]
fn text_that_is_not_utf8_is_windows_1252() {
    assert_eq!(to_utf16(b"\x80\xe9"), [0x20ac, 0xe9]);
    assert_eq!(to_utf16("é".as_bytes()), [0xe9]);
}

#[test]
fn keep_alive_depends_on_version_and_header() {
    let with = |version: &str, connection: &str| {
        let mut params = Params::new();
        params.push(b"SERVER_PROTOCOL", version.as_bytes());
        params.push(b"HTTP_CONNECTION", connection.as_bytes());
        Variables::new(params).wants_keep_alive()
    };
    assert!(with("HTTP/1.1", "") && with("HTTP/1.0", "Keep-Alive, x"));
    assert!(!with("HTTP/1.1", "x, close") && !with("HTTP/1.0", ""));
}
