//! The worker on a connection of the gateway, which has many requests at once.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use system_tests::{Running, binary, sample};

use crate::gateway_side::Gateway;
use crate::worker::{GET, text, with};

/// A request waits for its body, and its thread reads the connection meanwhile. Another one comes: it is answered before
/// there is any more of that body.
#[test]
fn who_waits_for_a_body_hands_others_over() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let mut command = Command::new(binary("isapi-worker"));
    command.arg(sample("bench"));
    command.stdin(theirs.try_clone().unwrap()).stdout(theirs);
    let mut child = Running(command.spawn().unwrap());
    drop(command);
    let mut gateway = Gateway::greet(ours);
    // More than there is before the extension is called.
    let body = text(100_000);
    let (first, rest) = body.as_bytes().split_at(60_000);
    let upload = with(&[
        ("REQUEST_METHOD", "POST"),
        ("CONTENT_LENGTH", "100000"),
        ("QUERY_STRING", "load=echo"),
    ]);
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
