#![allow(clippy::unwrap_used)]

use http_body_util::BodyExt as _;

use super::*;
use crate::body;
use crate::config::HandlerPath;
use crate::sample::Site;
use crate::site::Resolved;

fn parent() -> RequestHead {
    let mut head = RequestHead::sample(Method::POST, "/a?b");
    for (name, value) in [
        ("host", "example.org"),
        ("content-length", "10"),
        ("content-type", "a/b"),
        ("if-none-match", "x"),
        ("range", "bytes=0-1"),
        ("cookie", "c"),
    ] {
        head.headers.insert(name, value.parse().unwrap());
    }
    head
}

fn names(head: &RequestHead) -> Vec<&str> {
    let mut names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_is_absent_is_as_in_the_parent() {
    let head = child_head(&parent(), &ChildRequest::default()).unwrap();
    assert_eq!(
        (head.method.as_str(), head.uri.to_string().as_str()),
        ("POST", "/a?b")
    );
    let expected = ["content-type", "cookie", "host", "if-none-match", "range"];
    assert_eq!(names(&head), expected, "an entity of unknown length");
    let child = ChildRequest {
        flags: ChildRequest::IGNORE_VALIDATION_AND_RANGE,
        length: Some(3),
        ..ChildRequest::default()
    };
    let head = child_head(&parent(), &child).unwrap();
    assert_eq!(
        names(&head),
        ["content-length", "content-type", "cookie", "host"]
    );
    assert_eq!(head.headers["content-length"], "3");
}

#[test]
fn what_is_given_replaces() {
    let child = ChildRequest {
        url: Some("/c d/\u{e4}?x=%20".into()),
        method: Some(b"PUT".to_vec()),
        headers: Some(b"X-A: 1\r\nX-A: 2\nHost: evil\nContent-Length: 99\n\nX-B: 3".to_vec()),
        user: Some(b"anna".to_vec()),
        auth_type: Some(b"Basic".to_vec()),
        ..ChildRequest::default()
    };
    let head = child_head(&parent(), &child).unwrap();
    assert_eq!(head.uri.to_string(), "/c%20d/%C3%A4?x=%20");
    assert_eq!(head.method, Method::PUT);
    assert_eq!(names(&head), ["host", "x-a"]);
    assert_eq!(head.headers["host"], "example.org");
    assert_eq!(head.headers.get_all("x-a").iter().count(), 2);
    let variables = &head.front.variables;
    assert_eq!(variables.get(b"REMOTE_USER"), Some(&b"anna"[..]));
    assert_eq!(variables.get(b"AUTH_TYPE"), Some(&b"Basic"[..]));
}

#[test]
fn what_is_no_request_is_refused() {
    let with = |change: fn(&mut ChildRequest)| {
        let mut child = ChildRequest::default();
        change(&mut child);
        child_head(&parent(), &child)
    };
    for refused in [
        with(|child| child.url = Some(b"http://other/".to_vec())),
        with(|child| child.url = Some(Vec::new())),
        with(|child| child.method = Some(b"GE T".to_vec())),
        with(|child| child.headers = Some(b"no colon".to_vec())),
        with(|child| child.headers = Some(b"a b: c".to_vec())),
        with(|child| child.headers = Some(b"a: \x01".to_vec())),
    ] {
        assert!(matches!(refused, Err(Error::BadRequest(_))));
    }
}

/// A request to `url`, as its backend sees it.
fn caller(site: &Site, url: &str) -> Caller {
    let mut head = RequestHead::sample(Method::GET, url);
    head.headers
        .insert(HOST, HeaderValue::from_static("localhost"));
    let origin = Origin::new(head, Arc::clone(&site.dispatch));
    of(origin)
}

fn of(origin: Arc<Origin>) -> Caller {
    match origin
        .dispatch
        .sites
        .resolve(&origin.head, None, &origin.skip)
    {
        Ok(Resolved::Handler(target)) => Caller::new(&origin, &target),
        _ => panic!("no handler"),
    }
}

async fn text(answer: ChildAnswer) -> String {
    let body = answer.response.unwrap().body;
    String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned()
}

#[tokio::test]
async fn wildcard_handlers_pass_a_request_on_one_after_the_other() {
    let programs = [
        ("a", "echo X: y; echo; echo a"),
        ("b", "echo X: y; echo; echo b"),
    ];
    let site = Site::with(&programs, |_, config| {
        for handler in &mut config.sites[0].handlers {
            handler.path = HandlerPath::Wildcard;
        }
    });
    site.write("file", "the file");
    let again = ChildRequest {
        length: Some(0),
        ..ChildRequest::default()
    };
    let pass = ChildRequest {
        flags: ChildRequest::IGNORE_CURRENT_INTERCEPTOR,
        ..again.clone()
    };
    let first = || caller(&site, "/file");
    assert_eq!(text(first().run(again, body::empty()).await).await, "a\n");
    assert_eq!(
        text(first().run(pass.clone(), body::empty()).await).await,
        "b\n"
    );
    let head = first().origin.head.clone();
    let second = of(Arc::new(first().child(head, &pass)));
    let answer = second.run(pass, body::empty()).await;
    assert_eq!((answer.status.status, answer.status.error), (200, 0));
    assert_eq!(text(answer).await, "the file");
}

#[tokio::test]
async fn nesting_has_an_end() {
    let site = Site::new(&[("x", "echo X: y; echo; echo x")]);
    let request = ChildRequest {
        length: Some(0),
        ..ChildRequest::default()
    };
    let mut caller = caller(&site, "/x");
    for depth in 1..=NESTING_LIMIT {
        let answer = caller.clone().run(request.clone(), body::empty()).await;
        assert_eq!(answer.status.error, 0, "depth {depth}");
        let head = caller.origin.head.clone();
        caller = of(Arc::new(caller.child(head, &request)));
    }
    let answer = caller.run(request, body::empty()).await;
    assert!(answer.response.is_none());
    assert_eq!((answer.status.status, answer.status.error), (0, 1001));
}

#[tokio::test]
async fn errors_are_answers_with_or_without_pages() {
    use crate::config::ErrorCode;
    let site = Site::with(&[("x", "")], |folder, config| {
        let code = ErrorCode {
            status: 404,
            sub_status: 0,
        };
        config.error_pages.insert(code, folder.join("page"));
    });
    site.write("../page", "the page");
    for (flags, starts) in [
        (0, "the page"),
        (ChildRequest::DISABLE_CUSTOM_ERROR, "<!DOCTYPE"),
    ] {
        let request = ChildRequest {
            url: Some(b"/none".to_vec()),
            flags,
            length: Some(0),
            ..ChildRequest::default()
        };
        let answer = caller(&site, "/x").run(request, body::empty()).await;
        assert_eq!((answer.status.status, answer.status.error), (404, 2));
        assert!(text(answer).await.starts_with(starts));
    }
}

#[tokio::test]
async fn the_length_of_an_answer_to_head_is_none_of_the_parents() {
    let site = Site::new(&[("x", "")]);
    site.write("file", "the file");
    let request = ChildRequest {
        url: Some(b"/file".to_vec()),
        method: Some(b"HEAD".to_vec()),
        length: Some(0),
        ..ChildRequest::default()
    };
    let answer = caller(&site, "/x").run(request, body::empty()).await;
    assert!(
        !answer
            .response
            .unwrap()
            .headers
            .contains_key(CONTENT_LENGTH)
    );
}

proptest::proptest! {
    /// Whatever an extension passes, no line end gets into the request that results.
    #[test]
    fn nothing_is_smuggled_in(url in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..50), text: Vec<u8>) {
        if let Ok(uri) = child_uri(&[b"/", url.as_slice()].concat()) {
            proptest::prop_assert!(uri.to_string().bytes().all(|byte| byte.is_ascii_graphic()));
        }
        if let Ok(headers) = child_headers(&text) {
            let clean = |value: &HeaderValue| !value.as_bytes().contains(&b'\n');
            proptest::prop_assert!(headers.values().all(clean));
        }
    }
}
