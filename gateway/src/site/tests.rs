#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use http::{Method, Request, Version};

use super::handler::{choose, script};
use super::*;
use crate::config::{Handler, HandlerPath};
use crate::request::{Connection, Front};

/// The head of an HTTP/1.1 request from 192.0.2.7:5000 to [2001:db8::1]:80.
pub fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> RequestHead {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    RequestHead {
        method: parts.method,
        uri: parts.uri,
        version: Version::HTTP_11,
        headers: parts.headers.into(),
        connection: Connection {
            remote: "192.0.2.7:5000".parse().unwrap(),
            local: "[2001:db8::1]:80".parse().unwrap(),
            secure: false,
        },
        connection_variables: None,
        front: Front::default(),
    }
}

fn in_www<'a>(url: &[u8]) -> Cow<'a, [u8]> {
    let path = Directories::default().physical(b"/www", url).into_owned();
    path.into()
}

fn handler(path: HandlerPath, verbs: &[Method], path_info: bool) -> Handler {
    Handler {
        path,
        verbs: verbs.to_vec(),
        pool: "pool".to_owned(),
        path_info,
        must_exist: false,
    }
}

/// SCRIPT_NAME, PATH_INFO, PATH_TRANSLATED and SCRIPT_FILENAME in a site with the root `/www`.
fn rows(path: HandlerPath, path_info: bool, url: &str) -> [String; 4] {
    let handlers = [handler(path, &[], path_info)];
    let (_, division) = choose(&handlers, |_| false, &Method::GET, url.as_bytes())
        .unwrap()
        .unwrap();
    let program = Some(&b"/lib/foo.so"[..]);
    let script = script(in_www, program, path_info, url.as_bytes(), &division).unwrap();
    [
        script.name,
        script.path_info,
        script.path_translated,
        script.filename,
    ]
    .map(|value| String::from_utf8(value.into_owned()).unwrap())
}

#[test]
fn names_scripts_by_the_rows_of_the_table() {
    let exact = || HandlerPath::Exact("/x/foo.dll".to_owned());
    let map = || HandlerPath::ScriptMap(".abc".to_owned());
    let prefix = || HandlerPath::Prefix("/d".to_owned());
    let program = "/lib/foo.so";
    for (row, path, path_info, url, expected) in [
        (
            "A",
            exact(),
            true,
            "/x/foo.dll/extra",
            ["/x/foo.dll", "/extra", "/www/extra", program],
        ),
        (
            "A0",
            exact(),
            true,
            "/x/foo.dll",
            ["/x/foo.dll", "", "/www", program],
        ),
        (
            "B",
            map(),
            false,
            "/d/a.abc/extra",
            ["/d/a.abc", "/d/a.abc/extra", "/www/d/a.abc", "/www/d/a.abc"],
        ),
        (
            "B0",
            map(),
            false,
            "/d/a.abc",
            ["/d/a.abc", "/d/a.abc", "/www/d/a.abc", "/www/d/a.abc"],
        ),
        (
            "C",
            map(),
            true,
            "/d/a.abc/extra",
            ["/d/a.abc", "/extra", "/www/extra", "/www/d/a.abc"],
        ),
        (
            "C0",
            map(),
            true,
            "/d/a.abc",
            ["/d/a.abc", "", "/www", "/www/d/a.abc"],
        ),
        (
            "D",
            HandlerPath::Wildcard,
            false,
            "/d/e/f",
            ["/d/e/f", "/d/e/f", "/www/d/e/f", "/www/d/e/f"],
        ),
        (
            "D below",
            prefix(),
            false,
            "/d/e/f",
            ["/d/e/f", "/d/e/f", "/www/d/e/f", "/www/d/e/f"],
        ),
        (
            "mounted",
            prefix(),
            true,
            "/d/e/f",
            ["/d", "/e/f", "/www/e/f", program],
        ),
        (
            "mounted at /",
            HandlerPath::Wildcard,
            true,
            "/extra",
            ["", "/extra", "/www/extra", program],
        ),
    ] {
        assert_eq!(rows(path, path_info, url), expected, "row {row}");
    }
}

#[test]
fn a_root_with_a_slash_gets_no_second_one() {
    let url = b"/a.abc";
    let division = path::divide(&HandlerPath::Wildcard, false, url).unwrap();
    assert_eq!(
        script(
            |url| Cow::Owned(Directories::default().physical(b"/", url).into_owned()),
            None,
            false,
            url,
            &division
        )
        .unwrap()
        .path_translated,
        &url[..]
    );
}

#[test]
fn a_name_of_a_file_has_no_stream() {
    let url = b"/a.txt:b.abc/extra";
    let division = path::divide(&HandlerPath::ScriptMap(".abc".to_owned()), true, url).unwrap();
    assert!(matches!(
        script(in_www, None, true, url, &division),
        Err(Error::BadUrl(_))
    ));
    let mounted = path::divide(&HandlerPath::Wildcard, true, url).unwrap();
    assert_eq!(
        script(in_www, None, true, url, &mounted).unwrap().path_info,
        &url[..]
    );
}

#[test]
fn the_first_handler_whose_path_and_verb_fit_answers() {
    let map = || HandlerPath::ScriptMap(".abc".to_owned());
    let handlers = [
        handler(map(), &[Method::GET, Method::HEAD], false),
        handler(
            HandlerPath::Prefix("/d".to_owned()),
            &[Method::PUT, Method::GET],
            false,
        ),
        handler(HandlerPath::Exact("/d/a.abc".to_owned()), &[], true),
    ];
    let chosen = |method: Method, url: &str| {
        choose(&handlers, |_| false, &method, url.as_bytes())
            .map(|chosen| chosen.map(|(index, _)| index))
    };
    assert_eq!(chosen(Method::GET, "/d/a.abc").unwrap(), Some(0));
    assert_eq!(chosen(Method::PUT, "/d/a.abc").unwrap(), Some(1));
    assert_eq!(chosen(Method::POST, "/d/a.abc").unwrap(), Some(2));
    assert_eq!(chosen(Method::GET, "/other").unwrap(), None);
    let Err(Error::VerbNotAllowed { allow }) = chosen(Method::POST, "/d/b.abc") else {
        panic!("POST is taken by no handler of this path");
    };
    assert_eq!(allow, [Method::GET, Method::HEAD, Method::PUT]);
}
