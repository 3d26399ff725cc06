//! §6.4: the head that an extension writes itself.

use super::rule::{Rule, rule};

const OPEN: &str = "content-type: text/plain\n{framing}";
const NO_HEAD: &str = "content-type: text/html\n{framing}";

pub fn rules() -> Vec<Rule> {
    let whole = "HTTP/1.1 404 Gone Away\r\nContent-Type: text/plain\r\n\r\nraw\n";
    let raw = |sentence, text: &str, status: &str, headers: &str, body: &str| {
        rule("6.4/at-once", sentence)
            .post(text)
            .answers(status, headers, body)
            .observes("TRUE\n")
            .iis_unknown()
    };
    vec![
        raw(
            "A status line begins a raw head",
            whole,
            "404 Gone Away",
            OPEN,
            "raw\n",
        )
        .apache("as CGI header"),
        rule("6.4/in-two", "It may come in two writes")
            .post(whole)
            .answers("404 Gone Away", OPEN, "raw\n")
            .observes("TRUE\nTRUE\n")
            .iis_unknown()
            .apache("87"),
        rule("6.4/in-bytes", "It may come in single bytes")
            .post(whole)
            .answers("404 Gone Away", OPEN, "raw\n")
            .observes("done\n")
            .iis_unknown()
            .apache("87"),
        raw(
            "Bare line feeds end its lines",
            "HTTP/1.0 200 OK\nContent-Type: text/plain\n\nraw\n",
            "200 OK",
            OPEN,
            "raw\n",
        ),
        raw(
            "Its Content-Length counts",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nraw and more",
            "200 OK",
            "content-length: 3",
            "raw",
        ),
        raw(
            "A status line and nothing else",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "204 No Content",
            "",
            "",
        ),
        raw(
            "A header line begins a CGI head: 200",
            "Content-Type: text/plain\r\n\r\nraw\n",
            "200 OK",
            OPEN,
            "raw\n",
        ),
        raw(
            "Status: in a CGI head",
            "Content-Type: text/plain\r\nStatus: 403 No\r\n\r\nraw\n",
            "403 No",
            OPEN,
            "raw\n",
        ),
        raw(
            "Location: without Status: in a CGI head: 302",
            "Location: http://example.org/\r\n\r\n",
            "302 Found",
            "location: http://example.org/\n{framing}",
            "",
        ),
        raw(
            "Location: with Status: in a CGI head",
            "Status: 301 Moved\r\nLocation: /there\r\n\r\n",
            "301 Moved",
            "location: /there\n{framing}",
            "",
        ),
        raw(
            "Anything else is body, as text/html",
            "We're good to go",
            "200 OK",
            NO_HEAD,
            "We're good to go",
        )
        .apache("the write fails with 87"),
        raw(
            "Text with a colon but no token before it is body",
            "See here: nothing\r\n\r\n",
            "200 OK",
            NO_HEAD,
            "See here: nothing\r\n\r\n",
        )
        .apache("the write fails with 87"),
        raw(
            "A head that never ends is body",
            "Content-Type: text/plain\r\nraw\n",
            "200 OK",
            NO_HEAD,
            "Content-Type: text/plain\r\nraw\n",
        )
        .apache("the write fails with 87"),
        rule("6.4/endless", "A head of more than 64 KiB is body")
            .answers(
                "200 OK",
                NO_HEAD,
                format!("X-Endless: {}\r\n", "x".repeat(87)).repeat(800),
            )
            .observes("done\n")
            .iis_unknown()
            .apache("the write fails with 87"),
        raw(
            "Binary first bytes are body",
            "\u{1}\u{2}\u{3}\n\n",
            "200 OK",
            NO_HEAD,
            "\u{1}\u{2}\u{3}\n\n",
        )
        .apache("the write fails with 87"),
    ]
}
