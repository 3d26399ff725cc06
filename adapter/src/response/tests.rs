#![allow(clippy::unwrap_used, reason = "tests")]

use isapi_abi::status::HSE_STATUS_SUCCESS;
use proptest::prelude::*;

use super::*;

fn sent(method: &str, run: impl FnOnce(&mut Response, &mut Vec<u8>)) -> (String, Ending) {
    let (mut response, mut out) = (Response::new(method.as_bytes(), false), Vec::new());
    run(&mut response, &mut out);
    let ending = response.finish(HSE_STATUS_SUCCESS, 200, &mut out);
    (String::from_utf8(out).unwrap(), ending)
}

fn headers(status: &str, headers: &str) -> String {
    sent("GET", |response, out| {
        response
            .send_header(status.as_bytes(), headers.as_bytes(), out)
            .unwrap()
    })
    .0
}

#[test]
fn status_forms() {
    for (status, line) in [
        ("200 OK", "200 OK"),
        ("", "200 OK"),
        ("404", "404 Not Found"),
        ("HTTP/1.1 302 Found", "302 Found"),
        ("200 OK\r\nX: y", "200 OK"),
        ("200OK", "200 OK"),
        ("404Gone away", "404 Gone away"),
        ("  HTTP/1.0  404 ", "404 Not Found"),
        ("2000 OK", "200 2000 OK"),
        ("200 O\u{1}K\0garbage", "200 OK"),
        ("Strange", "200 Strange"),
        ("999 Odd", "999 Odd"),
        ("099 Low", "200 099 Low"),
    ] {
        assert_eq!(
            headers(status, ""),
            format!("Status: {line}\r\n\r\n"),
            "{status:?}"
        );
    }
    assert_eq!(
        headers("X-Mistake: 1\r\nX-Lost: 2", "A: b\r\n\r\n"),
        "Status: 200 OK\r\nA: b\r\nX-Mistake: 1\r\n\r\n"
    );
    assert_eq!(
        headers("Connection:Keep-Alive", ""),
        "Status: 200 OK\r\n\r\n"
    );
}

#[test]
fn header_forms() {
    for (text, expected) in [
        ("A: b\r\n\r\nbody", "A: b\r\n\r\nbody"),
        ("A: b\n\nbody", "A: b\r\n\r\nbody"),
        ("A: b", "A: b\r\n\r\n"),
        ("A: b\r\n\0\r\n\r\ngarbage", "A: b\r\n\r\n"),
        ("\r\n", "\r\n"),
        ("A: b\r\n\r\n\0icon", "A: b\r\n\r\n\0icon"),
        ("X-ACCEL-Buffering: no\r\nA: b\r\n", "A: b\r\n\r\n"),
        ("A: b\rSet-Cookie: c\r\n", "A: bSet-Cookie: c\r\n\r\n"),
        ("\r\nbody", "\r\nbody"),
        ("A: b\r\n folded\r\n\r\n", "A: b folded\r\n\r\n"),
        ("no header\r\nA: b\r\n\r\n", "A: b\r\n\r\n"),
        (
            "Status: 404\r\nConnection: close\r\nX-Accel-Redirect: /x\r\nA: b\r\n\r\n",
            "A: b\r\n\r\n",
        ),
        (
            "Connection: close\r\n folded: x\r\nA: b\r\n\r\n",
            "A: b\r\n\r\n",
        ),
        ("A:\u{1}b\r\n\r\n", "A: b\r\n\r\n"),
    ] {
        assert_eq!(
            headers("200 OK", text),
            format!("Status: 200 OK\r\n{expected}"),
            "{text:?}"
        );
    }
}

