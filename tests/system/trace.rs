//! The callback trace, and the last calls of a crash.

use std::process::Command;
use std::rc::Rc;

use system_tests::{Gateway, Lines, binary, extension};
use tempfile::TempDir;

use crate::fastcgi::Event;
use crate::worker::{Worker, run_with, with};

const SECRET: &str = "0123456789abcdef";

/// What no level below `data` tells.
const HIDDEN: [&str; 5] = [
    "hidden-query",
    "hidden-credentials",
    "hidden-cookie",
    "hidden-body",
    "hidden-answer",
];

/// A gateway with the fixture and these lines in its pool.
fn gateway(pool: &str) -> Gateway {
    let folder = TempDir::new().unwrap();
    extension("calls", &[], folder.path());
    let text = format!(
        "[[site]]\n[[site.handler]]\npath = \"*\"\npath_info = true\npool = \"calls\"\n\
         [pool.calls]\nextension = \"{{dir}}/calls.so\"\n{pool}\n"
    );
    Gateway::with_config_in(folder, &text)
}

fn post(gateway: &Gateway, path: &str, more: &[&str]) {
    let headers = [
        "Authorization: Basic hidden-credentials",
        "Cookie: id=hidden-cookie",
    ];
    let reply = gateway.request("POST", path, &[&headers, more].concat(), b"hidden-body");
    assert_eq!(reply.status(), 200);
}

/// The lines of the trace when the gateway has ended.
fn traced(gateway: Gateway) -> Vec<String> {
    let log = gateway.log().clone();
    gateway.stop();
    let mut lines = log.to_end();
    lines.retain(|line| line.contains("INFO trace pool="));
    lines
}

/// These words stand in the lines, one row of words for each line.
fn tells(lines: &[String], rows: &[&[&str]]) {
    assert_eq!(lines.len(), rows.len(), "{lines:#?}");
    for (line, words) in lines.iter().zip(rows) {
        for word in *words {
            assert!(line.contains(word), "{word} is not in {line}");
        }
    }
}

const FAILED: [&[&str]; 2] = [
    &[
        "GetServerVariable",
        "NO_SUCH",
        "512 bytes",
        "FALSE",
        "1413 ERROR_INVALID_INDEX",
        "micros=",
        "duration=",
    ],
    &[
        "ServerSupportFunction 1002 HSE_REQ_GET_SSPI_INFO",
        "FALSE",
        "50 ERROR_NOT_SUPPORTED",
    ],
];

const CALLS: [&[&str]; 9] = [
    &["HttpExtensionProc", "POST /x"],
    &["GetServerVariable", "HTTP_AUTHORIZATION", "TRUE"],
    &["GetServerVariable", "HTTP_COOKIE", "TRUE"],
    FAILED[0],
    FAILED[1],
    &["ReadClient", "64 bytes → 0", "TRUE"],
    &[
        "ServerSupportFunction 3 HSE_REQ_SEND_RESPONSE_HEADER",
        "200 OK",
        "58 bytes of headers",
        "TRUE",
    ],
    &["WriteClient", "13 bytes, HSE_IO_SYNC", "TRUE"],
    &["HttpExtensionProc", "1 HSE_STATUS_SUCCESS"],
];

#[test]
fn a_pool_tells_what_its_level_says() {
    for (level, rows) in [
        ("off", &[][..]),
        ("failed", &FAILED),
        ("calls", &CALLS),
        ("data", &CALLS),
    ] {
        let gateway = gateway(&format!("trace = \"{level}\""));
        post(&gateway, "/x?hidden-query", &[]);
        let lines = traced(gateway);
        tells(&lines, rows);
        for line in &lines {
            assert!(line.contains("request=\"POST /x\""), "{line}");
        }
        let text = lines.concat();
        for hidden in HIDDEN {
            // Neither the query nor what the body's first part was passes through a callback here.
            let passes = !["hidden-query", "hidden-body"].contains(&hidden);
            assert_eq!(text.contains(hidden), level == "data" && passes, "{text}");
        }
    }
}

