#![allow(clippy::unwrap_used, clippy::panic)]

use http::HeaderValue;
use http_body_util::BodyExt as _;

use super::*;
use crate::request::RequestHead;
use crate::sample::Site;

async fn ask(site: &Site, method: Method, target: &str) -> Response {
    let mut head = RequestHead::sample(method, target);
    head.headers
        .insert("host", HeaderValue::from_static("localhost"));
    let request = Request {
        head,
        body: body::full("form=data"),
    };
    site.dispatch.run(request).await
}

async fn text(response: Response) -> String {
    String::from_utf8(response.body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn requests_reach_programs_and_files() {
    let site = Site::new(&[("x.cgi", "printf 'Content-Type: a/b\\n\\nfrom the program'")]);
    site.write("page.txt", "from the file");
    assert_eq!(
        text(ask(&site, Method::GET, "/x.cgi").await).await,
        "from the program"
    );
    assert_eq!(
        text(ask(&site, Method::GET, "/page.txt").await).await,
        "from the file"
    );
    assert_eq!(ask(&site, Method::GET, "/none").await.status, 404);
    assert_eq!(ask(&site, Method::GET, "/%00").await.status, 400);
}

#[tokio::test]
async fn a_local_redirect_is_run_as_get_without_body() {
    let site = Site::new(&[
        ("from.cgi", "printf 'Location: /to.cgi?q=1\\n\\n'"),
        (
            "to.cgi",
            "echo Content-Type: a/b; echo; echo $REQUEST_METHOD $QUERY_STRING $CONTENT_LENGTH.; cat",
        ),
        ("file.cgi", "printf 'Location: /page.txt\\n\\n'"),
    ]);
    site.write("page.txt", "page");
    assert_eq!(
        text(ask(&site, Method::POST, "/from.cgi").await).await,
        "GET q=1 .\n"
    );
    assert_eq!(
        text(ask(&site, Method::POST, "/file.cgi").await).await,
        "page"
    );
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let site = Site::new(&[
        ("a.cgi", "echo >> ../count; printf 'Location: /b.cgi\\n\\n'"),
        ("b.cgi", "echo >> ../count; printf 'Location: /a.cgi\\n\\n'"),
        ("bad.cgi", "printf 'Location: /a b\\n\\n'"),
    ]);
    assert_eq!(ask(&site, Method::GET, "/a.cgi").await.status, 502);
    assert_eq!(site.read("count").lines().count(), LOCAL_REDIRECT_LIMIT + 1);
    assert_eq!(ask(&site, Method::GET, "/bad.cgi").await.status, 502);
}

#[tokio::test]
async fn error_pages_tell_nothing_of_the_inside() {
    let site = Site::new(&[("x.cgi", "echo secret; exit 1")]);
    let response = ask(&site, Method::GET, "/x.cgi").await;
    assert_eq!(response.status, 502);
    let length: usize = response.headers["content-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let page = text(response).await;
    assert_eq!(page.len(), length);
    assert!(page.contains("502 Bad Gateway") && !page.contains("secret"));
    let response = ask(&site, Method::DELETE, "/page.txt").await;
    assert_eq!(
        (response.status.as_u16(), &response.headers["allow"]),
        (405, &HeaderValue::from_static("GET, HEAD"))
    );
    assert_eq!(
        Error::Stopping.page(&Method::GET).headers["retry-after"],
        "5"
    );
    assert_eq!(text(Error::Stopping.page(&Method::HEAD)).await, "");
}

#[tokio::test]
async fn a_panic_is_an_error_page() {
    let failure = catch_panics(async { panic!("on purpose") })
        .await
        .err()
        .unwrap();
    assert_eq!(failure.error.outcome().status, 500);
}