/// §6.3: the empty line that a header call lacks may come by WriteClient, in one call or several.
#[test]
fn the_empty_line_may_come_later() {
    for (text, writes, body) in [
        ("A: b\r\n", &["\r\nbody"][..], "body"),
        ("A: b\n", &["\nbody"], "body"),
        ("A: b", &["\r\n\r\nbody"], "body"),
        ("A: b", &["\r\n", "", "\r\n", "\r\nbody"], "\r\nbody"),
        ("A: b\r\n", &["body", "\r\nmore"], "body\r\nmore"),
        ("A: b\r\n\r\n", &["\r\nbody"], "\r\nbody"),
        ("", &["\r\nbody"], "\r\nbody"),
    ] {
        let (answer, _) = sent("GET", |response, out| {
            response
                .send_header(b"200 OK", text.as_bytes(), out)
                .unwrap();
            for bytes in writes {
                if let Some(passed) = response.passes(bytes.as_bytes()) {
                    out.extend_from_slice(&bytes.as_bytes()[..passed]);
                } else {
                    response.write(bytes.as_bytes(), out).unwrap();
                }
            }
        });
        let (_, found) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(found, body, "{text:?} {writes:?}");
    }
    let with_length = sent("GET", |response, out| {
        response
            .send_header(b"200 OK", b"Content-Length: 4\r\n", out)
            .unwrap();
        response.write(b"\r\nbody", out).unwrap();
    });
    assert_eq!(
        with_length,
        (
            "Status: 200 OK\r\nContent-Length: 4\r\n\r\nbody".into(),
            Ending::Complete
        )
    );
}

/// §6.6: the gateway learns who declines to keep the connection; other fronts decide for themselves.
#[test]
fn connection_close_is_for_the_gateway() {
    let close = |can_close, decline: bool, raw: bool, text: &str| {
        let mut response = Response::new(b"GET", can_close);
        let mut out = Vec::new();
        if decline {
            response.decline_keep_alive();
        }
        if raw {
            response.write(text.as_bytes(), &mut out).unwrap();
        } else {
            response
                .send_header(b"", text.as_bytes(), &mut out)
                .unwrap();
        }
        String::from_utf8(out)
            .unwrap()
            .contains("\r\nConnection: close\r\n")
    };
    assert!(close(true, true, false, "A: b\r\n\r\n"));
    assert!(close(true, false, false, "connection: x, Close\r\n\r\n"));
    assert!(close(true, false, true, "Connection: close\r\n\r\n"));
    assert!(!close(true, false, false, "Connection: keep-alive\r\n\r\n"));
    assert!(!close(false, true, false, "Connection: close\r\n\r\n"));
}

#[test]
fn a_local_redirect_is_nothing_but_its_location() {
    let (text, ending) = sent("GET", |response, out| {
        response.local_redirect(b"/a?b", out).unwrap();
        assert_eq!(response.write(b"x", out), Err(Refused::Finished));
    });
    assert_eq!(
        (text.as_str(), ending),
        ("Location: /a?b\r\n\r\n", Ending::Complete)
    );
    assert_eq!(
        Response::new(b"GET", true).local_redirect(b"/\nX: y", &mut Vec::new()),
        Err(Refused::BadUrl)
    );
}

#[test]
fn a_second_head_is_refused() {
    sent("GET", |response, out| {
        response.send_header(b"200 OK", b"", out).unwrap();
        let before = out.clone();
        assert_eq!(
            response.send_header(b"404", b"", out),
            Err(Refused::HeadSent)
        );
        assert_eq!(response.redirect(b"/", out), Err(Refused::HeadSent));
        assert_eq!(*out, before);
    });
}

#[test]
fn continue_waits_for_the_real_head() {
    let (text, _) = sent("GET", |response, out| {
        response.send_header(b"100 Continue", b"", out).unwrap();
        response.send_header(b"103 Early Hints", b"", out).unwrap();
        assert_eq!(
            response.send_header(b"101", b"", out),
            Err(Refused::SwitchingProtocols)
        );
        response.send_header(b"200 OK", b"", out).unwrap();
    });
    assert_eq!(text, "Status: 200 OK\r\n\r\n");
    let (raw, _) = sent("GET", |response, out| {
        response
            .write(
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Gone\r\n\r\n",
                out,
            )
            .unwrap();
    });
    assert_eq!(raw, "Status: 204 Gone\r\n\r\n");
}

