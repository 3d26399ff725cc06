//! The worker without a gateway: under spawn-fcgi with cgi-fcgi as the web server, listening by itself, with a web
//! server's side of our own, and as a CGI program.

use std::process::Command;
use std::rc::Rc;

use fastcgi_protocol::{ProtocolStatus, Role, encode};
use system_tests::{Process, Signal, binary, extension, peer, sample, send, wait_until};
use tempfile::TempDir;

use crate::fastcgi::Event;
use crate::worker::{GET, Way, Worker, cgi_fcgi, run_with, text, with};

#[test]
fn answers_cgi_fcgi_under_spawn_fcgi() {
    let worker = Worker::spawned(&sample("hello"));
    let answer = cgi_fcgi(&worker, &GET, b"");
    assert!(answer.contains("Content-Type: text/plain"), "{answer:?}");
    assert!(answer.ends_with("Hello, world!"), "{answer:?}");
    worker.stop();
}

#[test]
fn echoes_a_body_from_cgi_fcgi() {
    let worker = Worker::spawned(&sample("echo"));
    let sent = text(100_000);
    let variables = with(&[("REQUEST_METHOD", "POST"), ("CONTENT_LENGTH", "100000")]);
    let answer = cgi_fcgi(&worker, &variables, sent.as_bytes());
    assert!(answer.ends_with(&sent), "{} bytes came back", answer.len());
    worker.stop();
}

#[test]
fn splits_the_url_that_cgi_fcgi_sends() {
    let worker = Worker::spawned(&sample("dumpvars"));
    let rows = [
        ("/x/dumpvars.so/extra", "", "/x/dumpvars.so", "/extra"),
        ("/x/dumpvars.so", "/extra", "/x/dumpvars.so", "/extra"),
        ("/x/dumpvars.so", "", "/x/dumpvars.so", ""),
        ("/d/a.abc", "", "/d/a.abc", "/d/a.abc"),
    ];
    for (script, info, expected_name, expected_info) in rows {
        let variables = with(&[
            ("SCRIPT_NAME", script),
            ("PATH_INFO", info),
            ("DOCUMENT_ROOT", "/srv/www"),
            ("QUERY_STRING", "format=text"),
            ("HTTP_X_MINE", "yes"),
            ("REMOTE_ADDR", "192.0.2.7"),
        ]);
        let answer = cgi_fcgi(&worker, &variables, b"");
        for line in [
            format!("SCRIPT_NAME={expected_name}"),
            format!("PATH_INFO={expected_info}"),
            format!("PATH_TRANSLATED=/srv/www{expected_info}"),
            format!("ECB.lpszPathInfo={expected_info}"),
            "REMOTE_ADDR=192.0.2.7".to_owned(),
            "HTTPS=off".to_owned(),
        ] {
            assert!(
                answer.lines().any(|found| found == line),
                "{line} not in {answer}"
            );
        }
        assert!(answer.contains("HTTP_X_MINE:yes"), "{answer}");
    }
    worker.stop();
}

#[test]
fn refuses_a_path_that_leaves_the_root() {
    let worker = Worker::listening(&sample("dumpvars"));
    let variables = with(&[("SCRIPT_NAME", "/dumpvars.so/../../etc/passwd")]);
    let answer = worker.connect().request(&variables, b"", false);
    assert!(
        answer.starts_with(b"Status: 400"),
        "{}",
        answer.escape_ascii()
    );
    worker.stop();
}

#[test]
fn listens_on_a_tcp_port() {
    let folder = Rc::new(TempDir::new().unwrap());
    let worker = Worker::start(Way::OnPort, folder, &sample("hello"));
    let answer = worker.connect().request(&GET, b"", false);
    assert!(answer.ends_with(b"Hello, world!"));
    worker.stop();
}

#[test]
fn removes_its_socket_and_takes_over_a_stale_one() {
    let folder = Rc::new(TempDir::new().unwrap());
    let socket = folder.path().join("socket");
    let mut first = Worker::listening_in(Rc::clone(&folder), &sample("hello"));
    first.connect().request(&GET, b"", false);
    first.child.kill().unwrap();
    first.child.wait_end();
    assert!(socket.exists(), "a killed worker leaves its socket");

    let second = Worker::listening_in(Rc::clone(&folder), &sample("hello"));
    let answer = second.connect().request(&GET, b"", false);
    assert!(answer.ends_with(b"Hello, world!"));
    second.stop();
    assert!(!socket.exists());
}

#[test]
fn keeps_a_connection_if_asked_and_closes_it_otherwise() {
    let worker = Worker::listening(&sample("hello"));
    let mut connection = worker.connect();
    for keep in [true, false] {
        let answer = connection.request(&GET, b"", keep);
        assert!(answer.ends_with(b"Hello, world!"));
    }
    assert_eq!(connection.next(), None);
    worker.stop();
}

