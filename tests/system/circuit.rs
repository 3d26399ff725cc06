//! Requests that bring their workers down again and again are kept from them, and the pool goes on for all others.

use std::thread;
use std::time::{Duration, Instant};

use system_tests::{Client, Load, Reply, extension_as, wait_until};

use crate::crash_reports::report;
use crate::fastcgi::Connection;
use crate::steady;
use crate::worker::with;

/// The answer to a request that is kept out for what is left of this many seconds.
fn is_kept_out(reply: &Reply, seconds: u64) {
    assert_eq!(reply.status(), 503);
    let retry: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    // Some of it may have passed.
    assert!((1..=seconds + 1).contains(&retry), "{retry}");
}

#[test]
fn a_path_that_always_crashes_is_kept_out_and_the_pool_goes_on() {
    let gateway = steady::native(
        "processes = 2\nrapid_fail = { failures = 2, delay = '5m' }\n\
         circuit = { delay = '1h', max_delay = '1h' }\n",
    );
    let load = Load::start(gateway.address(), 8, |_| "/good".into());
    for _ in 0..3 {
        assert_eq!(gateway.get("/bad?crash").status(), 502);
    }
    gateway.log().wait_for(&[
        "ERROR",
        "circuit open: GET /bad has crashed or hung 3 times",
    ]);
    for path in ["/bad?crash", "/bad", "/BAD?other", "/./%62ad"] {
        is_kept_out(&gateway.get(path), 3600);
    }
    // It is of another kind.
    let post = gateway.request("POST", "/bad", &[], b"");
    assert_eq!((post.status(), post.text().as_str()), (200, "version 1"));
    let before = load.sent();
    wait_until("the others go on", || load.sent() > before + 500);
    load.stop().only(&["200 version 1"]);
    assert_eq!(gateway.log().count("requests in it: "), 3);
    assert_eq!(gateway.log().count("fail too often"), 0);
    // The first failure of another path is one of the pool, as the first of that one was.
    assert_eq!(gateway.get("/worse?crash").status(), 502);
    gateway.log().wait_for(&["fail too often"]);
    gateway.stop();
}

#[test]
fn after_a_while_one_request_is_tried() {
    let gateway = steady::native("circuit = { failures = 2, delay = '1s', max_delay = '1h' }\n");
    let crash = |status| gateway.get("/bad?crash").status() == status;
    assert!(crash(502));
    let opened = Instant::now();
    assert!(crash(502));
    gateway
        .log()
        .wait_for(&["circuit open: GET /bad", "for 1s"]);
    // It fails: it takes twice as long.
    wait_until("a trial", || crash(502));
    assert!(opened.elapsed() >= Duration::from_secs(1));
    gateway
        .log()
        .wait_for(&["circuit open: GET /bad", "for 2s"]);
    // It is answered: everything is as if nothing had happened.
    wait_until("another trial", || gateway.get("/bad").status() == 200);
    assert!(opened.elapsed() >= Duration::from_secs(3));
    gateway
        .log()
        .wait_for(&["WARN", "circuit closed: GET /bad"]);
    assert!(crash(502));
    assert_eq!(gateway.get("/bad").status(), 200);
    gateway.stop();
}

#[test]
fn those_that_wait_are_kept_out_with_the_others() {
    let gateway = steady::native(
        "threads = 1\nconcurrency = 1\ncircuit = { delay = '1h', max_delay = '1h' }\n",
    );
    let address = gateway.address();
    let mut answers: Vec<u16> = thread::scope(|scope| {
        let ask = || {
            let mut client = Client::connect(address);
            client.request("GET", "/bad?crash", &[], b"");
            client.reply("GET").status()
        };
        let clients: Vec<_> = (0..10).map(|_| scope.spawn(ask)).collect();
        let answers = clients.into_iter().map(|client| client.join().unwrap());
        answers.collect()
    });
    answers.sort_unstable();
    assert_eq!(answers, [[502; 3].as_slice(), &[503; 7]].concat());
    assert_eq!(gateway.get("/").status(), 200);
    gateway.stop();
}

#[test]
fn a_path_that_always_hangs_is_kept_out() {
    let gateway = steady::native(
        "request_timeout = '1s'\nrequest_grace = '100ms'\n\
         circuit = { failures = 2, delay = '1h', max_delay = '1h' }\n",
    );
    for _ in 0..2 {
        assert_eq!(gateway.get("/slow?sleep=600000").status(), 502);
    }
    // The client is told first, its worker is given up a grace later.
    gateway
        .log()
        .wait_for(&["circuit open: GET /slow has crashed or hung 2 times"]);
    is_kept_out(&gateway.get("/slow"), 3600);
    wait_until("the others go on", || gateway.get("/").status() == 200);
    gateway.stop();
}

#[test]
fn a_repaired_file_lets_everything_through_again() {
    let gateway = steady::native("circuit = { failures = 1, delay = '1h', max_delay = '1h' }\n");
    assert_eq!(gateway.get("/bad?crash").status(), 502);
    is_kept_out(&gateway.get("/bad"), 3600);
    let new = extension_as("new.so", "steady", &["-DVERSION=2"], gateway.folder());
    std::fs::rename(new, gateway.folder().join("steady.so")).unwrap();
    wait_until("it is answered", || gateway.get("/bad").status() == 200);
    gateway.stop();
}

#[test]
fn web_servers_are_told_as_clients_are() {
    let gateway = steady::listening(
        "fastcgi = 'unix:socket'\n",
        "circuit = { delay = '1h', max_delay = '1h' }\n",
    );
    let mut connection = Connection::unix(&gateway.folder().join("socket"));
    let mut ask = |path: &str, query: &str| {
        let target = format!("{path}?{query}");
        let variables = [
            ("REQUEST_URI", target.as_str()),
            ("SCRIPT_NAME", path),
            ("QUERY_STRING", query),
        ];
        let answer = connection.request(&with(&variables), b"", true);
        String::from_utf8(answer).unwrap()
    };
    for _ in 0..3 {
        let answer = ask("/bad", "crash");
        assert!(answer.starts_with("Status: 502"), "{answer}");
    }
    let answer = ask("/bad", "crash").to_lowercase();
    assert!(answer.starts_with("status: 503"), "{answer}");
    assert!(answer.contains("\r\nretry-after: 3"), "{answer}");
    let answer = ask("/good", "");
    assert!(answer.starts_with("Status: 200"), "{answer}");
    gateway.stop();
}

#[test]
fn a_crash_report_tells_of_the_circuit() {
    let gateway = steady::native("circuit.failures = 1\n");
    assert_eq!(gateway.get("/bad?crash").status(), 502);
    let folder = gateway.folder().join("state/isapi-gateway/crash");
    let report = report(&gateway, &folder);
    assert_eq!(report["culprit"]["circuit"], "open");
    gateway.stop();
}
