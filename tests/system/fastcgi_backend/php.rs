//! PHP: what it is told, what it gets, what becomes of its answers.

use std::collections::BTreeMap;
use std::process::Command;

use system_tests::{Client, Process, Reply, Signal, memory, peer, send, wait_until};

use super::php_site::{Way, documented, php};
use super::read_slowly;
use crate::echo::{Coding, PIECE, echo, pattern};

fn variables(reply: &Reply) -> BTreeMap<String, Vec<u8>> {
    let text = reply.text();
    let line = |line: &str| {
        let (name, hex) = line.split_once('=').unwrap();
        let digits: Vec<char> = hex.chars().collect();
        let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
        (name.to_owned(), digits.chunks(2).map(byte).collect())
    };
    text.lines().map(line).collect()
}

#[test]
fn its_variables_are_those_of_a_web_server() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        let mut client = Client::connect(php.gateway.address());
        client.send(
            b"GET /variables.php/extra/%ff?a=%20b HTTP/1.1\r\nHost: www.example.org:81\r\nX-Raw: \xff\x80\r\n\
              Proxy: evil:1\r\nCookie: x=y\r\nAuthorization: Basic eDp5\r\nConnection: close\r\n\r\n",
        );
        let variables = variables(&client.reply("GET"));
        let www = php.gateway.folder().join("www").display().to_string();
        let script = format!("{www}/variables.php");
        let translated = [www.as_bytes(), b"/extra/\xff"].concat();
        let expected: [(&str, &[u8]); 18] = [
            ("SCRIPT_FILENAME", script.as_bytes()),
            ("SCRIPT_NAME", b"/variables.php"),
            ("PHP_SELF", b"/variables.php/extra/\xff"),
            ("PATH_INFO", b"/extra/\xff"),
            ("PATH_TRANSLATED", &translated),
            ("DOCUMENT_ROOT", www.as_bytes()),
            ("REQUEST_URI", b"/variables.php/extra/%ff?a=%20b"),
            ("QUERY_STRING", b"a=%20b"),
            ("REQUEST_METHOD", b"GET"),
            ("SERVER_NAME", b"www.example.org"),
            ("SERVER_PROTOCOL", b"HTTP/1.1"),
            ("GATEWAY_INTERFACE", b"CGI/1.1"),
            ("REMOTE_ADDR", b"127.0.0.1"),
            ("HTTP_HOST", b"www.example.org:81"),
            ("HTTP_X_RAW", b"\xff\x80"),
            ("HTTP_COOKIE", b"x=y"),
            ("PHP_AUTH_USER", b"x"),
            ("PHP_AUTH_PW", b"y"),
        ];
        for (name, expected) in expected {
            let found = variables.get(name).map(Vec::as_slice);
            assert_eq!(found, Some(expected), "{way:?} {name}");
        }
        for name in ["HTTP_PROXY", "OPERATORS_SECRET"] {
            assert!(!variables.contains_key(name), "{way:?} {name}");
        }
        php.stop();
    }
}

#[test]
fn a_front_controller_answers_what_is_no_file() {
    let php = documented();
    for (method, path, expected) in [
        ("GET", "/", "front GET / /index.php"),
        ("POST", "/?a=b", "front POST /?a=b /index.php"),
        (
            "GET",
            "/2024/05/hello?p=1",
            "front GET /2024/05/hello?p=1 /index.php",
        ),
        (
            "PUT",
            "/wp-json/posts",
            "front PUT /wp-json/posts /index.php",
        ),
        ("GET", "/.git/config", "front GET /.git/config /index.php"),
        ("GET", "/blog/", "the blog"),
        ("GET", "/static.css", "body {}"),
    ] {
        let reply = php.gateway.request(method, path, &[], b"");
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, expected),
            "{path}"
        );
    }
    assert_eq!(php.get("/blog").header("location"), Some("/blog/"));
    assert_eq!(
        php.gateway
            .request("POST", "/static.css", &[], b"")
            .status(),
        405
    );
    // No script, no answer; and what is no script is not run whatever the URL pretends.
    for path in ["/none.php", "/image.jpg/x.php", "/blog/none.php/extra"] {
        assert_eq!(php.get(path).status(), 404, "{path}");
    }
    php.stop();
}

#[test]
fn uploads_arrive() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        let content = pattern(0, PIECE).repeat(128);
        let mut body = b"--x\r\nContent-Disposition: form-data; name=\"word\"\r\n\r\nhello\r\n\
            --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n"
            .to_vec();
        body.extend(&content);
        body.extend(b"\r\n--x--\r\n");
        let file = php.gateway.folder().join("content");
        std::fs::write(&file, &content).unwrap();
        let sum = Command::new(peer("md5sum"))
            .arg(&file)
            .output()
            .unwrap()
            .stdout;
        let sum = String::from_utf8(sum).unwrap();
        let sum = sum.split(' ').next().unwrap();
        let kind = "Content-Type: multipart/form-data; boundary=x";
        let reply = php.gateway.request("POST", "/upload.php", &[kind], &body);
        assert_eq!(
            reply.text(),
            format!("hello a.bin {} {sum}", content.len()),
            "{way:?}"
        );
        php.stop();
    }
}

#[test]
fn sixty_four_mebibytes_are_echoed() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        let mut client = Client::connect(php.gateway.address());
        echo(&mut client, "/echo.php", 64 << 20, Coding::Length, || {});
        drop(client);
        assert!(memory(php.gateway.pid()).peak < 64 * 1024, "{way:?}");
        php.stop();
    }
}