#[test]
fn refuses_a_second_request_beside_a_running_one() {
    let worker = Worker::listening(&sample("echo"));
    let mut connection = worker.connect();
    let post = with(&[("REQUEST_METHOD", "POST"), ("CONTENT_LENGTH", "5")]);
    let first = connection.begin(&post, true);
    connection.stdin(first, b"he");
    let second = connection.begin(&GET, true);
    let refused = connection.next();
    assert_eq!(
        refused,
        Some((second, Event::End(ProtocolStatus::CantMultiplex)))
    );
    connection.stdin(first, b"llo");
    connection.stdin(first, b"");
    assert!(connection.answer(first).ends_with(b"hello"));
    worker.stop();
}

#[test]
fn refuses_a_role_that_it_has_not() {
    let worker = Worker::listening(&sample("hello"));
    let mut connection = worker.connect();
    let mut out = Vec::new();
    encode::begin_request(&mut out, 1, Role::Authorizer, true);
    connection.send(&out);
    // The next request takes the same id: whatever is left of the refused one would show.
    let id = connection.begin(&GET, true);
    assert_eq!(id, 1);
    assert_eq!(
        connection.next(),
        Some((1, Event::End(ProtocolStatus::UnknownRole)))
    );
    worker.stop();
}

#[test]
fn an_abort_ends_the_request_and_not_the_connection() {
    let folder = TempDir::new().unwrap();
    let witness = extension("witness", &[], folder.path());
    let worker = Worker::listening_in(Rc::new(folder), &witness);
    let mut connection = worker.connect();
    let upload = with(&[
        ("REQUEST_METHOD", "POST"),
        ("CONTENT_LENGTH", "1000000"),
        ("QUERY_STRING", "upload"),
    ]);
    let id = connection.begin(&upload, true);
    connection.stdin(id, &[b'x'; 100_000]);
    worker.log.wait_for(&["witness: uploading"]);
    let mut out = Vec::new();
    encode::abort_request(&mut out, id);
    connection.send(&out);
    worker.log.wait_for(&["witness: ReadClient failed"]);
    while connection.next().expect("the connection ended").1
        != Event::End(ProtocolStatus::RequestComplete)
    {}
    let answer = connection.request(&GET, b"", true);
    assert!(answer.ends_with(b"witnessed"));
    worker.stop();
}

