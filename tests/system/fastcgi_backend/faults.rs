//! Applications that break off, break the protocol or fall silent: the client never takes it for a good answer.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastcgi_protocol::{ProtocolStatus, RecordType, encode};
use system_tests::{Client, Gateway, Peer, wait_until};

use super::before;

const HEAD: &[u8] = b"Content-Type: text/plain\r\n\r\n";

#[test]
fn what_fails_before_the_head_is_502() {
    let (gateway, _application) = before("", |mut peer| {
        let request = peer.request().unwrap();
        let query = request.param("QUERY_STRING").unwrap();
        match query.as_str() {
            "closed" => {}
            "half" => peer.stdout(b"Content-Type: te"),
            "half-record" => peer.send(&[1, 6, 0, 1, 0, 100, 0, 0, b'S', b't']),
            "no-head" => peer.end(3, ProtocolStatus::RequestComplete),
            "bad-head" => peer.answer_raw(b"no head at all\r\n\r\n"),
            "version" => peer.send(b"HTTP/1.0 200 OK\r\n\r\n"),
            "other" => peer.other_request(),
            "short-end" => peer.send(&[1, 3, 0, 1, 0, 2, 0, 0, 0, 0]),
            "role" => peer.end(0, ProtocolStatus::UnknownRole),
            other => panic!("{other}"),
        }
    });
    for (query, words) in [
        ("closed", "closed the connection without an answer"),
        ("half", "closed the connection in the middle of its answer"),
        ("half-record", "closed the connection in the middle"),
        ("no-head", "it ended its answer with no head"),
        ("bad-head", "line 1 of its head"),
        ("version", "record with version 72"),
        ("other", "a record of a request 7"),
        ("short-end", "EndRequest record with 2 content bytes"),
        ("role", "does not answer requests"),
    ] {
        assert_eq!(
            gateway.get(&format!("/app/?{query}")).status(),
            502,
            "{query}"
        );
        gateway.log().wait_for(&[words]);
    }
    gateway.log().wait_for(&["ended with status 3"]);
    gateway.stop();
}

#[test]
fn silence_before_the_head_is_502() {
    let (gateway, _application) = before("read_timeout = \"1s\"\n", |mut peer| {
        peer.request();
        peer.wait_closed();
    });
    assert_eq!(gateway.get("/app/").status(), 502);
    gateway.log().wait_for(&["said nothing for 1s"]);
    gateway.stop();
}

#[test]
fn silence_behind_the_head_cuts_the_answer() {
    let (gateway, _application) = before("read_timeout = \"1s\"\n", |mut peer| {
        peer.request();
        peer.stdout(&[HEAD, b"begun"].concat());
        peer.wait_closed();
    });
    let mut reply = gateway.get("/app/");
    // An application that comes too late with its head has been silent, too.
    wait_until("a head in time", || {
        let is_in_time = reply.status() == 200;
        if !is_in_time {
            reply = gateway.get("/app/");
        }
        is_in_time
    });
    assert!(!reply.complete, "{reply:?}");
    assert_eq!(reply.body, b"begun");
    gateway.stop();
}

#[test]
fn what_fails_behind_the_head_cuts_the_answer() {
    let (go_on, goes_on) = mpsc::channel();
    let goes_on = Mutex::new(goes_on);
    let (gateway, _application) = before("", move |mut peer| {
        let request = peer.request().unwrap();
        peer.stdout(&[HEAD, b"begun"].concat());
        goes_on.lock().unwrap().recv().unwrap();
        match request.param("QUERY_STRING").unwrap().as_str() {
            "closed" => {}
            "stdout-ended" => {
                let mut out = Vec::new();
                encode::end_stream(&mut out, RecordType::Stdout, 1);
                peer.send(&out);
            }
            "half-record" => peer.send(&[1, 6, 0, 1, 0, 100, 0, 0, b'x']),
            "version" => peer.send(&[0; 8]),
            "other" => peer.other_request(),
            "refused" => peer.end(0, ProtocolStatus::Overloaded),
            other => panic!("{other}"),
        }
    });
    for query in [
        "closed",
        "stdout-ended",
        "half-record",
        "version",
        "other",
        "refused",
    ] {
        let mut client = Client::connect(gateway.address());
        client.request("GET", &format!("/app/?{query}"), &[], b"");
        let head = client.head().unwrap();
        assert_eq!(head.status, 200, "{query}");
        go_on.send(()).unwrap();
        let mut body = Vec::new();
        let end = client.body(&head, "GET").read_to_end(&mut body);
        assert!(end.is_err(), "{query}");
        assert_eq!(body, b"begun", "{query}");
    }
    gateway.stop();
}

