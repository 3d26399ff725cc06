#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn whole(head: &[u8]) -> Result<Option<(Head, usize)>, Error> {
    HeadParser::new().push(&Bytes::copy_from_slice(head))
}

fn document(head: &[u8]) -> Document {
    match whole(head).unwrap().unwrap() {
        (Head::Document(document), end) if end == head.len() => document,
        other => panic!("{other:?}"),
    }
}

fn refusal(head: &[u8]) -> String {
    whole(head).unwrap_err().to_string()
}

#[test]
fn a_document_without_status_is_200() {
    let head = document(b"Content-Type: text/plain\r\nX-A: 1\r\nX-A: 2\r\n\r\n");
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.reason, None);
    assert_eq!(head.headers["content-type"], "text/plain");
    assert_eq!(head.headers.get_all("x-a").iter().count(), 2);
    assert_eq!(head.content_length, None);
}

#[test]
fn the_body_begins_behind_the_empty_line() {
    let (_, offset) = whole(b"Status: 404\n\nbody\n\n").unwrap().unwrap();
    assert_eq!(offset, 13);
    let mut parser = HeadParser::new();
    assert_eq!(
        parser.push(&Bytes::from_static(b"Status: 404\r")).unwrap(),
        None
    );
    assert_eq!(parser.push(&Bytes::from_static(b"\n\r")).unwrap(), None);
    assert!(parser.has_partial_head());
    assert_eq!(
        parser
            .push(&Bytes::from_static(b"\nbody"))
            .unwrap()
            .unwrap()
            .1,
        1
    );
}

#[test]
fn status_is_read_and_removed() {
    let head = document(b"Status: 404 Nothing here\nContent-Length: 13\n\n");
    assert_eq!(head.status, 404);
    assert_eq!(head.reason.as_deref(), Some(&b"Nothing here"[..]));
    assert_eq!(head.content_length, Some(13));
    assert!(!head.headers.contains_key("status"));
    assert_eq!(document(b"Status: 200 OK\n\n").reason, None);
    assert_eq!(document(b"Status: 299\n\n").status.as_u16(), 299);
}

#[test]
fn a_status_line_stands_for_status() {
    let head = document(b"HTTP/1.1 418 I'm a teapot\r\nStatus: 200\r\nServer: own\r\n\r\n");
    assert_eq!(head.status, 418);
    assert_eq!(head.headers["server"], "own");
    assert_eq!(document(b"HTTP/1.0 204\r\n\r\n").status, 204);
}

#[test]
fn locations_follow_rfc_3875() {
    let local = whole(b"Location: /a/b?c=d\n\n").unwrap().unwrap().0;
    assert_eq!(local, Head::LocalRedirect(Bytes::from_static(b"/a/b?c=d")));
    for redirect in [
        &b"Location: http://example.org/\n\n"[..],
        b"Location: //example.org/\n\n",
        b"Location: other.html\n\n",
        b"Location: /a\nSet-Cookie: a=b\n\n",
        b"Location: http://example.org/\nContent-Type: text/html\n\n",
    ] {
        let head = document(redirect);
        assert_eq!(head.status, 302);
        assert!(head.headers.contains_key("location"));
    }
    assert_eq!(document(b"Status: 200 OK\nLocation: /a\n\n").status, 200);
    assert_eq!(
        document(b"HTTP/1.1 201 Created\nLocation: /a\n\n").status,
        201
    );
}

#[test]
fn hop_by_hop_and_cgi_fields_are_removed() {
    let head = document(
        b"Status: 200\r\nConnection: close, X-Hop\r\nKeep-Alive: 5\r\nX-Hop: 1\r\nUpgrade: h2c\r\n\
          Trailer: X\r\nTE: x\r\nProxy-Connection: close\r\nTransfer-Encoding: identity\r\n\
          X-CGI-Debug: 1\r\nX-End: 1\r\n\r\n",
    );
    let names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["x-end"]);
}

#[test]
fn folded_lines_are_joined() {
    let head = document(b"X-Long: one\r\n  two\r\n\tthree\r\nX-B: 1\r\n\r\n");
    assert_eq!(head.headers["x-long"], "one two three");
    assert_eq!(head.headers["x-b"], "1");
}

#[test]
fn high_bytes_in_values_are_kept() {
    let head = document(b"Content-Type : text/plain\nX-Latin: caf\xe9\n\n");
    assert_eq!(head.headers["x-latin"].as_bytes(), b"caf\xe9");
}

