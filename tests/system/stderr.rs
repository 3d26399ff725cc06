//! Programs whose standard error nobody reads any more, because a service manager or a terminal has gone.

use std::process::{Command, Stdio};

use system_tests::{Lines, Running, Signal, binary, gateway_command, get, sample, send};
use tempfile::TempDir;

use crate::fastcgi::{Connection, Event};
use crate::worker::{GET, with};

/// Starts a program and closes the reading end of its standard error.
fn unread(command: &mut Command) -> Running {
    let mut child = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    drop(child.stderr.take());
    child
}

#[test]
fn a_worker_alone_serves_and_ends() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    let witness = system_tests::extension("witness", &[], folder.path());
    let mut worker = unread(
        Command::new(binary("isapi-worker"))
            .args(["--listen", &format!("unix:{}", socket.display())])
            .args(["--stop-timeout", "0"])
            .arg(witness)
            .stdin(Stdio::null()),
    );
    // It tells of a connection that breaks the protocol.
    let mut broken = Connection::unix(&socket);
    broken.send(&[0; 8]);
    assert_eq!(broken.next(), None);
    let answer = Connection::unix(&socket).request(&GET, b"", false);
    assert!(answer.ends_with(b"witnessed"));

    // It tells of a request that it does not wait for.
    let mut endless = Connection::unix(&socket);
    let id = endless.begin(&with(&[("QUERY_STRING", "download")]), false);
    endless.stdin(id, b"");
    let begun = endless.next();
    assert!(matches!(begun, Some((_, Event::Stdout(_)))), "{begun:?}");
    send(worker.id(), Signal::TERM);
    let status = worker.wait_end();
    assert!(status.success(), "{status}");
}

#[test]
fn a_gateway_serves_survives_crashes_and_ends() {
    let folder = TempDir::new().unwrap();
    let crash = sample("crash");
    let arguments = ["serve", crash.to_str().unwrap(), "--http", "127.0.0.1:0"];
    let mut command = gateway_command(arguments);
    command.env("XDG_STATE_HOME", folder.path());
    let mut gateway = unread(&mut command);
    let out = Lines::of(gateway.stdout.take().unwrap());
    let ready = out.wait_for(&["listening on http://"]);
    let (_, address) = ready.split_once("http://").unwrap();
    let address = address.parse().unwrap();
    for _ in 0..2 {
        assert_eq!(get(address, "/").status(), 200);
        assert_eq!(get(address, "/?how=segfault").status(), 502);
    }
    assert_eq!(get(address, "/").status(), 200);
    send(gateway.id(), Signal::TERM);
    let status = gateway.wait_end();
    assert_eq!(status.code(), Some(0), "{status}");
}