#[test]
fn a_header_with_the_secret_has_one_request_told() {
    let gateway = gateway(&format!("trace_header = \"X-Trace: {SECRET}\""));
    post(&gateway, "/none", &[]);
    post(&gateway, "/wrong", &["X-Trace: 0123456789abcdeX"]);
    post(&gateway, "/x", &[&format!("X-Trace: {SECRET}")]);
    post(&gateway, "/failed", &[&format!("X-Trace: {SECRET};failed")]);
    let lines = traced(gateway);
    tells(&lines, &[&CALLS[..], &FAILED].concat());
    for line in &lines {
        assert!(!line.contains("/none") && !line.contains("/wrong"));
        assert!(!line.contains(SECRET));
    }
}

#[test]
fn calls_behind_the_end_are_told_with_their_request() {
    let gateway = gateway("trace = \"calls\"");
    assert_eq!(gateway.get("/x?late").status(), 200);
    // The end of the answer comes before the end of the call.
    gateway.log().wait_for(&[" trace ", "3 HSE_STATUS_PENDING"]);
    let lines = traced(gateway);
    tells(
        &lines,
        &[
            &["HttpExtensionProc", "GET /x"],
            &["HSE_REQ_SEND_RESPONSE_HEADER"],
            &["HSE_REQ_DONE_WITH_SESSION", "HSE_STATUS_SUCCESS", "TRUE"],
            &[
                "WriteClient",
                "FALSE",
                "87 ERROR_INVALID_PARAMETER",
                "request=\"GET /x\"",
            ],
            &["3 HSE_STATUS_PENDING", "request=\"GET /x\""],
        ],
    );
}

#[test]
fn completions_are_told() {
    let gateway = gateway("trace = \"calls\"");
    assert_eq!(gateway.get("/x?completes").text(), "text");
    let log = gateway.log();
    log.wait_for(&[" trace ", "HSE_REQ_IO_COMPLETION", "function 0x"]);
    log.wait_for(&[" trace ", "WriteClient", "4 bytes, HSE_IO_ASYNC"]);
    log.wait_for(&[" trace ", "completion function", "4 bytes"]);
    log.wait_for(&[" trace ", "HSE_REQ_DONE_WITH_SESSION"]);
    gateway.stop();
}

