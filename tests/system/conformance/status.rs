//! §6.1 and §6.2: how an answer begins, and its status.

use super::rule::{Rule, rule};

const FIVE: &str = "content-type: text/plain\ncontent-length: 5";

pub fn rules() -> Vec<Rule> {
    let mut rules = statuses();
    rules.extend(special());
    rules.extend(redirects());
    rules.extend(second_heads());
    rules.extend(keep_alive());
    rules
}

/// The status string is the request's body.
fn status(sentence: &'static str, text: &str, expected: &str) -> Rule {
    rule("6.2/status", sentence)
        .post(text)
        .of("3")
        .answers(expected, FIVE, "12345")
        .observes("TRUE TRUE\n")
}

fn statuses() -> Vec<Rule> {
    vec![
        status("Code 3: \"200 OK\"", "200 OK", "200 OK"),
        status(
            "Code 3: \"404 Not Found\"",
            "404 Not Found",
            "404 Not Found",
        ),
        status(
            "The reason may be any",
            "418 I am; a: teapot",
            "418 I am; a: teapot",
        )
        .iis_unknown(),
        status(
            "A number without reason gets the standard one",
            "403",
            "403 Forbidden",
        )
        .iis_unknown(),
        status(
            "A number without blank behind it: \"200OK\"",
            "200OK",
            "200 OK",
        )
        .iis_unknown(),
        status(
            "\"HTTP/1.1 200 OK\": the version is skipped",
            "HTTP/1.1 200 OK",
            "200 OK",
        )
        .iis_unknown(),
        status(
            "\"HTTP/1.0 404 Not Found\": the version is skipped",
            "HTTP/1.0 404 Not Found",
            "404 Not Found",
        )
        .iis_unknown(),
        status(
            "A line end behind the status is dropped",
            "201 Created\r\n",
            "201 Created",
        )
        .iis_unknown(),
        status(
            "No header comes in through the status",
            "200 OK\r\nX-Evil: 1",
            "200 OK",
        )
        .iis_unknown(),
        status("An empty status: 200 OK", "", "200 OK").apache("first line of the headers"),
        status(
            "A text without number is the reason of a 200",
            "Fine",
            "200 Fine",
        )
        .iis_unknown(),
        status("Codes up to 999", "999 Odd", "999 Odd").iis_unknown(),
        status(
            "Numbers of other than three digits are no status",
            "2000 Much",
            "200 2000 Much",
        )
        .iis_unknown(),
        rule(
            "6.2/status",
            "A header line instead of the status is a header of a 200",
        )
        .post("X-Stray: yes")
        .answers(
            "200 OK",
            "content-type: text/plain\nx-stray: yes\ncontent-length: 5",
            "12345",
        )
        .observes("TRUE TRUE\n")
        .iis_unknown(),
        rule("6.2/null", "Code 3 without status: 200 OK")
            .answers("200 OK", FIVE, "12345")
            .observes("TRUE TRUE\n"),
        rule("6.2/status-1016", "Code 1016 takes the same statuses")
            .of("1016")
            .post("HTTP/1.1 404 Gone Away")
            .answers("404 Gone Away", FIVE, "12345")
            .observes("TRUE TRUE\n")
            .iis_unknown(),
        rule("6.2/null-1016", "Code 1016 without status: 200 OK")
            .of("1016")
            .answers("200 OK", FIVE, "12345")
            .observes("TRUE TRUE\n"),
    ]
}

fn special() -> Vec<Rule> {
    vec![
        rule("6.2/for-the-log", "dwHttpStatusCode is not sent")
            .answers("200 OK", FIVE, "12345")
            .observes("TRUE TRUE\n")
            .apache("sent if the headers have no status"),
        rule(
            "6.2/continue-first",
            "\"100 Continue\" is dropped; the next head counts",
        )
        .answers("200 OK", FIVE, "12345")
        .observes("TRUE TRUE TRUE\n")
        .iis_unknown()
        .apache_unknown(),
        rule(
            "6.2/switching-protocols",
            "\"101\" is refused with 87; another head can be sent",
        )
        .answers("200 OK", FIVE, "12345")
        .observes("FALSE 87 TRUE TRUE\n")
        .iis_unknown()
        .apache_unknown(),
        rule("6.1/null-structure", "Code 1016 without structure: 87")
            .answers("200 OK", FIVE, "12345")
            .observes("FALSE 87 TRUE TRUE\n")
            .apache("crashes"),
    ]
}

