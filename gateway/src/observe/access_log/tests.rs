#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::request::RequestHead;

const PATIENCE: Duration = Duration::from_secs(60);

fn head() -> RequestHead {
    let mut head = RequestHead::sample(Method::GET, "/a/b%20c.dll/x?q=1&r=%22");
    head.connection.remote = "[::ffff:192.0.2.7]:4711".parse().unwrap();
    head.connection.local = "192.0.2.1:8080".parse().unwrap();
    head.front
        .variables
        .set(b"REMOTE_USER", "J\u{fc}rgen M".as_bytes());
    for (name, value) in [
        ("host", "www.example.org"),
        ("user-agent", "Mozilla/5.0 (\"X\\1\")"),
        ("referer", "http://example.org/?a b"),
    ] {
        head.headers.insert(name, HeaderValue::from_static(value));
    }
    head
}

fn line<'a>(asked: &'a Asked, parameter: &'a [u8]) -> Line<'a> {
    Line {
        begun: "2026-11-22T01:50:19.25Z".parse().unwrap(),
        taken: Duration::from_millis(1_750),
        asked,
        status: Some(StatusCode::FORBIDDEN),
        sub_status: 2,
        win32: 5,
        sent: 1234,
        received: 56,
        parameter,
    }
}

#[test]
fn w3c_lines_have_the_fields_of_iis() {
    let asked = Asked::new(&head());
    assert_eq!(
        w3c::format(&line(&asked, b"; order 7\n")),
        "2026-11-22 01:50:21 192.0.2.1 GET /a/b%20c.dll/x q=1&r=%22;+order+7%0A 8080 J%C3%BCrgen+M 192.0.2.7 \
         Mozilla/5.0+(\"X\\1\") http://example.org/?a+b 403 2 5 1234 56 1750"
    );
    let fields = w3c::preamble().lines().last().unwrap().split(' ').count() - 1;
    assert_eq!(w3c::format(&line(&asked, b"")).split(' ').count(), fields);
}

#[test]
fn w3c_lines_without_anything_have_dashes() {
    let asked = Asked::new(&RequestHead::sample(Method::GET, "/"));
    let line = Line {
        status: None,
        ..line(&asked, b"")
    };
    assert_eq!(
        w3c::format(&line),
        "2026-11-22 01:50:21 127.0.0.1 GET / - 80 - 127.0.0.1 - - 499 2 5 1234 56 1750"
    );
    // What the extension logs stands alone where there is no query.
    let line = Line {
        parameter: b"words",
        ..line
    };
    assert!(w3c::format(&line).contains(" GET / words 80 "));
}

#[test]
fn combined_lines_are_those_of_apache() {
    let asked = Asked::new(&head());
    let text = combined::format(&line(&asked, b"; not here"));
    let (before, rest) = text.split_once('[').unwrap();
    let (time, after) = rest.split_once(']').unwrap();
    assert_eq!(before, "192.0.2.7 - J\\xc3\\xbcrgen\\x20M ");
    assert_eq!(
        after,
        " \"GET /a/b%20c.dll/x?q=1&r=%22 HTTP/1.1\" 403 1234 \"http://example.org/?a b\" \
         \"Mozilla/5.0 (\\\"X\\\\1\\\")\""
    );
    // The zone is that of the machine, the moment is not.
    let time = jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", time).unwrap();
    let expected: Timestamp = "2026-11-22T01:50:19Z".parse().unwrap();
    assert_eq!(time.to_timestamp().unwrap(), expected);
}

#[test]
fn json_lines_say_it_all() {
    let asked = Asked::new(&head());
    assert_eq!(
        json::format(&line(&asked, b"; order 7")),
        r#"{"bytes_received":56,"bytes_sent":1234,"client":"192.0.2.7","host":"www.example.org","log":"; order 7","method":"GET","path":"/a/b%20c.dll/x","port":8080,"protocol":"HTTP/1.1","query":"q=1&r=%22","referer":"http://example.org/?a b","seconds":1.75,"server":"192.0.2.1","status":403,"sub_status":2,"time":"2026-11-22T01:50:19.250Z","user":"Jürgen M","user_agent":"Mozilla/5.0 (\"X\\1\")","win32_status":5}"#
    );
}