#[test]
fn web_servers_get_lines_for_their_log() {
    let folder = Rc::new(TempDir::new().unwrap());
    let calls = extension("calls", &[], folder.path());
    let worker = Worker::listening_in(folder, &calls);
    let mut connection = worker.connect();
    let stderr = |level| {
        let variables = with(&[("ISAPI_TRACE", level), ("HTTP_COOKIE", "id=hidden-cookie")]);
        let id = connection.begin(&variables, true);
        connection.stdin(id, b"");
        let mut text = String::new();
        loop {
            match connection.next().expect("the connection ended").1 {
                Event::Stderr(lines) => text.push_str(&lines),
                Event::End(_) => return text,
                _ => {}
            }
        }
    };
    let [off, failed, calls, data] = ["off", "failed", "calls", "data"].map(stderr);
    assert_eq!(off, "");
    assert_eq!(failed.lines().count(), 3, "{failed}");
    for line in failed.lines() {
        assert!(calls_line(line) && line.contains(" = FALSE, "), "{line}");
    }
    assert_eq!(calls.lines().count(), 9, "{calls}");
    assert!(calls.lines().all(calls_line) && !calls.contains("hidden"));
    assert!(data.contains(r#"data "id=hidden-cookie\x00""#), "{data}");
    // Behind the end of a request nothing may come for it.
    let late = with(&[("ISAPI_TRACE", "failed"), ("QUERY_STRING", "late")]);
    connection.request(&late, b"", true);
    worker.log.wait_for(&[
        "isapi-worker: trace: GET /hello.so: WriteClient(4 bytes, HSE_IO_SYNC) = FALSE, 87 ",
    ]);
    let answer = connection.request(&with(&[]), b"", true);
    assert!(answer.ends_with(b"hidden-answer"));
    worker.stop();
}

/// `trace: CALL(…) … at N µs`.
fn calls_line(line: &str) -> bool {
    line.starts_with("trace: ") && line.contains(" µs") && line.contains(')')
}

#[test]
fn cgi_programs_tell_on_standard_error() {
    let folder = TempDir::new().unwrap();
    let calls = extension("calls", &[], folder.path());
    let trace = |level| {
        let mut command = Command::new(binary("isapi-worker"));
        command.args(["--trace", level]).arg(&calls);
        run_with(&mut command, &with(&[("HTTP_COOKIE", "x")]), b"")
    };
    let output = trace("calls");
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<_> = output.error.lines().collect();
    assert_eq!(lines.len(), 9, "{lines:#?}");
    assert!(lines[0].starts_with("isapi-worker: trace: HttpExtensionProc(GET /hello.so) at "));
    assert!(
        lines[8].starts_with("isapi-worker: trace: HttpExtensionProc() = 1 HSE_STATUS_SUCCESS, ")
    );
    let output = trace("all");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        output.error.contains("off, failed, calls or data"),
        "{output:?}"
    );
}

/// The calls behind the crash in these lines, without their times.
pub fn crash_calls(lines: &[String]) -> Vec<String> {
    let calls = lines
        .iter()
        .filter_map(|line| line.trim_end().strip_prefix("isapi-worker: crash: call "));
    calls
        .map(|call| match call.rsplit_once(" at ") {
            Some((call, time)) => {
                assert!(time.ends_with(" µs"), "{time}");
                call.to_owned()
            }
            None => call.to_owned(),
        })
        .collect()
}

/// Ways to crash and the calls that are told then.
pub const CRASHES: [(&str, &[&str]); 3] = [
    (
        "segfault",
        &[
            "1: GetServerVariable 512 bytes = FALSE, 1413 ERROR_INVALID_INDEX,",
            "2: GetServerVariable 512 bytes = TRUE",
            "3: GetServerVariable 512 bytes = FALSE, 1413 ERROR_INVALID_INDEX,",
            "4: ServerSupportFunction 1002 HSE_REQ_GET_SSPI_INFO = FALSE, 50 ERROR_NOT_SUPPORTED,",
            "5: ReadClient 64 bytes = TRUE",
            "6: ServerSupportFunction 3 HSE_REQ_SEND_RESPONSE_HEADER = TRUE",
            "7: WriteClient 13 bytes = TRUE",
        ],
    ),
    (
        "inside",
        &[
            "1: ServerSupportFunction 1014 HSE_REQ_ABORTIVE_CLOSE = TRUE",
            "2: WriteClient 100000 bytes unfinished",
        ],
    ),
    (
        "garbage",
        &[
            "1: ServerSupportFunction 1005 HSE_REQ_IO_COMPLETION = TRUE",
            "2: WriteClient 4 bytes = TRUE",
            "3: completion function 4 bytes unfinished",
        ],
    ),
];

#[test]
fn a_crash_tells_the_last_calls() {
    let folder = TempDir::new().unwrap();
    let calls = extension("calls", &[], folder.path());
    for (way, expected) in CRASHES {
        let variables = with(&[("QUERY_STRING", way), ("HTTP_COOKIE", "hidden-cookie")]);
        let mut command = Command::new(binary("isapi-worker"));
        let output = run_with(command.arg(&calls), &variables, b"");
        assert!(!output.status.success());
        let lines: Vec<_> = output.error.lines().map(str::to_owned).collect();
        let report = lines.iter().position(|line| line.contains("SIGSEGV (11)"));
        assert_eq!(report, Some(0), "{lines:#?}");
        assert_eq!(crash_calls(&lines), expected, "{lines:#?}");
        assert!(!output.error.contains("hidden"), "{lines:#?}");
    }
}

#[test]
fn the_gateway_logs_the_last_calls_of_a_crash_with_its_end() {
    let gateway = gateway("");
    gateway.processes();
    assert_eq!(gateway.get("/x?inside").status(), 502);
    let end: [&str; 4] = [
        "SIGSEGV",
        "requests in it: 1 (GET /x)",
        "1: ServerSupportFunction 1014 HSE_REQ_ABORTIVE_CLOSE = TRUE at ",
        "; 2: WriteClient 100000 bytes unfinished",
    ];
    gateway.log().wait_for(&end);
    not_twice(gateway.log());
    gateway.stop();
}

fn not_twice(log: &Lines) {
    let lines = log.so_far();
    let told = lines.iter().filter(|line| line.contains("100000 bytes"));
    assert_eq!(told.count(), 1, "{lines:#?}");
}
