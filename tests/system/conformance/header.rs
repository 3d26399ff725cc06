//! §6.3, §6.6 and §6.7: header strings, framing, and requests and statuses without a body.

use super::rule::{Rule, rule};

const OPEN: &str = "content-type: text/plain\n{framing}";
const FIVE: &str = "content-type: text/plain\ncontent-length: 5";

pub fn rules() -> Vec<Rule> {
    let mut rules = ends_of_headers();
    rules.extend(lengths_of_headers());
    rules.extend(lines());
    rules.extend(body_lengths());
    rules.extend(own_chunks());
    rules.extend(without_body());
    rules
}

/// Code 3 with the request's body as header string, and nothing else.
fn headers(sentence: &'static str, text: &str, expected: &str, body: &str) -> Rule {
    rule("6.3/headers", sentence)
        .of("3")
        .post(text)
        .answers("200 OK", expected, body)
        .observes("TRUE\n")
}

/// The same, then `body\n` with WriteClient.
fn headers_and_body(sentence: &'static str, text: &str, expected: &str) -> Rule {
    rule("6.3/headers-and-body", sentence)
        .of("3")
        .post(text)
        .answers("200 OK", expected, "body\n")
        .observes("TRUE TRUE\n")
}

fn ends_of_headers() -> Vec<Rule> {
    vec![
        headers_and_body(
            "Lines and an empty line",
            "Content-Type: text/plain\r\n\r\n",
            OPEN,
        ),
        headers_and_body(
            "Without an empty line the head ends with the string",
            "Content-Type: text/plain\r\n",
            OPEN,
        ),
        headers_and_body(
            "Without any line end the head ends with the string",
            "Content-Type: text/plain",
            OPEN,
        ),
        headers_and_body(
            "Bare line feeds end lines",
            "Content-Type: text/plain\nX-Own: 1\n\n",
            "content-type: text/plain\nx-own: 1\n{framing}",
        ),
        headers_and_body("An empty string: no headers", "", "{framing}"),
        headers_and_body("Only the empty line: no headers", "\r\n", "{framing}"),
        rule("6.3/null", "No string: no headers")
            .answers("200 OK", "{framing}", "body\n")
            .observes("TRUE TRUE\n"),
        headers(
            "What stands behind the empty line is body",
            "Content-Type: text/plain\r\n\r\nbehind\n",
            OPEN,
            "behind\n",
        ),
        headers(
            "An empty line first: no headers, the rest is body",
            "\r\nContent-Type: text/plain\r\n\r\n",
            "{framing}",
            "Content-Type: text/plain\r\n\r\n",
        )
        .iis_unknown(),
        headers(
            "Body behind the empty line counts for Content-Length",
            "Content-Length: 5\r\n\r\n12345",
            "content-length: 5",
            "12345",
        ),
        rule(
            "6.3/end-by-write",
            "The empty line may come later, with WriteClient",
        )
        .answers("200 OK", OPEN, "body\n")
        .observes("TRUE TRUE\n")
        .iis_unknown(),
    ]
}

fn lengths_of_headers() -> Vec<Rule> {
    let length = |sentence, query, text: &str, expected: &str, body: &'static [u8]| {
        rule("6.3/headers-1016", sentence)
            .of("1016")
            .query(query)
            .post(text)
            .answers("200 OK", expected, body)
            .observes("TRUE\n")
    };
    let own = "content-type: text/plain\nx-own: 1\n{framing}";
    let text = "Content-Type: text/plain\r\nX-Own: 1\r\n\r\n";
    vec![
        length(
            "Code 1016: cchHeader is the length without the NUL",
            "+0",
            text,
            own,
            b"",
        ),
        length("cchHeader with the NUL", "+1", text, own, b"").iis_unknown(),
        length("cchHeader 0: up to the NUL", "=0", text, own, b"").iis_unknown(),
        length(
            "A cchHeader that is too small cuts the string",
            "=26",
            text,
            OPEN,
            b"",
        )
        .iis_unknown(),
        length(
            "Body behind the empty line may have NULs",
            "+0",
            "Content-Length: 3\r\n\r\na\0b",
            "content-length: 3",
            b"a\0b",
        ),
    ]
}

