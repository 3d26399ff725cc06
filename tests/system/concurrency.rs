//! Many requests at the same time.

use std::collections::BTreeSet;

use system_tests::{Client, Gate, Gateway, extension, wait_until};
use tempfile::TempDir;

/// A gateway that serves the fixture with so many threads.
fn witness(threads: usize) -> Gateway {
    let folder = TempDir::new().unwrap();
    extension("witness", &[], folder.path());
    let text = r#"
[[site]]
[[site.handler]]
path = "*"
pool = "witness"
[pool.witness]
extension = "{dir}/witness.so"
"#;
    Gateway::with_config_in(folder, &format!("{text}threads = {threads}\n"))
}

/// So many requests are inside the extension at a time, and no more.
fn run_at_a_time(threads: usize) {
    let gateway = witness(threads);
    let gate = Gate::new(gateway.folder());
    let mut clients: Vec<Client> = (0..4 * threads)
        .map(|_| Client::connect(gateway.address()))
        .collect();
    for client in &mut clients {
        client.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
    }
    let waiting = || gateway.log().count("witness: waiting");
    wait_until("all threads wait", || waiting() >= threads);
    let open = gate.open();
    for client in &mut clients {
        assert_eq!(client.reply("GET").text(), "witnessed");
    }
    drop(open);
    wait_until("all have told", || waiting() == clients.len());
    let lines = gateway.log().so_far();
    let told = lines
        .iter()
        .filter_map(|line| line.split_once("witness: waiting, "));
    let most = told.map(|(_, text)| text.split(' ').next().unwrap().parse().unwrap());
    assert_eq!(most.max(), Some(threads));
    drop(clients);
    gateway.stop();
}

#[test]
fn eight_threads_run_eight_requests_at_a_time() {
    run_at_a_time(8);
}

#[test]
fn one_thread_runs_one_request_at_a_time() {
    run_at_a_time(1);
}

#[test]
fn two_hundred_requests_at_once_take_no_more_threads_than_run_and_read() {
    let gateway = Gateway::with_config(
        r#"
[server]
threads = 1
[[site]]
[[site.handler]]
path = "*"
pool = "crash"
[pool.crash]
extension = "{samples}/crash.so"
threads = 8
"#,
    );
    let mut clients: Vec<Client> = (0..200)
        .map(|_| Client::connect(gateway.address()))
        .collect();
    for client in &mut clients {
        client.request("GET", "/?how=sleep&ms=20", &[], b"");
    }
    let mut threads = BTreeSet::new();
    for client in &mut clients {
        let reply = client.reply("GET");
        assert_eq!(reply.status(), 200);
        assert!(reply.complete);
        let text = reply.text();
        let (_, thread) = text.rsplit_once("thread ").unwrap();
        threads.insert(thread.split('.').next().unwrap().to_owned());
    }
    // Those that run take turns with the one that reads.
    assert!(threads.len() <= 9, "{threads:?}");
    drop(clients);
    gateway.stop();
}

#[test]
fn slow_requests_do_not_delay_others_while_a_thread_is_idle() {
    let gateway = witness(8);
    let gate = Gate::new(gateway.folder());
    let mut slow: Vec<Client> = (0..7).map(|_| Client::connect(gateway.address())).collect();
    for client in &mut slow {
        client.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
    }
    wait_until("seven threads wait", || {
        gateway.log().count("witness: waiting") == 7
    });
    for _ in 0..100 {
        assert_eq!(gateway.get("/").text(), "witnessed");
    }
    let open = gate.open();
    for client in &mut slow {
        assert_eq!(client.reply("GET").text(), "witnessed");
    }
    drop(open);
    drop(slow);
    gateway.stop();
}

#[test]
fn what_an_extension_prints_goes_to_the_log_and_not_among_the_answers() {
    let gateway = witness(8);
    let mut client = Client::connect(gateway.address());
    for _ in 0..3 {
        client.request("GET", "/?print", &[], b"");
        assert_eq!(client.reply("GET").text(), "witnessed");
    }
    gateway.log().wait_for(&["witness: line 999 of"]);
    drop(client);
    gateway.stop();
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    let gateway = witness(8);
    let mut client = Client::connect(gateway.address());
    let mut sent = Vec::new();
    for path in ["/", "/missing/../x", "/"] {
        sent.extend(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").bytes());
    }
    client.send(&sent);
    let statuses = [(); 3].map(|()| client.reply("GET").status());
    assert_eq!(statuses, [200, 400, 200]);
    drop(client);
    gateway.stop();
}
