#![allow(clippy::unwrap_used, clippy::panic)]

use http::HeaderValue;
use http_body_util::BodyExt as _;

use super::*;
use crate::config::{Access, HandlerPath, VirtualDirectory};
use crate::request::RequestHead;
use crate::sample::Site;

async fn ask(site: &Site, method: Method, target: &str) -> Response<Sent> {
    let mut head = RequestHead::sample(method, target);
    head.headers
        .insert("host", HeaderValue::from_static("localhost"));
    let origin = Origin::new(head, Arc::clone(&site.dispatch));
    origin.run(body::full("form=data")).await
}

async fn text(response: Response<Sent>) -> String {
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
    assert_eq!(
        text(Error::Stopping.page(&Method::HEAD).map(Sent::from)).await,
        ""
    );
}

#[tokio::test]
async fn error_pages_of_the_configuration() {
    let site = Site::with(&[], |folder, config| {
        let code = |status, sub_status| ErrorCode { status, sub_status };
        config
            .error_pages
            .insert(code(404, 0), folder.join("general.html"));
        config
            .error_pages
            .insert(code(405, 0), folder.join("general.html"));
        let own = &mut config.sites[0].error_pages;
        own.insert(code(405, 0), folder.join("own.txt"));
        own.insert(code(400, 0), folder.join("gone.html"));
    });
    site.write("../general.html", "<p>general");
    site.write("../own.txt", "own");
    let response = ask(&site, Method::GET, "/none").await;
    assert_eq!(response.status, 404);
    assert_eq!(response.headers["content-type"], "text/html");
    assert_eq!(response.headers["content-length"], "10");
    assert_eq!(text(response).await, "<p>general");
    let response = ask(&site, Method::HEAD, "/none").await;
    assert_eq!(response.headers["content-length"], "10");
    assert_eq!(text(response).await, "");
    site.write("x", "");
    let response = ask(&site, Method::PUT, "/x").await;
    assert_eq!(response.headers["allow"], "GET, HEAD");
    assert_eq!(response.headers["content-type"], "text/plain");
    assert_eq!(text(response).await, "own");
    let unreadable = ask(&site, Method::GET, "/%00").await;
    assert_eq!(unreadable.status, 400);
    assert!(text(unreadable).await.contains("400 Bad Request"));
}

#[tokio::test]
async fn virtual_directories_hold_files_and_scripts() {
    let program = "printf 'X: y\\n\\n'; echo $PATH_TRANSLATED";
    let site = Site::with(
        &[("x.cgi", program), ("map.cgi", program)],
        |folder, config| {
            let site = &mut config.sites[0];
            for (path, root, read, script) in [
                ("/app", "app", true, false),
                ("/app/scripts", "scripts", false, true),
            ] {
                site.virtual_directories.push(VirtualDirectory {
                    path: path.to_owned(),
                    root: folder.join(root),
                    access: Access {
                        read,
                        script,
                        execute: false,
                    },
                    application: false,
                });
            }
            site.handlers[1].path = HandlerPath::ScriptMap(".abc".to_owned());
            site.handlers[1].path_info = false;
        },
    );
    site.write("app/a.txt", "in the root");
    site.write("../app/a.txt", "in the virtual directory");
    site.write("../app/index.html", "document");
    site.write("../scripts/a.txt", "not to be read");
    assert_eq!(
        text(ask(&site, Method::GET, "/APP/a.txt").await).await,
        "in the virtual directory"
    );
    assert_eq!(
        text(ask(&site, Method::GET, "/app/").await).await,
        "document"
    );
    assert_eq!(
        ask(&site, Method::GET, "/app?q").await.headers["location"],
        "/app/?q"
    );
    assert_eq!(
        ask(&site, Method::GET, "/app/scripts/a.txt").await.status,
        403
    );
    assert_eq!(ask(&site, Method::GET, "/apps/a.txt").await.status, 404);
    for (url, ending) in [
        ("/x.cgi/app/scripts/y", "/scripts/y\n"),
        ("/x.cgi/app", "/app\n"),
        ("/x.cgi/other", "/root/other\n"),
        ("/app/scripts/z.abc", "/scripts/z.abc\n"),
    ] {
        let told = text(ask(&site, Method::GET, url).await).await;
        assert!(
            told.ends_with(ending) && !told.ends_with("/root/app\n"),
            "{url}: {told}"
        );
    }
    assert_eq!(ask(&site, Method::GET, "/app/z.abc").await.status, 403);
}

#[tokio::test]
async fn a_panic_is_an_error_page() {
    let failure = catch_panics(pin!(async { panic!("on purpose") }))
        .await
        .err()
        .unwrap();
    assert_eq!(failure.error.outcome().status, 500);
}