#[test]
fn an_overloaded_application_is_503() {
    let (gateway, _application) = before("", |mut peer| {
        peer.request();
        peer.end(0, ProtocolStatus::Overloaded);
    });
    let reply = gateway.get("/app/");
    assert_eq!(reply.status(), 503);
    assert!(reply.header("retry-after").is_some());
    gateway.stop();
}

#[test]
fn nobody_listening_is_502() {
    let gateway = Gateway::with_config(
        r#"
[[site]]
root = "{dir}"
[[site.handler]]
path = "*"
pool = "app"
[pool.app]
fastcgi = "unix:nobody"
"#,
    );
    assert_eq!(gateway.request("POST", "/", &[], b"body").status(), 502);
    gateway.log().wait_for(&["nobody: cannot connect"]);
    gateway.stop();
}

#[test]
fn the_request_limit_cuts_an_answer_that_nobody_reads() {
    let (closed, is_closed) = mpsc::channel();
    let closed = Mutex::new(closed);
    let (gateway, _application) = before("request_timeout = \"3s\"\n", move |mut peer| {
        peer.request();
        peer.stdout(HEAD);
        peer.stdout(&vec![b'x'; 32 << 20]);
        peer.wait_closed();
        closed.lock().unwrap().send(()).unwrap();
    });
    wait_until("the head is there before the limit", || {
        let mut client = Client::connect(gateway.address());
        client.request("GET", "/app/", &[], b"");
        // Nothing is read before the application has noticed.
        is_closed.recv_timeout(system_tests::PATIENCE).unwrap();
        let reply = client.reply("GET");
        let is_in_time = reply.status() == 200;
        assert_eq!(reply.complete, !is_in_time);
        is_in_time
    });
    gateway.log().wait_for(&["longer than 3s"]);
    gateway.stop();
}