#[test]
fn raw_answers_under_any_split() {
    for (raw, expected) in [
        (
            "HTTP/1.1 404 Not here\r\nA: b\r\n\r\nbody",
            "Status: 404 Not here\r\nA: b\r\n\r\nbody",
        ),
        (
            "Status: 403 No\r\nA: b\n\nbody",
            "Status: 403 No\r\nA: b\r\n\r\nbody",
        ),
        (
            "Location: /x\r\n\r\n",
            "Status: 302 Found\r\nLocation: /x\r\n\r\n",
        ),
        ("A: b\r\n\r\nbody", "Status: 200 OK\r\nA: b\r\n\r\nbody"),
        (
            "We're good to go",
            "Status: 200 OK\r\nContent-Type: text/html\r\n\r\nWe're good to go",
        ),
        (
            "<html>\n\n</html>",
            "Status: 200 OK\r\nContent-Type: text/html\r\n\r\n<html>\n\n</html>",
        ),
        (
            "A: never ends",
            "Status: 200 OK\r\nContent-Type: text/html\r\n\r\nA: never ends",
        ),
        (
            "HTTP/x",
            "Status: 200 OK\r\nContent-Type: text/html\r\n\r\nHTTP/x",
        ),
    ] {
        for cut in 1..raw.len() {
            let (text, ending) = sent("GET", |response, out| {
                for part in raw.as_bytes().chunks(cut) {
                    response.write(part, out).unwrap();
                }
            });
            assert_eq!(
                (text.as_str(), ending),
                (expected, Ending::Complete),
                "{raw:?} in parts of {cut}"
            );
        }
    }
}

#[test]
fn nothing_sent_is_an_error_page() {
    let finish = |status, http_status| {
        let mut out = Vec::new();
        let ending = Response::new(b"GET", false).finish(status, http_status, &mut out);
        (
            String::from_utf8(out)
                .unwrap()
                .lines()
                .next()
                .unwrap()
                .to_owned(),
            ending,
        )
    };
    assert_eq!(
        finish(HSE_STATUS_ERROR, 200).0,
        "Status: 500 Internal Server Error"
    );
    assert_eq!(
        finish(HSE_STATUS_SUCCESS, 200),
        (
            "Status: 500 Internal Server Error".into(),
            Ending::Failed("extension sent no response")
        )
    );
    assert_eq!(finish(HSE_STATUS_SUCCESS, 404).0, "Status: 404 Not Found");
    // An unknown value is an error.
    assert_eq!(finish(5, 404).0, "Status: 500 Internal Server Error");
}

#[test]
fn bodies_are_cut_to_their_length_and_short_ones_are_told() {
    let with = |body: &'static str| {
        sent("GET", |response, out| {
            response
                .send_header(b"200 OK", b"Content-Length: 4\r\n\r\n", out)
                .unwrap();
            response.write(body.as_bytes(), out).unwrap();
        })
    };
    assert!(with("12345").0.ends_with("\r\n\r\n1234"));
    assert_eq!(with("1234").1, Ending::Complete);
    assert!(matches!(with("123").1, Ending::Cut(_)));
}

#[test]
fn heads_without_body_swallow_it() {
    let (text, ending) = sent("HEAD", |response, out| {
        response
            .send_header(b"200 OK", b"Content-Length: 4\r\n\r\n", out)
            .unwrap();
        response.write(b"1234", out).unwrap();
    });
    assert_eq!(
        (text.as_str(), ending),
        (
            "Status: 200 OK\r\nContent-Length: 4\r\n\r\n",
            Ending::Complete
        )
    );
    assert_eq!(
        headers("204 No Content", "Content-Length: 4\r\n\r\nbody"),
        "Status: 204 No Content\r\n\r\n"
    );
    assert_eq!(
        headers("205", "\r\nbody"),
        "Status: 205 Reset Content\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(
        headers("304", "Content-Length: 4\r\n\r\nbody"),
        "Status: 304 Not Modified\r\nContent-Length: 4\r\n\r\n"
    );
}

#[test]
fn own_chunked_coding_is_decoded() {
    let with = |body: &'static str| {
        sent("GET", |response, out| {
            response
                .send_header(
                    b"200 OK",
                    b"Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n",
                    out,
                )
                .unwrap();
            response.write(body.as_bytes(), out).unwrap();
        })
    };
    assert_eq!(
        with("3\r\nabc\r\n0\r\n\r\n"),
        ("Status: 200 OK\r\n\r\nabc".into(), Ending::Complete)
    );
    assert!(matches!(with("3\r\nabc\r\n").1, Ending::Cut(_)));
}

