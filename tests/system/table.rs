//! Requests to the samples and what must come back, whatever the connection is.

use system_tests::Reply;

/// One request and what must come back.
pub struct Case {
    pub method: &'static str,
    pub target: &'static str,
    pub headers: &'static [&'static str],
    pub body: &'static [u8],
    status: u16,
    answer: Answer,
}

enum Answer {
    Is(&'static str),
    Has(&'static [&'static str]),
    Header(&'static str, &'static str),
    /// No body, but the header Content-Length that a GET would have had.
    Length(&'static str),
}

const fn get(target: &'static str, answer: Answer) -> Case {
    Case {
        method: "GET",
        target,
        headers: &[],
        body: b"",
        status: 200,
        answer,
    }
}

/// The cases, for a gateway with every sample at `/NAME` and the CGI programs at `/cgi-bin/NAME`.
pub const CASES: &[Case] = &[
    get("/hello", Answer::Is("Hello, world!")),
    get("/cgi-bin/hello", Answer::Is("Hello, world!")),
    Case {
        method: "HEAD",
        ..get("/hello", Answer::Length("13"))
    },
    Case {
        method: "HEAD",
        ..get("/cgi-bin/hello", Answer::Length("13"))
    },
    get("/tiny", Answer::Is("My first extension.\n")),
    Case {
        method: "HEAD",
        ..get("/tiny", Answer::Is(""))
    },
    get("/hello", Answer::Header("content-type", "text/plain")),
    Case {
        method: "POST",
        headers: &["Content-Type: text/x-own"],
        body: b"back and forth",
        ..get("/echo", Answer::Is("back and forth"))
    },
    Case {
        method: "POST",
        headers: &["Content-Type: text/x-own"],
        ..get("/echo", Answer::Header("content-type", "text/x-own"))
    },
    Case {
        method: "POST",
        body: b"back and forth",
        ..get("/cgi-bin/echo", Answer::Is("back and forth"))
    },
    Case {
        status: 302,
        ..get(
            "/redirect?to=http://example.org/%3Fa=b",
            Answer::Header("location", "http://example.org/?a=b"),
        )
    },
    get(
        "/card?ID=4111%201111%201111%201111",
        Answer::Header("content-type", "text/html; charset=utf-8"),
    ),
    get("/form", Answer::Has(&["<form method=\"post\">"])),
    Case {
        method: "POST",
        headers: &["Content-Type: application/x-www-form-urlencoded"],
        body: b"name=A+%3Cb%3E&text=x%26y",
        ..get(
            "/form",
            Answer::Has(&["<td>name<td>A &lt;b&gt;", "<td>text<td>x&amp;y"]),
        )
    },
    Case {
        method: "POST",
        headers: &["Content-Type: text/plain"],
        body: b"x",
        status: 415,
        ..get("/form", Answer::Has(&["Not a form"]))
    },
    get("/stream?mib=2", Answer::Header("content-length", "2097152")),
    Case {
        method: "HEAD",
        ..get("/stream?mib=3", Answer::Length("3145728"))
    },
    get("/crash", Answer::Has(&["Ways to fail"])),
    get(
        "/crash?how=sleep&ms=1",
        Answer::Has(&["for 1 milliseconds"]),
    ),
    get(
        "/dumpvars",
        Answer::Has(&["<title>Server variables</title>"]),
    ),
];

impl Case {
    /// Checks the answer.
    pub fn check(&self, reply: &Reply) {
        let what = format!("{} {}", self.method, self.target);
        assert_eq!(reply.status(), self.status, "{what}");
        assert!(reply.complete, "{what}");
        let text = reply.text();
        match self.answer {
            Answer::Is(expected) => assert_eq!(text, expected, "{what}"),
            Answer::Has(parts) => {
                for part in parts {
                    assert!(text.contains(part), "{what}: {text}");
                }
            }
            Answer::Header(name, value) => {
                assert_eq!(reply.header(name), Some(value), "{what}");
            }
            Answer::Length(length) => {
                assert_eq!(reply.header("content-length"), Some(length), "{what}");
                assert_eq!(text, "", "{what}");
            }
        }
    }
}