fn lines() -> Vec<Rule> {
    vec![
        headers("Headers of one name keep their order and their number",
            "Set-Cookie: a=1\r\nX-Own: 1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n",
            "set-cookie: a=1\nset-cookie: b=2\nx-own: 1\ncontent-length: 0", ""),
        headers("Status: has no meaning and is not sent", "Status: 404 Not Found\r\nContent-Length: 0\r\n\r\n", "content-length: 0", "")
            .iis("sent as it is")
            .apache("sets the status"),
        headers("Location: without redirect status is a header like others", "Location: /elsewhere\r\nContent-Length: 0\r\n\r\n",
            "location: /elsewhere\ncontent-length: 0", "")
            .apache("redirects"),
        headers("X-Accel- headers are not sent", "X-Accel-Redirect: /secret\r\nContent-Length: 0\r\n\r\n", "content-length: 0", "")
            .iis("sent")
            .apache("sent"),
        headers("Keep-Alive, Proxy-Connection, Upgrade, Trailer and TE are the gateway's; Connection: close is obeyed",
            "Connection: close\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\nUpgrade: x\r\nTrailer: x\r\nTE: x\r\nContent-Length: 0\r\n\r\n",
            "connection: close\ncontent-length: 0", "")
            .then_closes()
            .iis("sent")
            .apache_unknown(),
        headers("A line that is no header is dropped", "no header\r\nX-Own: 1\r\nContent-Length: 0\r\n\r\n", "x-own: 1\ncontent-length: 0", "")
            .iis_unknown()
            .apache("the call fails (87)"),
        headers("A line that goes on is joined to the one before", "X-Own: 1\r\n  2\r\nContent-Length: 0\r\n\r\n",
            "x-own: 1 2\ncontent-length: 0", "")
            .iis_unknown(),
        headers("A single carriage return ends no line", "X-Own: 1\rX-Evil: 2\r\nContent-Length: 0\r\n\r\n",
            "x-own: 1X-Evil: 2\ncontent-length: 0", "")
            .iis_unknown()
            .apache_unknown(),
        headers("Bytes above 127 pass", "X-Own: \u{e9}\r\nContent-Length: 0\r\n\r\n", "x-own: \u{e9}\ncontent-length: 0", "")
            .iis_unknown(),
    ]
}

fn body_lengths() -> Vec<Rule> {
    vec![
        rule(
            "6.6/open",
            "Without Content-Length the gateway frames the body; the connection is kept",
        )
        .post("anything")
        .answers("200 OK", OPEN, "anything")
        .observes("TRUE\n")
        .iis("closes the connection"),
        rule(
            "6.6/open",
            "Without Content-Length for HTTP/1.0: the end of the connection ends the body",
        )
        .post("anything")
        .old()
        .answers("200 OK", "content-type: text/plain", "anything")
        .then_closes()
        .observes("TRUE\n"),
        rule("6.6/length-5", "As many bytes as Content-Length says")
            .post("12345")
            .answers("200 OK", FIVE, "12345")
            .observes("TRUE count 5\n"),
        rule(
            "6.6/length-5",
            "More than Content-Length says is cut off; the write succeeds",
        )
        .post("1234567")
        .answers("200 OK", FIVE, "12345")
        .observes("TRUE count 7\n")
        .iis("all is sent"),
        rule(
            "6.6/length-5",
            "Less than Content-Length says: the client can tell",
        )
        .post("1234")
        .breaks_off("200 OK", FIVE, "1234")
        .observes("TRUE count 4\n"),
        rule(
            "6.6/length-5-nothing",
            "Nothing at all although Content-Length says 5: the client can tell",
        )
        .breaks_off("200 OK", FIVE, "")
        .observes("\n"),
    ]
}

