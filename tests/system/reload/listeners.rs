//! Listeners of another configuration.

use std::net::{SocketAddr, TcpListener, TcpStream};

use system_tests::{Client, Gate, Gateway, get};

use super::{config, folder, goes_over, reload, steady};
use crate::fastcgi::Connection;
use crate::worker::GET;

#[test]
fn listeners_come_and_go_and_their_requests_finish() {
    let pools = config(&[("a", &steady(""))]);
    let with = |server: &str| format!("[server]\n{server}\n{pools}");
    let first =
        with("http = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\nfastcgi = \"unix:{dir}/one.sock\"");
    let gateway = Gateway::as_configured(folder(), &first);
    let line = gateway.out().wait_for(&["listening on http://127.0.0.2:"]);
    let leaving: SocketAddr = line.rsplit('/').next().unwrap().parse().unwrap();
    let mut kept = Client::connect(gateway.address());
    kept.request("GET", "/a/", &[], b"");
    assert_eq!(kept.reply("GET").status(), 200);
    let gate = Gate::new(gateway.folder());
    let mut running = Client::connect(leaving);
    running.request("GET", &format!("/a/?wait={}", gate.path()), &[], b"");
    gateway.log().wait_for(&["steady: waiting"]);

    let second = with(
        "http = [\"127.0.0.1:0\", \"127.0.0.3:0\"]\nheader_limit = 8192\nfastcgi = \"unix:{dir}/two.sock\"",
    );
    goes_over(&gateway, &second);
    let line = gateway.out().wait_for(&["listening on http://127.0.0.3:"]);
    let coming: SocketAddr = line.rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(get(coming, "/a/").status(), 200);
    gateway
        .log()
        .wait_for(&["no longer listening on http://127.0.0.2:0"]);
    gateway
        .log()
        .wait_for(&["no longer listening on fastcgi+unix:"]);
    assert!(TcpStream::connect(leaving).is_err());
    assert!(!gateway.folder().join("one.sock").exists());
    let socket = gateway.folder().join("two.sock");
    let request = GET.map(|(name, value)| match name {
        "SCRIPT_NAME" | "REQUEST_URI" => (name, "/a/"),
        _ => (name, value),
    });
    let answer = Connection::unix(&socket).request(&request, b"", true);
    assert!(answer.ends_with(b"version 1"), "{answer:?}");
    let open = gate.open();
    let reply = running.reply("GET");
    assert_eq!((reply.text().as_str(), reply.complete), ("version 1", true));
    drop(open);
    assert!(running.is_closed());
    // What was open stays open; new connections have the new limits.
    let long = format!("X: {}", "x".repeat(10_000));
    kept.request("GET", "/a/", &[&long], b"");
    assert_eq!(kept.reply("GET").status(), 200);
    assert_eq!(gateway.request("GET", "/a/", &[&long], b"").status(), 431);
    gateway.stop();
}

#[test]
fn an_address_that_cannot_be_had_changes_nothing() {
    let holder = TcpListener::bind("127.0.0.2:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let pools = config(&[("a", &steady(""))]);
    let first = format!("[server]\nhttp = \"127.0.0.1:0\"\n{pools}");
    let gateway = Gateway::as_configured(folder(), &first);
    let process = gateway.get("/a/").process();
    let pools = config(&[("a", &steady("threads = 9"))]);
    let second = format!("[server]\nhttp = [\"127.0.0.1:0\", \"{taken}\"]\n{pools}");
    let output = reload(&gateway, &second);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for words in [
        taken.as_str(),
        "cannot listen",
        "everything stays as it was",
    ] {
        assert!(output.error.contains(words), "{output:?}");
    }
    assert_eq!(gateway.get("/a/").process(), process);
    drop(holder);
    goes_over(&gateway, &second);
    assert_ne!(gateway.get("/a/").process(), process);
    gateway.stop();
}
