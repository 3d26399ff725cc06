//! What should not be sent: each is refused or survived, and the server answers the next request.

use system_tests::{Client, Gateway, get, raw, script};
use tempfile::TempDir;

fn gateway() -> Gateway {
    let folder = TempDir::new().unwrap();
    script(
        folder.path(),
        "environment",
        "printf 'Content-Type: text/plain\\n\\n'\nenv",
    );
    std::fs::create_dir(folder.path().join("www")).unwrap();
    std::fs::write(folder.path().join("www/page.txt"), "a page").unwrap();
    std::fs::write(folder.path().join("secret.txt"), "a secret").unwrap();
    Gateway::with_config_in(
        folder,
        r#"
[[site]]
root = "{dir}/www"
[[site.handler]]
path = "/echo"
pool = "echo"
[[site.handler]]
path = "/dumpvars"
pool = "dumpvars"
[[site.handler]]
path = "/environment"
pool = "environment"
[pool.echo]
extension = "{samples}/echo.so"
[pool.dumpvars]
extension = "{samples}/dumpvars.so"
[pool.environment]
cgi = "{dir}/environment"
"#,
    )
}

fn still_answers(gateway: &Gateway) {
    assert_eq!(gateway.get("/page.txt").text(), "a page");
    let reply = gateway.request("POST", "/echo", &[], b"still there");
    assert_eq!(reply.text(), "still there");
}

/// The status of the first answer to these bytes; `None` if the connection was closed without one.
fn status(gateway: &Gateway, bytes: &[u8]) -> Option<u16> {
    let mut client = Client::connect(gateway.address());
    client.send(bytes);
    client.head().ok().map(|head| head.status)
}

#[test]
fn malformed_requests_are_refused() {
    let gateway = gateway();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello"[..],
        b"GE<T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/3.7\r\nHost: a\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-A\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-A : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-A: a\0b\r\n\r\n",
        b"GET page.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT example.org:80 HTTP/1.1\r\nHost: example.org:80\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    ] {
        let shown = bytes.escape_ascii();
        let status = status(&gateway, bytes);
        assert!(
            matches!(status, Some(400..=499) | Some(501)),
            "{shown}: {status:?}"
        );
        still_answers(&gateway);
    }
    gateway.stop();
}

#[test]
fn a_request_must_not_be_hidden_in_another_ones_body() {
    let gateway = gateway();
    let sent = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
        0\r\n\r\nGET /page.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = Client::connect(gateway.address());
    client.send(sent);
    // Refused, or answered by what the chunks say with the connection closed (RFC 9112 section 6.3).
    let first = client.reply("POST");
    assert!(matches!(first.status(), 200 | 400), "{}", first.status());
    assert!(
        client.is_closed(),
        "another request was read from the connection"
    );
    still_answers(&gateway);
    gateway.stop();
}

#[test]
fn lines_that_end_in_lf_alone_are_taken_or_refused() {
    let gateway = gateway();
    let status = status(
        &gateway,
        b"GET /page.txt HTTP/1.1\nHost: a\nConnection: close\n\n",
    );
    assert!(matches!(status, Some(200 | 400)), "{status:?}");
    still_answers(&gateway);
    gateway.stop();
}

#[test]
fn a_body_with_a_bad_chunk_is_never_taken_for_a_whole_one() {
    let gateway = gateway();
    for path in ["/echo", "/environment"] {
        for chunks in [
            "ZZ\r\nabc\r\n0\r\n\r\n",
            "3\r\nabcdef\r\n0\r\n\r\n",
            "-3\r\nabc\r\n0\r\n\r\n",
            "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        ] {
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n");
            let sent = format!("{head}Connection: close\r\n\r\n{chunks}");
            let mut client = Client::connect(gateway.address());
            client.send(sent.as_bytes());
            client.finish();
            if let Ok(head) = client.head()
                && head.status == 200
                && path == "/echo"
            {
                let mut body = client.body(&head, "POST");
                let read = std::io::copy(&mut body, &mut std::io::sink());
                assert!(read.is_err(), "{chunks:?}: {read:?}");
            }
        }
        still_answers(&gateway);
    }
    gateway.stop();
}