/// Codes 1 and 2.
fn redirects() -> Vec<Rule> {
    let mut rules = Vec::new();
    for (code, apache) in [
        ("1", "at the end, with Apache's page"),
        ("2", "runs the URL"),
    ] {
        let redirect = |sentence, url: &str, shown: &str| {
            let body = format!(
                "<head><title>Document Moved</title></head>\n<body><h1>Object Moved</h1>This document may be \
                 found <a HREF=\"{shown}\">here</a></body>"
            );
            let head = format!(
                "content-type: text/html\nlocation: {url}\ncontent-length: {}",
                body.len()
            );
            rule("4.2/redirect", sentence)
                .query(code)
                .post(url)
                .answers("302 Found", &head, body)
                .observes("TRUE\n")
                .of(code)
                .apache(apache)
        };
        let refused = |url| {
            rule("4.2/redirect", "Codes 1 and 2: a line end in the URL is refused with 87, no header comes in through it")
                .query(code)
                .post(url)
                .answers_with_error(500)
                .observes("FALSE 87\n")
                .of(code)
                .iis_unknown()
                .apache_unknown()
        };
        rules.extend([
            redirect(
                "Codes 1 and 2: 302 to an absolute URL",
                "https://example.org/a?b=c",
                "https://example.org/a?b=c",
            ),
            redirect(
                "Codes 1 and 2: 302 to a URL of the site",
                "/elsewhere",
                "/elsewhere",
            ),
            redirect(
                "Codes 1 and 2: the URL is escaped in the page",
                "/a?b=\"<&>",
                "/a?b=&quot;&lt;&amp;&gt;",
            )
            .iis_unknown(),
            refused("/a\r\nX-Evil: 1"),
            refused("/a\nX-Evil: 1"),
        ]);
    }
    rules
}

fn second_heads() -> Vec<Rule> {
    let redirect = "<head><title>Document Moved</title></head>\n<body><h1>Object Moved</h1>This document may be found \
        <a HREF=\"http://example.org/\">here</a></body>";
    vec![
        rule(
            "6.1/twice",
            "A second head with code 3: 87, and nothing is sent",
        )
        .of("3")
        .answers("200 OK", FIVE, "12345")
        .observes("TRUE FALSE 87 TRUE\n")
        .iis_unknown()
        .apache("TRUE, the second counts"),
        rule(
            "6.1/twice-1016",
            "A second head with code 1016: 87, and nothing is sent",
        )
        .of("1016")
        .answers("200 OK", FIVE, "12345")
        .observes("TRUE FALSE 87 TRUE\n")
        .iis_unknown()
        .apache("TRUE, the second counts"),
        rule(
            "6.1/redirect-after-head",
            "A redirect behind a head: 87, and nothing is sent",
        )
        .answers("200 OK", FIVE, "12345")
        .observes("TRUE FALSE 87 TRUE\n")
        .iis_unknown()
        .apache("TRUE"),
        rule(
            "6.1/head-after-redirect",
            "A head behind a redirect: 87; writes too",
        )
        .answers(
            "302 Found",
            "content-type: text/html\nlocation: http://example.org/\ncontent-length: 142",
            redirect,
        )
        .observes("TRUE FALSE 87 FALSE 87\n")
        .iis_unknown()
        .apache("TRUE"),
        rule(
            "6.1/head-after-body",
            "A head behind a body without head: 87, and nothing is sent",
        )
        .answers(
            "200 OK",
            "content-type: text/html\n{framing}",
            "no head at all\n",
        )
        .observes("TRUE FALSE 87\n")
        .iis_unknown()
        .apache("the write fails with 87"),
    ]
}

fn keep_alive() -> Vec<Rule> {
    vec![
        rule("6.6/keep", "fKeepConn not 0: the connection is kept")
            .answers("200 OK", FIVE, "12345")
            .observes("TRUE TRUE\n")
            .apache("ignored"),
        rule("6.6/close", "fKeepConn 0 closes the connection")
            .answers("200 OK", &format!("{FIVE}\nconnection: close"), "12345")
            .then_closes()
            .observes("TRUE TRUE\n")
            .apache("ignored"),
        rule("6.6/keep", "The client's Connection: close is obeyed")
            .header("Connection: close")
            .answers("200 OK", &format!("{FIVE}\nconnection: close"), "12345")
            .then_closes(),
    ]
}
