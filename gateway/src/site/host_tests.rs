#![allow(clippy::unwrap_used)]

use super::*;
use crate::site::tests::head;

fn hosts(sites: &[&[&str]]) -> Hosts {
    let site = |hosts: &&[&str]| config::Site {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        ..config::Site::default()
    };
    Hosts::new(&sites.iter().map(site).collect::<Vec<_>>())
}

#[test]
fn finds_the_same_name_then_the_longest_suffix_then_any() {
    let hosts = hosts(&[&["*.b.org"], &[], &["a.b.org", "b.org"], &["*.a.b.org"]]);
    assert_eq!(hosts.find(Some(b"a.b.org")), Some(2));
    assert_eq!(hosts.find(Some(b"B.ORG")), Some(2));
    assert_eq!(hosts.find(Some(b"x.b.org")), Some(0));
    assert_eq!(hosts.find(Some(b"y.x.b.org")), Some(0));
    assert_eq!(hosts.find(Some(b"x.A.b.org")), Some(3));
    assert_eq!(hosts.find(Some(b"xb.org")), Some(1));
    assert_eq!(hosts.find(Some(b"c.org")), Some(1));
    assert_eq!(hosts.find(None), Some(1));
}

#[test]
fn finds_nothing_without_a_site_for_any_host() {
    let hosts = hosts(&[&["*.b.org"]]);
    assert_eq!(hosts.find(Some(b"b.org")), None);
    assert_eq!(hosts.find(Some(b".b.org")), None);
    assert_eq!(hosts.find(None), None);
}

#[test]
fn parses_hosts() {
    for (field, host) in [
        ("a.org", "a.org"),
        ("A.org.:80", "A.org"),
        ("a_b-c:", "a_b-c"),
        ("127.0.0.1:8080", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]"),
    ] {
        assert_eq!(parse(field.as_bytes()), Some(host), "{field}");
        assert_eq!(within(field.as_bytes()), host.as_bytes(), "{field}");
    }
    for field in [
        "",
        ".",
        "a..b",
        ".a",
        ":80",
        "a:b",
        "a:99999",
        "a:+1",
        "a:1:2",
        "a/b",
        "a b",
        "u@a",
        "a%41",
        "ä",
        "[::1",
        "::1",
        "[]",
        "[::1]a",
        "[1.2.3.4]",
        "a<b>",
        "a]",
    ] {
        assert_eq!(parse(field.as_bytes()), None, "{field}");
    }
    assert_eq!(parse(b"\xff"), None);
}

#[test]
fn http_1_1_has_exactly_one_host() {
    let refused = |head: &RequestHead| matches!(name(head), Err(Error::BadRequest(_)));
    assert!(refused(&head("GET", "/", &[])));
    assert!(refused(&head("GET", "/", &[("host", "a"), ("host", "a")])));
    assert!(refused(&head("GET", "/", &[("host", "a/b")])));
    assert!(refused(&head("GET", "http://a.org/", &[])));
    let fine = head("GET", "/", &[("host", "a.org:80")]);
    assert_eq!(name(&fine).unwrap(), Some(&b"a.org"[..]));
    assert_eq!(name(&head("GET", "/", &[("host", "")])).unwrap(), None);
}

#[test]
fn older_and_newer_versions_need_no_host_header() {
    let mut old = head("GET", "/", &[]);
    old.version = Version::HTTP_10;
    assert_eq!(name(&old).unwrap(), None);
    let mut new = head("GET", "http://b.org:81/", &[]);
    new.version = Version::HTTP_2;
    assert_eq!(name(&new).unwrap(), Some(&b"b.org"[..]));
}

#[test]
fn the_target_takes_precedence_over_the_header() {
    let head = head("GET", "http://b.org/", &[("host", "a.org")]);
    assert_eq!(name(&head).unwrap(), Some(&b"b.org"[..]));
}