#[test]
fn a_slow_client_is_not_the_applications_silence() {
    let (gateway, _application) = before("read_timeout = \"1s\"\n", |mut peer| {
        peer.request();
        let body = peer.body();
        peer.answer(&format!("{} bytes", body.len()));
    });
    wait_until("the application answers in time", || {
        let mut client = Client::connect(gateway.address());
        client.send(b"POST /app/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
        for _ in 0..4 {
            // Time itself is what is tested: more than the limit between two bytes.
            std::thread::sleep(Duration::from_millis(1_200));
            client.send(b"x");
        }
        let sent = Instant::now();
        let reply = client.reply("POST");
        // One that had to wait for a processor may have been silent itself.
        let is_in_time = reply.status() == 200 || sent.elapsed() < Duration::from_millis(900);
        assert!(!is_in_time || reply.text() == "4 bytes", "{reply:?}");
        is_in_time
    });
    gateway.stop();
}

#[test]
fn the_application_notices_that_the_client_has_gone() {
    for has_begun in [false, true] {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let (gateway, _application) = before("", move |mut peer| {
            peer.request();
            if has_begun {
                peer.stdout(&[HEAD, b"begun"].concat());
            }
            tell.lock().unwrap().send("begun").unwrap();
            peer.wait_closed();
            tell.lock().unwrap().send("closed").unwrap();
        });
        let mut client = Client::connect(gateway.address());
        client.request("GET", "/app/", &[], b"");
        let wait = || told.recv_timeout(system_tests::PATIENCE).unwrap();
        assert_eq!(wait(), "begun");
        if has_begun {
            client.head().unwrap();
        }
        drop(client);
        assert_eq!(wait(), "closed");
        gateway.stop();
    }
}

#[test]
fn a_body_that_breaks_off_ends_the_request() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let (gateway, _application) = before("", move |mut peer| {
        peer.request();
        let body = peer.body();
        tell.lock().unwrap().send(body).unwrap();
    });
    let mut client = Client::connect(gateway.address());
    client.send(b"POST /app/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    client.finish();
    let seen = told.recv_timeout(system_tests::PATIENCE).unwrap();
    assert!(b"half".starts_with(&seen), "{seen:?}");
    drop(client);
    gateway.stop();
}

#[test]
fn records_may_come_in_any_pieces() {
    let (gateway, _application) = before("", |mut peer| {
        peer.request();
        let mut out = Vec::new();
        encode::stream(&mut out, RecordType::Stderr, 1, b"words for the ");
        encode::unknown_type(&mut out, 99);
        encode::stream(&mut out, RecordType::Stdout, 1, HEAD);
        encode::stream(&mut out, RecordType::Stderr, 1, b"operator\nand more");
        encode::record(&mut out, RecordType::Stdout, 1, &[b'y'; 65_535]);
        encode::end_stream(&mut out, RecordType::Stdout, 1);
        encode::end_request(&mut out, 1, 0, ProtocolStatus::RequestComplete);
        let (slow, fast) = out.split_at(300);
        for byte in slow {
            peer.send(&[*byte]);
        }
        peer.send(fast);
    });
    let reply = gateway.get("/app/");
    assert!(reply.complete);
    assert_eq!(reply.body, [b'y'; 65_535]);
    gateway.log().wait_for(&["app", "words for the operator"]);
    gateway.log().wait_for(&["app", "and more"]);
    gateway.stop();
}

#[test]
fn parameters_hold_any_bytes_and_no_proxy() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::new(AtomicBool::new(true));
    let (writer, kept) = (Arc::clone(&seen), Arc::clone(&keep));
    let (gateway, _application) = before("root = \"/elsewhere\"\n", move |mut peer| {
        let request = peer.request().unwrap();
        kept.store(request.keep, Ordering::SeqCst);
        *writer.lock().unwrap() = request.params;
        peer.answer("ok");
    });
    let mut client = Client::connect(gateway.address());
    client.send(
        b"GET /app/caf%c3%a9/%ff%80?q=%00 HTTP/1.1\r\nHost: a\r\nX-Raw: \xff\x80\r\nProxy: evil:1\r\n\
          Authorization: Basic eDp5\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(client.reply("GET").text(), "ok");
    let params = seen.lock().unwrap().clone();
    let value = |name: &str| {
        let mut found = params.iter().filter(|(other, _)| other == name.as_bytes());
        let value = found.next().map(|(_, value)| value.clone());
        assert!(found.next().is_none(), "{name} twice");
        value
    };
    let expected: [(&str, Option<&[u8]>); 11] = [
        ("SCRIPT_NAME", Some(b"/app")),
        ("PATH_INFO", Some(b"/caf\xc3\xa9/\xff\x80")),
        ("PATH_TRANSLATED", Some(b"/elsewhere/caf\xc3\xa9/\xff\x80")),
        ("SCRIPT_FILENAME", Some(b"/elsewhere/app")),
        ("DOCUMENT_ROOT", Some(b"/elsewhere")),
        ("REQUEST_URI", Some(b"/app/caf%c3%a9/%ff%80?q=%00")),
        ("QUERY_STRING", Some(b"q=%00")),
        ("HTTP_X_RAW", Some(b"\xff\x80")),
        ("HTTP_AUTHORIZATION", Some(b"Basic eDp5")),
        ("REDIRECT_STATUS", Some(b"200")),
        ("HTTP_PROXY", None),
    ];
    for (name, expected) in expected {
        assert_eq!(value(name).as_deref(), expected, "{name}");
    }
    assert!(!keep.load(Ordering::SeqCst), "not kept by default");
    gateway.stop();
}

trait Wrong {
    fn answer_raw(&mut self, bytes: &[u8]);
    fn other_request(&mut self);
}

impl Wrong for Peer {
    fn answer_raw(&mut self, bytes: &[u8]) {
        self.stdout(bytes);
        self.end(0, ProtocolStatus::RequestComplete);
    }

    fn other_request(&mut self) {
        let mut out = Vec::new();
        encode::stream(&mut out, RecordType::Stdout, 7, HEAD);
        self.send(&out);
        self.wait_closed();
    }
}
