//! Clients that are bound to a worker by a cookie or a header, and what becomes of them when it goes.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use system_tests::{Client, Gate, Gateway, Reply, Signal, extension, send, wait_until};
use tempfile::TempDir;

use crate::steady;

fn gateway(keys: &str) -> Gateway {
    steady::native(&[steady::DURABLE, keys].concat())
}

/// Replaces the extension's file by the next version.
fn next_version(gateway: &Gateway) {
    let folder = TempDir::new_in(gateway.folder()).unwrap();
    let new = extension("steady", &["-DVERSION=2"], folder.path());
    fs::rename(new, gateway.folder().join("steady.so")).unwrap();
}

/// `NAME=VALUE` of the cookie that an answer sets.
fn cookie(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie").expect("a cookie");
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
    pair.to_owned()
}

fn with_cookie(gateway: &Gateway, cookie: &str) -> Reply {
    let reply = gateway.request("GET", "/", &[&format!("Cookie: a=b; {cookie}")], b"");
    assert_eq!(reply.status(), 200);
    reply
}

#[test]
fn a_cookie_leads_to_the_same_worker_and_new_clients_to_all() {
    // One request each: who comes before the pool knows that a worker is ready, which the log tells earlier, waits for it.
    let gateway = gateway("processes = 3\nconcurrency = 1\nsticky = \"ROUTE\"\n");
    let gate = Gate::new(gateway.folder());
    let mut waiting: Vec<Client> = Vec::new();
    for count in 1..=3 {
        let mut client = Client::connect(gateway.address());
        client.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
        wait_until("it is at work", || {
            gateway.log().count("steady: waiting") == count
        });
        waiting.push(client);
    }
    let open = gate.open();
    let replies = waiting.iter_mut().map(|client| client.reply("GET"));
    let clients: Vec<_> = replies
        .map(|reply| (cookie(&reply), reply.process()))
        .collect();
    drop((open, waiting));
    let processes: BTreeSet<u32> = clients.iter().map(|(_, process)| *process).collect();
    assert_eq!(processes.len(), 3);
    for (cookie, process) in &clients {
        assert!(cookie.starts_with("ROUTE="));
        let reply = with_cookie(&gateway, cookie);
        assert_eq!(reply.process(), *process);
        assert_eq!(reply.header("set-cookie"), None, "it is bound already");
    }
    gateway.stop();
}

#[test]
fn who_is_bound_to_a_busy_worker_waits_for_it_and_holds_nobody_up() {
    let gateway = gateway("processes = 2\nconcurrency = 1\nsticky = \"ROUTE\"\n");
    let gate = Gate::new(gateway.folder());
    let first = gateway.get("/");
    let cookie = format!("Cookie: {}", cookie(&first));
    let mut busy = Client::connect(gateway.address());
    busy.request("GET", &format!("/?wait={}", gate.path()), &[&cookie], b"");
    gateway.log().wait_for(&["steady: waiting"]);
    let mut bound = Client::connect(gateway.address());
    bound.request("GET", "/", &[&cookie], b"");
    for _ in 0..10 {
        assert_ne!(gateway.get("/").process(), first.process());
    }
    let open = gate.open();
    assert_eq!(busy.reply("GET").process(), first.process());
    assert_eq!(bound.reply("GET").process(), first.process());
    drop(open);
    drop((busy, bound));
    gateway.stop();
}

#[test]
fn a_client_whose_worker_has_gone_is_bound_to_another_one() {
    let gateway = gateway("processes = 2\nsticky = \"ROUTE\"\n");
    let first = gateway.get("/");
    let old = cookie(&first);
    send(first.process(), Signal::KILL);
    let mut reply = with_cookie(&gateway, &old);
    wait_until("the worker has gone", || {
        reply = with_cookie(&gateway, &old);
        reply.header("set-cookie").is_some()
    });
    assert_ne!(reply.process(), first.process());
    let new = cookie(&reply);
    assert_ne!(new, old);
    assert_eq!(with_cookie(&gateway, &new).process(), reply.process());
    for wrong in ["ROUTE=", "ROUTE=0123456789abcdef", "ROUTE=x"] {
        cookie(&with_cookie(&gateway, wrong));
    }
    gateway.stop();
}

#[test]
fn a_header_does_for_programs() {
    let gateway = gateway("processes = 3\nsticky_header = \"X-Route\"\n");
    let first = gateway.get("/");
    let header = format!("X-Route: {}", first.header("x-route").unwrap());
    for _ in 0..10 {
        let reply = gateway.request("GET", "/", &[&header], b"");
        assert_eq!(reply.process(), first.process());
        assert_eq!(reply.header("x-route"), None);
    }
    assert_eq!(first.header("set-cookie"), None);
    gateway.stop();
}

#[test]
fn a_replaced_worker_serves_its_clients_until_their_time_is_over() {
    let gateway = gateway("sticky = \"ROUTE\"\nsticky_drain = \"15s\"\n");
    let first = gateway.get("/");
    let old = cookie(&first);
    let before = Instant::now();
    next_version(&gateway);
    gateway
        .log()
        .wait_for(&["goes on for up to 15s for clients that are bound to it"]);
    let mut new = gateway.get("/");
    wait_until("new clients get the new version", || {
        new = gateway.get("/");
        new.text() == "version 2"
    });
    let reply = with_cookie(&gateway, &old);
    // A slow machine may have got here when their time is over.
    if before.elapsed() < Duration::from_secs(15) {
        assert_eq!(
            (reply.text(), reply.process()),
            ("version 1".into(), first.process())
        );
    }
    // Afterwards they are bound to the new one.
    let mut moved = reply;
    wait_until("the time is over", || {
        moved = with_cookie(&gateway, &old);
        moved.text() == "version 2"
    });
    assert_eq!(cookie(&moved), cookie(&new));
    gateway.log().wait_for(&["takes no more requests"]);
    gateway.log().wait_for(&["steady: terminated"]);
    gateway.stop();
}

#[test]
fn without_drain_clients_move_at_once() {
    let gateway = gateway("sticky = \"ROUTE\"\nsticky_drain = 0\n");
    let old = cookie(&gateway.get("/"));
    next_version(&gateway);
    gateway.log().wait_for(&["steady: terminated"]);
    let reply = with_cookie(&gateway, &old);
    assert_eq!(reply.text(), "version 2");
    assert_ne!(cookie(&reply), old);
    gateway.stop();
}