fn own_chunks() -> Vec<Rule> {
    let chunks = |sentence, coded: &str, body: &str| {
        rule("6.6/chunked", sentence)
            .post(coded)
            .answers("200 OK", OPEN, body)
            .observes("TRUE\n")
    };
    let coded = "5\r\n12345\r\nA;x=1\r\n6789012345\r\n0\r\n\r\n";
    vec![
        chunks(
            "The extension's own chunked coding passes",
            coded,
            "123456789012345",
        ),
        rule(
            "6.6/chunked-in-bytes",
            "Its chunks may be written in any pieces",
        )
        .post(coded)
        .answers("200 OK", OPEN, "123456789012345")
        .observes("\n"),
        chunks(
            "Its trailer is not sent",
            "1\r\na\r\n0\r\nX-Trailer: 1\r\n\r\n",
            "a",
        )
        .iis("sent")
        .apache_unknown(),
        rule(
            "6.6/chunked-and-length",
            "Of Content-Length and chunked coding the coding counts",
        )
        .post(coded)
        .answers("200 OK", OPEN, "123456789012345")
        .observes("TRUE\n")
        .iis("both are sent")
        .apache_unknown(),
        rule(
            "6.6/chunked",
            "A coding without its last chunk: the client can tell",
        )
        .post("5\r\n12345\r\n")
        .breaks_off("200 OK", OPEN, "12345")
        .observes("TRUE\n"),
        rule(
            "6.6/chunked",
            "A malformed coding: the write fails with 87, the client can tell",
        )
        .post("no size\r\n")
        .breaks_off("200 OK", OPEN, "")
        .observes("FALSE 87\n")
        .iis("sent as it is")
        .apache_unknown(),
        rule("6.6/chunked", "The coding is taken off for HTTP/1.0")
            .post(coded)
            .old()
            .answers("200 OK", "content-type: text/plain", "123456789012345")
            .then_closes()
            .observes("TRUE\n")
            .iis("sent as it is")
            .apache_unknown(),
    ]
}

fn without_body() -> Vec<Rule> {
    let page = |sentence, query, status: &str, expected: &str| {
        rule("6.7/page", sentence)
            .query(query)
            .answers(status, expected, "")
            .observes("TRUE\n")
            .iis("sent as it is")
    };
    vec![
        page(
            "HEAD: the body is swallowed, Content-Length stays",
            "",
            "200 OK",
            FIVE,
        )
        .method("HEAD")
        .apache_unknown(),
        rule("6.7/page-without-length", "HEAD without Content-Length")
            .method("HEAD")
            .answers("200 OK", "content-type: text/plain", "")
            .observes("TRUE\n")
            .iis("sent as it is"),
        page(
            "204: no body, no Content-Length",
            "204",
            "204 No Content",
            "content-type: text/plain",
        )
        .apache_unknown(),
        page(
            "304: no body, no Content-Length",
            "304",
            "304 Not Modified",
            "content-type: text/plain",
        )
        .apache_unknown(),
        page(
            "205: no body",
            "205",
            "205 Reset Content",
            "content-type: text/plain\ncontent-length: 0",
        )
        .apache_unknown(),
        rule("6.7/page", "401 passes with its body")
            .query("401")
            .answers("401 Unauthorized", FIVE, "12345")
            .observes("TRUE\n")
            .iis("an error page may replace the body"),
        rule("6.3/headers", "An empty body stays empty")
            .section("6.7")
            .post("Content-Length: 0\r\n\r\n")
            .answers("200 OK", "content-length: 0", "")
            .observes("TRUE\n"),
        rule(
            "6.7/page",
            "Expect: 100-continue is not the extension's business",
        )
        .header("Expect: 100-continue")
        .answers("200 OK", FIVE, "12345")
        .observes("TRUE\n"),
        rule("6.7/page", "Ranges are the extension's business")
            .header("Range: bytes=0-1")
            .answers("200 OK", FIVE, "12345")
            .observes("TRUE\n"),
    ]
}