#[test]
fn redirects_are_complete_and_escaped() {
    let (text, ending) = sent("GET", |response, out| {
        response.redirect(b"/a?b=\"<&", out).unwrap()
    });
    assert!(text.starts_with(
        "Status: 302 Found\r\nContent-Type: text/html\r\nLocation: /a?b=\"<&\r\nContent-Length: "
    ));
    assert!(text.contains("HREF=\"/a?b=&quot;&lt;&amp;\"") && ending == Ending::Complete);
    assert_eq!(
        Response::new(b"GET", false).redirect(b"/\r\nX: y", &mut Vec::new()),
        Err(Refused::BadUrl)
    );
}

proptest! {
    /// Whatever is written first, exactly one well-formed head goes out: no bytes of an extension break it.
    #[test]
    fn any_bytes_make_one_head(writes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..6), status in "[ -~\r\n\0]{0,20}|.{0,20}", text in "[a-z:\r\n\0 ]{0,60}|.{0,60}", call in any::<bool>()) {
        let (mut response, mut out) = (Response::new(b"GET", false), Vec::new());
        if call {
            let _ = response.send_header(status.as_bytes(), text.as_bytes(), &mut out);
        }
        for bytes in &writes {
            let _ = response.write(bytes, &mut out);
        }
        response.finish(HSE_STATUS_SUCCESS, 200, &mut out);
        prop_assert!(out.starts_with(b"Status: "));
        let (head, _) = head::split_head(&out).unwrap();
        for line in head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            prop_assert!(line.ends_with(b"\r") && line.contains(&b':'));
            prop_assert!(line[..line.len() - 1].iter().all(|byte| *byte == b'\t' || *byte >= 0x20));
        }
    }
}

#[test]
fn a_file_that_is_all_of_the_body_is_left_to_the_front() {
    let left = |status: &str, text: &str, size: u64, is_last: bool, before: &str| {
        let mut taken = false;
        let (answer, ending) = sent("GET", |response, out| {
            response
                .send_header(status.as_bytes(), text.as_bytes(), out)
                .unwrap();
            response.write(before.as_bytes(), out).unwrap();
            taken = response.leave_to_front(size, is_last, b"X-Sendfile: /a", out);
            if taken {
                // Behind a whole body nothing more counts.
                response.write(b"more", out).unwrap();
            }
        });
        (taken, answer, ending)
    };
    let whole = "Status: 200 OK\r\nA: b\r\nX-Sendfile: /a\r\n\r\n";
    for (text, is_last) in [
        ("A: b\r\nContent-Length: 5\r\n\r\n", false),
        ("A: b\r\nContent-Length: 5\r\n\r\n", true),
        ("A: b\r\n\r\n", true),
    ] {
        let expected = (true, whole.to_owned(), Ending::Complete);
        assert_eq!(left("200 OK", text, 5, is_last, ""), expected, "{text}");
    }
    for (status, text, is_last, before) in [
        ("200 OK", "Content-Length: 6\r\n\r\n", true, ""),
        ("200 OK", "A: b\r\n\r\n", false, ""),
        ("200 OK", "A: b\r\n\r\n", true, "x"),
        ("200 OK", "Content-Length: 6\r\n\r\n", true, "x"),
        ("200 OK", "Transfer-Encoding: chunked\r\n\r\n", true, ""),
        ("206 Part", "Content-Length: 5\r\n\r\n", true, ""),
        ("404", "Content-Length: 5\r\n\r\n", true, ""),
    ] {
        let (taken, answer, _) = left(status, text, 5, is_last, before);
        assert!(!taken && !answer.contains("X-Sendfile"), "{status} {text}");
    }
    let (answer, _) = sent("GET", |response, out| {
        let text = b"Content-Length: 5\r\n\r\n";
        response.send_header(b"200 OK", text, out).unwrap();
        // The head has been sent.
        out.clear();
        assert!(!response.leave_to_front(5, true, b"X-Sendfile: /a", out));
    });
    assert_eq!(answer, "");
}