#[test]
fn tells_its_limits_and_names_records_that_it_does_not_know() {
    let worker = Worker::listening(&sample("hello"));
    let mut connection = worker.connect();
    let mut out = Vec::new();
    let names: [&[u8]; 4] = [
        b"FCGI_MAX_CONNS",
        b"FCGI_MAX_REQS",
        b"FCGI_MPXS_CONNS",
        b"NO_SUCH_VALUE",
    ];
    encode::get_values(&mut out, names);
    out.extend([1, 99, 0, 0, 0, 0, 0, 0]);
    connection.send(&out);
    let Some((0, Event::Values(values))) = connection.next() else {
        panic!("no values");
    };
    let value = |name| {
        let mut values = values.iter();
        values
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(value("FCGI_MPXS_CONNS"), Some("0"));
    assert_eq!(value("FCGI_MAX_REQS"), Some("1"));
    assert_eq!(value("FCGI_MAX_CONNS"), Some("256"));
    assert_eq!(value("NO_SUCH_VALUE"), None);
    assert_eq!(connection.next(), Some((0, Event::UnknownType(99))));
    worker.stop();
}

#[test]
fn a_crash_in_the_middle_of_an_answer_breaks_the_connection() {
    let mut worker = Worker::listening(&sample("crash"));
    let mut connection = worker.connect();
    let id = connection.begin(&with(&[("QUERY_STRING", "how=late")]), true);
    connection.stdin(id, b"");
    while let Some((_, event)) = connection.next() {
        assert!(matches!(event, Event::Stdout(_)), "{event:?}");
    }
    assert!(!worker.child.wait_end().success());
}

#[test]
fn garbage_ends_its_connection_and_nothing_else() {
    let worker = Worker::listening(&sample("hello"));
    let mut broken = worker.connect();
    broken.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(broken.next(), None);
    let answer = worker.connect().request(&GET, b"", false);
    assert!(answer.ends_with(b"Hello, world!"));
    worker.stop();
}

#[test]
fn finishes_a_running_request_before_it_ends() {
    let folder = TempDir::new().unwrap();
    let witness = extension("witness", &[], folder.path());
    let mut worker = Worker::listening_in(Rc::new(folder), &witness);
    let mut connection = worker.connect();
    let upload = with(&[
        ("REQUEST_METHOD", "POST"),
        ("CONTENT_LENGTH", "100000"),
        ("QUERY_STRING", "upload"),
    ]);
    let id = connection.begin(&upload, true);
    connection.stdin(id, &[b'x'; 60_000]);
    worker.log.wait_for(&["witness: uploading"]);
    let socket = worker.socket().to_owned();
    send(worker.child.id(), Signal::TERM);
    wait_until("the socket is removed", || !socket.exists());
    connection.stdin(id, &[b'x'; 40_000]);
    connection.stdin(id, b"");
    assert!(connection.answer(id).ends_with(b"witnessed"));
    worker.ends_well();
    worker.log.wait_for(&["witness: terminated"]);
}

#[test]
fn runs_as_a_cgi_program() {
    let mut command = Command::new(binary("isapi-worker"));
    let output = run_with(command.arg(sample("hello")), &GET, b"");
    assert!(output.status.success(), "{output:?}");
    assert!(
        output.out.contains("Content-Type: text/plain"),
        "{output:?}"
    );
    assert_eq!(output.out.lines().last(), Some("Hello, world!"));
}

#[test]
fn a_cgi_program_finds_its_extension_in_the_environment_and_its_body_on_standard_input() {
    let echo = sample("echo");
    let sent = text(100_000);
    let variables = with(&[
        ("ISAPI_EXTENSION", echo.to_str().unwrap()),
        ("REQUEST_METHOD", "POST"),
        ("CONTENT_TYPE", "text/plain"),
        ("CONTENT_LENGTH", "100000"),
    ]);
    let output = run_with(
        &mut Command::new(binary("isapi-worker")),
        &variables,
        sent.as_bytes(),
    );
    assert!(output.status.success(), "{:?}", output.status);
    assert!(output.out.ends_with(&sent));
}

/// A query without "=" becomes the arguments of a CGI program (RFC 3875 §4.4): clients must not load libraries by it.
#[test]
fn a_cgi_program_takes_no_extension_from_the_client() {
    let hello = sample("hello");
    let variables = with(&[("ISAPI_EXTENSION", hello.to_str().unwrap())]);
    let mut command = Command::new(binary("isapi-worker"));
    let output = run_with(command.arg(sample("crash")), &variables, b"");
    assert_eq!(output.out.lines().last(), Some("Hello, world!"));
}

#[test]
fn a_cgi_program_that_crashes_does_not_look_successful() {
    let variables = with(&[("QUERY_STRING", "how=late")]);
    let mut command = Command::new(binary("isapi-worker"));
    let output = run_with(command.arg(sample("crash")), &variables, b"");
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn a_crash_is_reported() {
    for (how, what, place) in [
        (
            "how=segfault",
            "SIGSEGV (11) writing 0x0 ",
            " at crash.so+0x",
        ),
        ("how=overflow", "SIGSEGV (11) writing 0x", " at crash.so+0x"),
        ("how=abort", "SIGABRT (6) ", " at "),
    ] {
        let variables = with(&[("QUERY_STRING", how), ("REQUEST_URI", "/x.so?secret")]);
        let mut command = Command::new(binary("isapi-worker"));
        let output = run_with(command.arg(sample("crash")), &variables, b"");
        let mut lines = output.error.lines();
        let line = lines.find(|line| line.starts_with("isapi-worker: crash: "));
        let line = line.unwrap_or_else(|| panic!("{output:?}"));
        for word in [what, place, " in thread "] {
            assert!(line.contains(word), "{how}: {line}");
        }
        assert!(line.ends_with(", request GET /x.so"), "{line}");
    }
}

#[test]
fn what_an_extension_prints_goes_to_standard_error() {
    let folder = TempDir::new().unwrap();
    let witness = extension("witness", &[], folder.path());
    let variables = with(&[("QUERY_STRING", "print")]);
    let mut command = Command::new(binary("isapi-worker"));
    let output = run_with(command.arg(&witness), &variables, b"");
    assert_eq!(output.out.lines().last(), Some("witnessed"), "{output:?}");
    assert!(!output.out.contains("witness: line"));
    assert!(output.error.contains("witness: line 999"));
}

#[test]
fn says_why_it_cannot_run() {
    let folder = TempDir::new().unwrap();
    let refusing = extension("witness", &["-DLOADS=FALSE"], folder.path());
    let text = folder.path().join("text.so");
    std::fs::write(&text, "not a library").unwrap();
    let missing = folder.path().join("missing.so");
    let library = folder.path().join("empty.so");
    let built = Command::new(peer("cc"))
        .args(["-shared", "-x", "c", "/dev/null", "-o"])
        .arg(&library)
        .status();
    assert!(built.unwrap().success());
    for (file, words) in [
        (&missing, "does not exist"),
        (&text, "cannot be loaded"),
        (&library, "GetExtensionVersion"),
        (&refusing, "returned FALSE"),
    ] {
        let address = format!("unix:{}", folder.path().join("socket").display());
        let mut command = Command::new(binary("isapi-worker"));
        let output = run_with(command.args(["--listen", &address]).arg(file), &[], b"");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.error.contains(words), "{output:?}");
        assert!(output.error.contains(file.to_str().unwrap()), "{output:?}");
    }
}

#[test]
fn leaves_no_process_behind() {
    let worker = Worker::spawned(&sample("hello"));
    worker.connect().request(&GET, b"", false);
    let process = Process::find(worker.child.id()).unwrap();
    assert!(process.is_alive());
    worker.stop();
    assert!(!process.is_alive());
}
