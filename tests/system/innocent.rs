//! When a worker dies, the requests in it that are not to blame run again, and their clients do not notice.

use std::collections::BTreeSet;

use system_tests::{Client, Gate, Gateway, Load, Process, Signal, send, wait_until};

use crate::steady;

fn gateway(keys: &str) -> Gateway {
    steady::native(&[steady::DURABLE, keys].concat())
}

/// Clients whose requests are in the worker, waiting at the gate.
fn waiting(gateway: &Gateway, gate: &Gate, method: &str, body: &[u8], count: usize) -> Vec<Client> {
    let before = waits(gateway);
    let mut clients: Vec<Client> = (0..count)
        .map(|_| Client::connect(gateway.address()))
        .collect();
    for client in &mut clients {
        client.request(method, &format!("/?wait={}", gate.path()), &[], body);
    }
    wait_until("they wait", || waits(gateway) == before + count);
    clients
}

fn waits(gateway: &Gateway) -> usize {
    gateway.log().count("steady: waiting")
}

#[test]
fn the_culprit_fails_and_the_others_run_again() {
    // Less than there is of the longer body when its request waits.
    let gateway = gateway("retry_body = '32KiB'\n");
    let gate = Gate::new(gateway.folder());
    let mut get = waiting(&gateway, &gate, "GET", b"", 5);
    let mut put = waiting(&gateway, &gate, "PUT", &[b'x'; 20_000], 1);
    let mut post = waiting(&gateway, &gate, "POST", b"x", 1);
    let mut long = waiting(&gateway, &gate, "PUT", &[b'x'; 100_000], 1);
    assert_eq!(gateway.get("/?crash").status(), 502);
    // Not safe to repeat, and longer than what is kept.
    assert_eq!(post[0].reply("POST").status(), 502);
    assert_eq!(long[0].reply("PUT").status(), 502);
    wait_until("the innocent wait again", || waits(&gateway) == 8 + 6);
    let open = gate.open();
    let mut processes = BTreeSet::new();
    for client in &mut get {
        let reply = client.reply("GET");
        assert_eq!(reply.text(), "version 1");
        processes.insert(reply.process());
    }
    assert_eq!(put[0].reply("PUT").text(), "version 1");
    drop(open);
    assert_eq!(processes.len(), 1);
    let line =
        gateway
            .log()
            .wait_for(&["isapi-worker: crash: SIGSEGV", "at steady.so+", "request "]);
    assert!(line.contains(" GET /"), "{line}");
    drop((get, put, post, long));
    gateway.stop();
}

#[test]
fn who_calls_exit_is_the_culprit() {
    let gateway = gateway("");
    let gate = Gate::new(gateway.folder());
    let mut clients = waiting(&gateway, &gate, "GET", b"", 3);
    assert_eq!(gateway.get("/?exit").status(), 502);
    gateway
        .log()
        .wait_for(&["exited with status 3", "the extension has called exit"]);
    wait_until("the others wait again", || waits(&gateway) == 6);
    let dead = gateway.log().count("requests in it: 4");
    assert_eq!(dead, 1, "it has not run again");
    let open = gate.open();
    for client in &mut clients {
        assert_eq!(client.reply("GET").text(), "version 1");
    }
    drop(open);
    drop(clients);
    gateway.stop();
}

#[test]
fn without_a_culprit_all_run_again_once() {
    let gateway = gateway("");
    let gate = Gate::new(gateway.folder());
    let first = gateway.get("/").process();
    let mut clients = waiting(&gateway, &gate, "GET", b"", 3);
    send(first, Signal::KILL);
    wait_until("they wait again", || waits(&gateway) == 6);
    let second = gateway.get("/").process();
    assert_ne!(first, second);
    send(second, Signal::KILL);
    for client in &mut clients {
        assert_eq!(client.reply("GET").status(), 502);
    }
    drop(clients);
    gateway.stop();
}

#[test]
fn one_percent_crash_and_nobody_else_fails() {
    let gateway = gateway("processes = 4\n");
    steady::one_percent_crash(&gateway, 32, 5_000);
    gateway.stop();
}

#[test]
fn workers_are_killed_at_random_and_nobody_fails() {
    let gateway = gateway("processes = 3\n");
    let load = Load::start(gateway.address(), 16, |_| "/".into());
    let mut victim = 0;
    while load.sent() < 5_000 || victim < 20 {
        // Each request is lost once at most.
        load.wait_for_answers();
        let alive: Vec<Process> = gateway
            .processes()
            .into_iter()
            .filter(|process| process.is_alive())
            .collect();
        victim += 1;
        if let Some(process) = alive.get(victim % 3) {
            send(process.pid, Signal::KILL);
            // From now on the gateway gives it no request, which would be lost, too.
            let told = format!("worker {} was killed by signal 9", process.pid);
            gateway.log().wait_for(&[&told]);
        }
    }
    let outcome = load.stop();
    outcome.only(&["200 version 1"]);
    assert!(outcome.processes.len() > 5, "{outcome:?}");
    gateway.stop();
}
