//! The worker on a connection of the gateway, which has many requests at once.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};
use shared_buffers::{COUNT, LEAST, Memory};
use system_tests::{Running, binary, sample};

use crate::gateway_side::Gateway;
use crate::worker::{GET, text, with};

const UPLOAD: [(&str, &str); 3] = [
    ("REQUEST_METHOD", "POST"),
    ("CONTENT_LENGTH", "100000"),
    ("QUERY_STRING", "load=echo"),
];

fn start(mut command: Command) -> (Running, Gateway) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    command.arg(sample("bench"));
    command.stdin(theirs.try_clone().unwrap()).stdout(theirs);
    let child = Running(command.spawn().unwrap());
    // Our copy of its end goes, so that its end shows.
    drop(command);
    (child, Gateway::greet(ours))
}

/// With memory that it shares with us.
fn sharing() -> (Running, Gateway) {
    let (memory, file) = Memory::create(1).unwrap();
    let mut command = Command::new(binary("isapi-worker"));
    command.args(["--buffers", "3"]);
    let mapping = FdMapping {
        parent_fd: file.into(),
        child_fd: 3,
    };
    command.fd_mappings(vec![mapping]).unwrap();
    let (child, mut gateway) = start(command);
    gateway.memory = Some(memory);
    (child, gateway)
}

/// A request waits for its body, and its thread reads the connection meanwhile. Another one comes: it is answered before
/// there is any more of that body.
#[test]
fn who_waits_for_a_body_hands_others_over() {
    let (mut child, mut gateway) = start(Command::new(binary("isapi-worker")));
    // More than there is before the extension is called.
    let body = text(100_000);
    let (first, rest) = body.as_bytes().split_at(60_000);
    let upload = with(&UPLOAD);
    for _ in 0..50 {
        let id = gateway.begin(&upload, first);
        gateway.wait_for_credit(id);
        let other = gateway.text(GET.to_vec()).expect("the worker has ended");
        assert!(other.ends_with("Hello, world!"), "{other}");
        assert!(gateway.end(id, rest).ends_with(body.as_bytes()));
    }
    drop(gateway);
    assert!(child.wait_end().success());
}

/// Its parts come by turns in memory and in records, to a thread that waits for them and to nobody.
#[test]
fn a_body_is_read_from_shared_memory() {
    let (mut child, mut gateway) = sharing();
    let body = text(100_000);
    for _ in 0..50 {
        let mut rest = body.as_bytes();
        let mut next = |length| rest.split_off(..length).unwrap();
        let id = gateway.begin(&with(&UPLOAD), next(8_000));
        for (buffer, length) in [(3, LEAST), (31, 40_000)] {
            gateway.share(id, buffer, next(length));
        }
        let mut back = 0;
        while back != 1 << 3 | 1 << 31 {
            back |= gateway.wait_for_buffers().expect("the worker has ended");
        }
        assert!(gateway.end(id, rest).ends_with(body.as_bytes()));
    }
    // Whoever it was for is gone: the buffer is given back with what is said next.
    gateway.say_shared(9, 7, LEAST);
    let id = gateway.begin(&with(&UPLOAD), &body.as_bytes()[..60_000]);
    assert_eq!(gateway.wait_for_buffers(), Some(1 << 7));
    gateway.end(id, &body.as_bytes()[60_000..]);
    drop(gateway);
    assert!(child.wait_end().success());
}

#[test]
fn a_place_that_there_is_not_ends_the_worker() {
    for (buffer, length) in [(COUNT, LEAST), (31, 70_000)] {
        let (mut child, mut gateway) = sharing();
        let id = gateway.begin(&with(&UPLOAD), b"some");
        gateway.say_shared(id, buffer, length);
        assert_eq!(gateway.wait_for_buffers(), None);
        assert!(!child.wait_end().success());
    }
    let (mut child, mut gateway) = start(Command::new(binary("isapi-worker")));
    gateway.say_shared(1, 0, LEAST);
    assert_eq!(gateway.wait_for_buffers(), None);
    assert!(!child.wait_end().success());
}