#[test]
fn a_chunked_body_has_a_length_when_it_is_buffered() {
    let php = documented();
    let mut client = Client::connect(php.gateway.address());
    for size in [0, 1, 8 << 20] {
        echo(
            &mut client,
            "/echo.php",
            size,
            Coding::Chunked(60_000),
            || {},
        );
    }
    let head = "POST /echo.php HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(head.as_bytes());
    client.send(
        &[
            b"800001\r\n".as_slice(),
            &vec![b'x'; (8 << 20) + 1],
            b"\r\n0\r\n\r\n",
        ]
        .concat(),
    );
    assert_eq!(client.reply("POST").status(), 413);
    drop(client);
    php.stop();
}

#[test]
fn a_slow_reader_bounds_memory() {
    let php = php(Way::Fpm);
    let total = read_slowly(&php.gateway, "/big.php?mib=128");
    assert_eq!(total, 128 << 20);
    assert!(memory(php.gateway.pid()).peak < 64 * 1024);
    php.stop();
}

#[test]
fn one_that_is_killed_harms_nobody_else() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        assert_eq!(php.get("/die.php").status(), 502, "{way:?}");
        let reply = php.get("/die.php?begun");
        assert_eq!(reply.status(), 200, "{way:?}");
        assert!(!reply.complete, "{way:?}");
        for _ in 0..20 {
            assert_eq!(php.get("/blog/").text(), "the blog", "{way:?}");
        }
        php.stop();
    }
}

#[test]
fn it_notices_that_the_client_has_gone() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        let mut client = Client::connect(php.gateway.address());
        client.request("GET", "/wait.php", &[], b"");
        let www = php.gateway.folder().join("www");
        wait_until("it waits", || www.join("waits").exists());
        drop(client);
        wait_until("it has noticed", || www.join("aborted").exists());
        php.stop();
    }
}

#[test]
fn files_are_sent_for_it_from_within_the_folders_only() {
    let php = php(Way::Fpm);
    let folder = php.gateway.folder().display().to_string();
    let ask = |header: &str, more: &[&str]| {
        let path = format!("/send.php?header={}", header.replace(' ', "%20"));
        php.gateway.request("GET", &path, more, b"")
    };
    for header in [
        format!("X-Sendfile: {folder}/private/report.txt"),
        "X-Accel-Redirect: /protected/report.txt".to_owned(),
    ] {
        let whole = ask(&header, &[]);
        assert_eq!(
            (whole.status(), whole.text().as_str()),
            (200, "0123456789"),
            "{header}"
        );
        assert_eq!(whole.header("content-length"), Some("10"));
        assert!(whole.header("content-type").unwrap().starts_with("text/x"));
        assert_eq!(whole.header("x-own"), Some("1"));
        assert_eq!(
            whole
                .header("x-sendfile")
                .or(whole.header("x-accel-redirect")),
            None
        );
        let part = ask(&header, &["Range: bytes=2-4"]);
        assert_eq!(
            (part.status(), part.text().as_str()),
            (206, "234"),
            "{header}"
        );
        let tag = format!("If-None-Match: {}", whole.header("etag").unwrap());
        assert_eq!(ask(&header, &[&tag]).status(), 304, "{header}");
    }
    for header in [
        format!("X-Sendfile: {folder}/secret.txt"),
        format!("X-Sendfile: {folder}/private/../secret.txt"),
        "X-Accel-Redirect: /protected/../secret.txt".to_owned(),
        "X-Accel-Redirect: /other".to_owned(),
    ] {
        let reply = ask(&header, &[]);
        assert_eq!(reply.status(), 502, "{header}");
        assert!(!reply.text().contains("business"));
    }
    assert_eq!(ask("X-Accel-Redirect: /protected/none", &[]).status(), 404);
    php.gateway
        .log()
        .wait_for(&["secret.txt", "is in no folder of `sendfile`"]);
    php.stop();
}

#[test]
fn status_cookies_and_messages_are_its_own() {
    let php = php(Way::Cgi);
    let reply = php.get("/errors.php");
    assert_eq!((reply.status(), reply.text().as_str()), (418, "teapot"));
    let cookies = reply.head.headers.iter();
    assert_eq!(cookies.filter(|(name, _)| name == "set-cookie").count(), 2);
    php.gateway.log().wait_for(&["words for the operator"]);
    php.gateway.log().wait_for(&["more words"]);
    php.stop();
}

#[test]
fn a_thousand_requests_at_thirty_two_at_once_are_answered() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| {
                    let mut client = Client::connect(php.gateway.address());
                    for _ in 0..32 {
                        client.request("GET", "/blog/", &[], b"");
                        let reply = client.reply("GET");
                        assert_eq!(reply.text(), "the blog", "{way:?}");
                    }
                });
            }
        });
        php.stop();
    }
}

#[test]
fn requests_survive_a_reload_of_php_fpm() {
    let php = php(Way::Fpm);
    let fpm = php.fpm.as_ref().unwrap().0.id();
    let children = || Process::descendants(fpm);
    for _ in 0..3 {
        let before = children();
        send(fpm, Signal::USR2);
        wait_until("it has new children", || {
            let now = children();
            now.len() == 4 && now.is_disjoint(&before)
        });
        for _ in 0..10 {
            assert_eq!(php.get("/blog/").text(), "the blog");
        }
    }
    php.stop();
}
