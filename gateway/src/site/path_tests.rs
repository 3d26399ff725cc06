#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn decoded(path: &str) -> String {
    String::from_utf8(decode(path).unwrap().into_owned()).unwrap()
}

#[test]
fn decodes_once_and_folds() {
    for (path, expected) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a%20b", "/a b"),
        ("/%e2%82%ac", "/€"),
        ("/%2541", "/%41"),
        ("/a%2Fb%2f%2Fc", "/a/b/c"),
        ("//a///b//", "/a/b/"),
        ("/./a/./b/.", "/a/b/"),
        ("/.", "/"),
        ("/%2e/a", "/a"),
        ("/.hidden/a.b", "/.hidden/a.b"),
        ("/wiki/Special:Search", "/wiki/Special:Search"),
    ] {
        assert_eq!(decoded(path), expected, "{path}");
    }
}

#[test]
fn keeps_bytes_that_are_not_text() {
    assert_eq!(decode("/%ff%C0%80").unwrap().as_ref(), b"/\xff\xc0\x80");
}

#[test]
fn borrows_a_plain_path() {
    assert!(matches!(decode("/a/b.c"), Ok(Cow::Borrowed(b"/a/b.c"))));
}

#[test]
fn refuses() {
    for path in [
        "",
        "*",
        "a/b",
        "/%",
        "/%4",
        "/%4g",
        "/a%0",
        "/a%00b",
        "/a%0Ab",
        "/a%7fb",
        "/a\\b",
        "/a%5cb",
        "/..",
        "/../a",
        "/a/../b",
        "/a/%2e%2e/b",
        "/a/%2E./b",
        "/a%2f..",
        "/...",
        "/a./b",
        "/a.",
        "/a%20",
        "/a%20/b",
        "/x.dll::$DATA",
        "/x.dll:%3a$DATA",
        "/x.dll:s:$DATA",
        "/a::b/c",
    ] {
        assert!(matches!(decode(path), Err(Error::BadUrl(_))), "{path}");
    }
}

fn exact(path: &str) -> HandlerPath {
    HandlerPath::Exact(path.to_owned())
}

fn script_map(extension: &str) -> HandlerPath {
    HandlerPath::ScriptMap(extension.to_owned())
}

fn prefix(path: &str) -> HandlerPath {
    HandlerPath::Prefix(path.to_owned())
}

fn itself<'a>(name: &'a str, extra: &'a str) -> Option<Division<'a>> {
    Some(Division::Itself {
        name: name.as_bytes(),
        extra: extra.as_bytes(),
    })
}

fn file<'a>(name: &'a str, extra: &'a str) -> Option<Division<'a>> {
    Some(Division::File {
        name: name.as_bytes(),
        extra: extra.as_bytes(),
    })
}

#[test]
fn divides_by_an_exact_path() {
    let divide = |url: &'static str| divide(&exact("/x/Foo.dll"), true, url.as_bytes());
    assert_eq!(divide("/x/Foo.dll"), itself("/x/Foo.dll", ""));
    assert_eq!(divide("/X/foo.DLL/extra"), itself("/X/foo.DLL", "/extra"));
    assert_eq!(divide("/x/Foo.dll/"), itself("/x/Foo.dll", "/"));
    assert_eq!(divide("/x/Foo.dllx"), None);
    assert_eq!(divide("/y/x/Foo.dll"), None);
    assert_eq!(divide("/x"), None);
}

#[test]
fn divides_by_a_script_map() {
    let divide = |url: &'static str| divide(&script_map(".abc"), false, url.as_bytes());
    assert_eq!(divide("/d/a.abc"), file("/d/a.abc", ""));
    assert_eq!(divide("/d/a.ABC/extra"), file("/d/a.ABC", "/extra"));
    assert_eq!(divide("/d.abc/a.abc"), file("/d.abc", "/a.abc"));
    assert_eq!(divide("/d/a.abc/"), file("/d/a.abc", "/"));
    assert_eq!(divide("/d/a.abcd"), None);
    assert_eq!(divide("/d/abc"), None);
    assert_eq!(divide("/"), None);
}

#[test]
fn divides_by_a_prefix() {
    for (path_info, url, expected) in [
        (false, "/app/e/f", file("/app/e/f", "")),
        (false, "/app", file("/app", "")),
        (true, "/app/e/f", itself("/app", "/e/f")),
        (true, "/APP/", itself("/APP", "/")),
        (true, "/app", itself("/app", "")),
        (true, "/application", None),
        (true, "/", None),
    ] {
        assert_eq!(
            divide(&prefix("/app"), path_info, url.as_bytes()),
            expected,
            "{url}"
        );
    }
}

#[test]
fn divides_by_the_wildcard() {
    let divide =
        |path_info, url: &'static str| divide(&HandlerPath::Wildcard, path_info, url.as_bytes());
    assert_eq!(divide(false, "/d/e"), file("/d/e", ""));
    assert_eq!(divide(true, "/d/e"), itself("", "/d/e"));
    assert_eq!(divide(true, "/"), itself("", "/"));
}

/// Paths made of the pieces that matter, and of anything.
fn paths() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("%2e".to_owned()),
        Just("%2F".to_owned()),
        Just("%5c".to_owned()),
        Just("%00".to_owned()),
        Just("%25".to_owned()),
        Just("a.abc".to_owned()),
        Just("app".to_owned()),
        ".{0,3}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn a_decoded_path_stays_below_its_root(path in paths()) {
        if let Ok(url) = decode(&path) {
            prop_assert!(url.starts_with(b"/"));
            prop_assert!(!url.contains(&0) && !url.contains(&b'\\'));
            let segments: Vec<&[u8]> = segments(&url).collect();
            let (_, folders) = segments.split_last().unwrap();
            prop_assert!(folders.iter().all(|segment| !segment.is_empty()));
            prop_assert!(segments.iter().all(|segment| *segment != b".." && *segment != b"."));
        }
    }

    #[test]
    fn decoding_ends_where_it_began(path in paths()) {
        if let Ok(url) = decode(&path) {
            let encoded = percent_encoding::percent_encode(&url, percent_encoding::NON_ALPHANUMERIC);
            let again = format!("/{}", encoded.to_string().trim_start_matches("%2F"));
            prop_assert_eq!(decode(&again).unwrap(), url);
        }
    }

    #[test]
    fn the_parts_of_a_division_make_the_url(path in paths(), path_info: bool) {
        if let Ok(url) = decode(&path) {
            for handler in [exact("/app"), script_map(".abc"), prefix("/app"), HandlerPath::Wildcard] {
                let (Some(Division::Itself { name, extra }) | Some(Division::File { name, extra })) =
                    divide(&handler, path_info, &url)
                else {
                    continue;
                };
                prop_assert_eq!([name, extra].concat(), url.as_ref());
                prop_assert!(extra.is_empty() || extra.starts_with(b"/"));
            }
        }
    }
}