#[test]
fn too_large_heads_are_refused() {
    let gateway = gateway();
    let mut many = b"GET /page.txt HTTP/1.1\r\nHost: a\r\n".to_vec();
    for number in 0..100 {
        many.extend(format!("X-{number}: ").bytes());
        many.extend([b'x'; 8 * 1024]);
        many.extend(b"\r\n");
    }
    many.extend(b"\r\n");
    assert_eq!(status(&gateway, &many), Some(431));
    still_answers(&gateway);

    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(200_000));
    let answered = status(&gateway, long.as_bytes());
    assert!(matches!(answered, Some(414 | 431)), "{answered:?}");
    still_answers(&gateway);

    let mut small = b"GET /page.txt HTTP/1.1\r\nHost: a\r\n".to_vec();
    for number in 0..2000 {
        small.extend(format!("X-{number}: y\r\n").bytes());
    }
    small.extend(b"\r\n");
    assert_eq!(status(&gateway, &small), Some(431));
    still_answers(&gateway);
    gateway.stop();
}

#[test]
fn urls_that_name_something_else_than_they_seem_to_are_refused() {
    let gateway = gateway();
    for path in [
        "/page.txt%00.html",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/a/../../secret.txt",
        "/..%5csecret.txt",
        "/a%5cb",
        "/page.txt.",
        "/page.txt%20",
        "/page.txt::$DATA",
        "/echo.%00",
        "/dumpvars/..%2f..%2fsecret.txt",
        "/dumpvars/%00",
        "/%zz",
        "/%0d%0aX-Injected:%201",
    ] {
        let reply = gateway.get(path);
        assert_eq!(reply.status(), 400, "{path}");
        assert!(!reply.text().contains("secret"), "{path}: {}", reply.text());
        still_answers(&gateway);
    }
    gateway.stop();
}

#[test]
fn a_client_cannot_replace_a_header_by_one_with_an_underscore() {
    let gateway = gateway();
    let headers = ["X-Mine: yes", "X_Mine: no"];
    for path in ["/environment", "/dumpvars?format=text&var=HTTP_X_MINE"] {
        let text = gateway.request("GET", path, &headers, b"").text();
        assert!(text.contains("X_MINE=yes\n"), "{text}");
        assert!(!text.contains("no\n"), "{text}");
    }
    gateway.stop();
}

#[test]
fn a_client_cannot_choose_the_proxy_of_a_program() {
    let gateway = gateway();
    let headers = ["Proxy: http://evil.example/", "X-Mine: yes"];
    for path in ["/environment", "/dumpvars?format=text&var=HTTP_PROXY"] {
        let text = gateway.request("GET", path, &headers, b"").text();
        assert!(text.contains("X_MINE"), "{text}");
        assert!(!text.contains("evil.example"), "{text}");
    }
    gateway.stop();
}

#[test]
fn unfinished_requests_hold_nobody_up() {
    let gateway = gateway();
    let mut unfinished: Vec<Client> = (0..100)
        .map(|_| Client::connect(gateway.address()))
        .collect();
    for client in &mut unfinished {
        client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nxyz");
    }
    for _ in 0..10 {
        still_answers(&gateway);
    }
    drop(unfinished);
    gateway.stop();
}

#[test]
fn answers_to_nonsense_do_not_tell_what_runs() {
    let gateway = gateway();
    let answer = raw(gateway.address(), b"nonsense\r\n\r\n");
    let text =
        String::from_utf8_lossy(&answer).into_owned() + &get(gateway.address(), "/%00").text();
    for secret in ["/tmp", "hyper", "panicked", "rust"] {
        assert!(!text.contains(secret), "{text}");
    }
    gateway.stop();
}