proptest! {
    #[test]
    fn no_request_writes_more_than_its_line(
        agent in prop::collection::vec(any::<u8>(), 0..40),
        user in prop::collection::vec(any::<u8>(), 0..40),
        parameter in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut head = RequestHead::sample(Method::GET, "/x?y");
        if let Ok(value) = HeaderValue::from_bytes(&agent) {
            head.headers.insert("user-agent", value);
        }
        head.front.variables.set(b"REMOTE_USER", &user);
        let asked = Asked::new(&head);
        let line = line(&asked, &parameter);
        let w3c = w3c::format(&line);
        prop_assert_eq!(w3c.split(' ').count(), 17);
        prop_assert!(w3c.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        let combined = combined::format(&line);
        prop_assert!(combined.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        let json = json::format(&line);
        prop_assert!(!json.contains('\n'));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    }
}

fn config(file: &Path) -> config::AccessLog {
    config::AccessLog {
        file: file.to_owned(),
        format: LogFormat::Json,
        buffer: 1024 * 1024,
        flush_interval: Duration::from_secs(3600),
    }
}

fn write(log: &AccessLog, number: u64) {
    let asked = Asked::new(&RequestHead::sample(Method::GET, "/"));
    log.write(&Line {
        sent: number,
        ..line(&asked, b"")
    });
}

fn numbers(file: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(file).unwrap();
    let number = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["bytes_sent"].as_u64().unwrap()
    };
    text.lines().map(number).collect()
}

#[test]
fn all_lines_are_written_at_the_end() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("access.log");
    for round in 0..2 {
        let (log, writer) = AccessLog::open(&config(&file)).unwrap();
        (0..1000).for_each(|number| write(&log, round * 1000 + number));
        drop(log);
        assert!(writer.finish(PATIENCE));
    }
    assert_eq!(numbers(&file), Vec::from_iter(0..2000));
}

#[test]
fn a_holder_that_stays_does_not_keep_the_lines_from_being_written() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("access.log");
    let (log, writer) = AccessLog::open(&config(&file)).unwrap();
    write(&log, 1);
    assert!(!writer.finish(Duration::ZERO));
    while numbers(&file).is_empty() {
        std::thread::yield_now();
    }
    drop(log);
}

#[test]
fn what_came_before_the_order_to_open_again_is_in_the_old_file() {
    let folder = TempDir::new().unwrap();
    let [file, old] = ["access.log", "access.log.1"].map(|name| folder.path().join(name));
    let (log, writer) = AccessLog::open(&config(&file)).unwrap();
    write(&log, 1);
    std::fs::rename(&file, &old).unwrap();
    log.reopen();
    while !file.exists() {
        std::thread::yield_now();
    }
    write(&log, 2);
    drop(log);
    assert!(writer.finish(PATIENCE));
    assert_eq!((numbers(&old), numbers(&file)), (vec![1], vec![2]));
}

#[test]
fn a_file_begins_with_its_first_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("access.log");
    let config = config::AccessLog {
        format: LogFormat::W3c,
        ..config(&file)
    };
    let lines_after = |count: u64| {
        let (log, writer) = AccessLog::open(&config).unwrap();
        (0..count).for_each(|number| write(&log, number));
        drop(log);
        assert!(writer.finish(PATIENCE));
        std::fs::read_to_string(&file).unwrap().lines().count()
    };
    assert_eq!([0, 2, 0].map(lines_after), [0, 4 + 2, 4 + 2]);
}

#[test]
fn lines_beyond_the_buffer_are_dropped_and_counted() {
    let shared = Shared::new(10);
    shared.add(b"1234567\n");
    shared.add(b"89\n");
    shared.add(b"9\n");
    let state = shared.next(Duration::ZERO);
    assert_eq!(
        (state.lines.as_slice(), state.dropped),
        (&b"1234567\n9\n"[..], 1)
    );
    shared.add(b"89\n");
    assert_eq!(shared.next(Duration::ZERO).lines, b"89\n");
}

#[test]
fn a_full_disk_does_not_end_it() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("access.log");
    // A file that never takes a byte, and then one that does.
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let (log, writer) = AccessLog::open(&config(&file)).unwrap();
    write(&log, 1);
    std::fs::remove_file(&file).unwrap();
    // It is tried on the old file before.
    log.reopen();
    while !file.exists() {
        assert!(!writer.has_ended());
        std::thread::yield_now();
    }
    write(&log, 2);
    assert_eq!(log.lost(), 0);
    drop(log);
    assert!(writer.finish(PATIENCE));
    assert_eq!(numbers(&file), [1, 2]);
}

#[test]
fn a_disk_that_stays_full_does_not_keep_it() {
    let (log, writer) = AccessLog::open(&config(Path::new("/dev/full"))).unwrap();
    write(&log, 1);
    drop(log);
    assert!(writer.finish(PATIENCE));
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    let folder = TempDir::new().unwrap();
    assert!(AccessLog::open(&config(folder.path())).is_err());
}
