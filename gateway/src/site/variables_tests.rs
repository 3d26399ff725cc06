#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use fastcgi_protocol::{Params, pairs};
use proptest::prelude::*;

use super::*;
use crate::site::tests::head;

fn visited(head: &RequestHead) -> BTreeMap<String, Vec<u8>> {
    let script = Script {
        name: b"/x.dll".into(),
        path_info: b"/extra".into(),
        path_translated: b"/www/extra".into(),
        filename: b"/lib/x.so".into(),
    };
    let mut variables = BTreeMap::new();
    let mut each = |name: &[u8], value: &[u8]| {
        let name = String::from_utf8(name.to_vec()).unwrap();
        let twice = variables.insert(name, value.to_vec());
        assert_eq!(twice, None, "visited twice");
    };
    visit_all(head, &script, Path::new("/www"), &mut each);
    variables
}

fn visited_text(head: &RequestHead) -> BTreeMap<String, String> {
    let text = |(name, value)| (name, String::from_utf8(value).unwrap());
    visited(head).into_iter().map(text).collect()
}

#[test]
fn every_variable_of_a_request() {
    let mut head = head(
        "POST",
        "/x.dll/ex%74ra?a=%20b&c",
        &[
            ("host", "www.example.org:8080"),
            ("content-type", "text/plain"),
            ("content-length", "3"),
            ("user-agent", "test"),
            ("proxy", "http://evil"),
            ("authorization", "Basic eDp5"),
            ("x-under-score", "1"),
        ],
    );
    head.connection.secure = true;
    let software = format!("isapi-gateway/{}", env!("CARGO_PKG_VERSION"));
    let expected = [
        ("CONTENT_LENGTH", "3"),
        ("CONTENT_TYPE", "text/plain"),
        ("DOCUMENT_ROOT", "/www"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("HTTPS", "on"),
        ("HTTP_AUTHORIZATION", "Basic eDp5"),
        ("HTTP_HOST", "www.example.org:8080"),
        ("HTTP_USER_AGENT", "test"),
        ("HTTP_X_UNDER_SCORE", "1"),
        ("PATH_INFO", "/extra"),
        ("PATH_TRANSLATED", "/www/extra"),
        ("QUERY_STRING", "a=%20b&c"),
        ("REDIRECT_STATUS", "200"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("REMOTE_PORT", "5000"),
        ("REQUEST_METHOD", "POST"),
        ("REQUEST_SCHEME", "https"),
        ("REQUEST_URI", "/x.dll/ex%74ra?a=%20b&c"),
        ("SCRIPT_FILENAME", "/lib/x.so"),
        ("SCRIPT_NAME", "/x.dll"),
        ("SERVER_ADDR", "2001:db8::1"),
        ("SERVER_NAME", "www.example.org"),
        ("SERVER_PORT", "80"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SOFTWARE", software.as_str()),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(visited_text(&head), BTreeMap::from(expected));
}

#[test]
fn what_was_not_sent_is_left_out() {
    let variables = visited_text(&head("GET", "/", &[("host", "a")]));
    for absent in ["CONTENT_TYPE", "CONTENT_LENGTH", "HTTPS"] {
        assert!(!variables.contains_key(absent), "{absent}");
    }
    assert_eq!(variables["QUERY_STRING"], "");
    assert_eq!(variables["REQUEST_SCHEME"], "http");
}

#[test]
fn without_a_host_the_server_is_named_by_its_address() {
    let mut head = head("GET", "/", &[]);
    head.version = Version::HTTP_10;
    let variables = visited_text(&head);
    assert_eq!(variables["SERVER_NAME"], "[2001:db8::1]");
    assert_eq!(variables["SERVER_PROTOCOL"], "HTTP/1.0");
    assert!(!variables.contains_key("HTTP_HOST"));
    head.connection.local = "[::ffff:192.0.2.1]:8080".parse().unwrap();
    let variables = visited_text(&head);
    assert_eq!(variables["SERVER_NAME"], "192.0.2.1");
    assert_eq!(variables["SERVER_ADDR"], "192.0.2.1");
}

#[test]
fn the_authority_of_http_2_is_the_host() {
    let mut head = head("GET", "http://b.org:81/", &[]);
    head.version = Version::HTTP_2;
    let variables = visited_text(&head);
    assert_eq!(variables["HTTP_HOST"], "b.org:81");
    assert_eq!(variables["SERVER_NAME"], "b.org");
    assert_eq!(variables["REQUEST_URI"], "/");
}

#[test]
fn repeated_headers_are_joined() {
    let headers = [
        ("x-a", "1"),
        ("cookie", "a=1"),
        ("host", "a"),
        ("x-a", "2"),
        ("x-b", "0"),
        ("cookie", "b=2"),
        ("x-a", "3"),
    ];
    let variables = visited_text(&head("GET", "/", &headers));
    assert_eq!(variables["HTTP_X_A"], "1, 2, 3");
    assert_eq!(variables["HTTP_COOKIE"], "a=1; b=2");
    assert_eq!(variables["HTTP_X_B"], "0");
}

#[test]
fn values_keep_their_bytes() {
    let mut head = head("GET", "/", &[("host", "a")]);
    let value = http::HeaderValue::from_bytes(b"\xff\xe4 x").unwrap();
    head.headers.insert("x-raw", value);
    assert_eq!(visited(&head)["HTTP_X_RAW"], b"\xff\xe4 x");
}

#[test]
fn headers_with_an_underscore_are_left_out() {
    for other in ["x_a", "X_A", "content_length", "x-a_b"] {
        let headers = [("host", "a"), ("x-a", "1"), (other, "2")];
        let variables = visited_text(&head("GET", "/", &headers));
        assert_eq!(variables["HTTP_X_A"], "1", "{other}");
        assert!(!variables.values().any(|value| value == "2"), "{other}");
    }
}

proptest! {
    /// Variables that a web server has sent go on as those that would be made of the headers that they mean.
    #[test]
    fn variables_are_the_same_as_sent_and_as_headers(
        sent in prop::collection::vec(
            ("HTTP_(HOST|ACCEPT|COOKIE|PROXY|CONTENT_TYPE|[A-C_]{0,2}|[A-z0-9 -]{0,9})", "[ -~\u{e9}\t]{0,20}|\\PC{0,3}"),
            0..8,
        ),
        length in "[0-9]{0,2}",
    ) {
        let params = Params::from_iter([("HTTP_HOST", "www")]);
        let bytes: Vec<u8> = [params, Params::from_iter(sent)].into_iter().flat_map(Vec::from).collect();
        let mut taken = Sent::with_room(0);
        let mut head = head("GET", "/", &[]);
        for pair in pairs(&bytes) {
            // Those that cannot be taken are left out.
            let _ = taken.take(pair);
        }
        head.headers = taken.into_headers(b"text/plain", length.as_bytes()).unwrap();
        prop_assert!(head.headers.unread().is_some());
        let as_sent = visited(&head);
        // Who changes headers has a map of them.
        head.headers.remove("none");
        prop_assert!(head.headers.unread().is_none());
        prop_assert_eq!(visited(&head), as_sent);
    }
}