#[test]
fn interim_heads_are_dropped() {
    let head = document(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n");
    assert_eq!(head.status, 200);
    assert!(refusal(b"Status: 101 Switching Protocols\n\n").contains("switched"));
}

#[test]
fn bad_heads_are_refused_by_line() {
    for (head, reason) in [
        (&b"\r\n"[..], "empty"),
        (
            b"<html>\n\n",
            "line 1 of its head, \"<html>\": there is no colon",
        ),
        (b"X-A: 1\nBad Name: 1\n\n", "line 2"),
        (b"X-A: \x01\n\n", "control character"),
        (b"Status: ok\n\n", "three digits"),
        (b"Status: 2000\n\n", "three digits"),
        (b"Status: 099\n\n", "three digits"),
        (b"Status: 200\nStatus: 404\n\n", "twice"),
        (b"Location: /a\nLocation: /b\n\n", "twice"),
        (b"Content-Length: -1\n\n", "number of bytes"),
        (b"Content-Length: +1\n\n", "number of bytes"),
        (b"Content-Length:\n\n", "number of bytes"),
        (
            b"Content-Length: 99999999999999999999\n\n",
            "number of bytes",
        ),
        (b"Content-Length: 1\nContent-Length: 2\n\n", "contradicts"),
        (b"Transfer-Encoding: chunked\n\n", "framing"),
        (b" X-A: 1\n\n", "name is not valid"),
    ] {
        let text = refusal(head);
        assert!(text.contains(reason), "{text} for {}", head.escape_ascii());
    }
}

#[test]
fn the_lines_of_a_usual_head_are_kept() {
    let lines = "Content-Type: text/plain\r\nContent-Length: 4\r\nSet-Cookie: a=b\r\n";
    for status in ["", "Status: 404 Gone\r\n"] {
        let answer = Bytes::from(format!("{status}{lines}\r\nbody"));
        let (head, offset) = HeadParser::keeping_lines(true)
            .push(&answer)
            .unwrap()
            .unwrap();
        let Head::Document(head) = head else {
            panic!("{head:?}");
        };
        assert_eq!(&answer[offset..], b"body");
        assert_eq!(&*head.headers.unread().unwrap().0, lines.as_bytes());
        assert_eq!(head.content_length, Some(4));
        assert_eq!(head.status, if status.is_empty() { 200 } else { 404 });
        assert_eq!(head.headers["set-cookie"], "a=b");
    }
    // What is no value is not passed on either where it is trimmed.
    for other in [
        "X-A: b",
        "Server: b\r",
        "Server: \x0cb",
        "Content-Length: 4\r",
    ] {
        let answer = Bytes::from(format!("{other}\r\n\r\nbody"));
        let head = HeadParser::keeping_lines(true).push(&answer).unwrap();
        let Some((Head::Document(head), _)) = head else {
            panic!("no document");
        };
        assert!(head.headers.unread().is_none(), "{other:?}");
    }
}

#[test]
fn a_head_above_the_limit_is_refused() {
    let mut parser = HeadParser::new();
    let line = b"X-A: 0123456789\n";
    let mut sent = 0;
    let error = loop {
        match parser.push(&Bytes::from_static(line)) {
            Ok(None) => sent += line.len(),
            other => break other.unwrap_err(),
        }
    };
    assert_eq!(sent, HEAD_LIMIT - line.len());
    assert!(error.to_string().contains("longer"));
    assert!(refusal(&vec![b'a'; HEAD_LIMIT]).contains("longer"));
}

/// Pushes `answer` in pieces of the given lengths (the last one repeats) and returns the result with the offset of
/// the body from the start of the answer.
fn in_pieces(answer: &[u8], lengths: &[usize]) -> Result<Option<(Head, usize)>, String> {
    let mut parser = HeadParser::new();
    let mut at = 0;
    let mut lengths = lengths.iter().copied().cycle();
    while at < answer.len() {
        let end = answer.len().min(at + lengths.next().unwrap_or(1));
        let pushed = parser
            .push(&Bytes::copy_from_slice(&answer[at..end]))
            .map_err(|error| error.to_string())?;
        if let Some((head, offset)) = pushed {
            return Ok(Some((head, at + offset)));
        }
        at = end;
    }
    Ok(None)
}

proptest! {
    #[test]
    fn any_split_gives_the_same_head(
        lines in prop::collection::vec(
            "(Status: [2-5][0-9]{2}( [a-z]{0,5})?|Location: /?[a-z]{1,4}|X-[A-Z]{1,3}: ?[ -~]{0,12}|HTTP/1.1 100|| x|[ -~]{0,9})\r?\n",
            0..8,
        ),
        lengths in prop::collection::vec(1usize..9, 1..6),
    ) {
        let answer = lines.concat() + "\r\nbody";
        let whole = in_pieces(answer.as_bytes(), &[answer.len()]);
        prop_assert_eq!(in_pieces(answer.as_bytes(), &lengths), whole);
    }

    #[test]
    fn a_head_whose_lines_are_kept_says_the_same(
        lines in prop::collection::vec(
            "(Status: [1-5][0-9]{2}( [a-z]{0,5})?|Location: /a|Content-Length: ?[0-9]{0,2}|Content-Type: ?[ -~\u{e9}]{0,12}|(Date|ETag|Server|Set-Cookie|Vary|Connection|X-A): ?[ -~]{0,9}|| x|[ -~\t]{0,9})\r?\n",
            0..6,
        ),
    ) {
        let answer = Bytes::from(lines.concat() + "\r\nbody");
        let [expected, found] = [false, true].map(|keeps_lines| {
            let pushed = HeadParser::keeping_lines(keeps_lines).push(&answer);
            pushed.map_err(|error| error.to_string())
        });
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        answer in prop::collection::vec(any::<u8>(), 0..400),
        lengths in prop::collection::vec(1usize..40, 1..6),
    ) {
        let whole = in_pieces(&answer, &[answer.len().max(1)]);
        if let Ok(Some((_, offset))) = &whole {
            prop_assert!(*offset <= answer.len());
        }
        prop_assert_eq!(in_pieces(&answer, &lengths), whole);
    }
}
