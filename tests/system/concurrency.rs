//! Many requests at the same time.

use std::collections::BTreeSet;

use system_tests::{Client, Gate, Gateway, extension, wait_until};
use tempfile::TempDir;

/// A gateway that serves the fixture with eight threads.
fn witness() -> Gateway {
    let folder = TempDir::new().unwrap();
    extension("witness", &[], folder.path());
    Gateway::with_config_in(
        folder,
        r#"
[[site]]
[[site.handler]]
path = "*"
pool = "witness"
[pool.witness]
extension = "{dir}/witness.so"
threads = 8
"#,
    )
}

#[test]
fn two_hundred_requests_at_once_are_answered_by_eight_threads() {
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
    // Eight at a time, and they take turns with the one that reads.
    assert!((2..=9).contains(&threads.len()), "{threads:?}");
    drop(clients);
    gateway.stop();
}

#[test]
fn slow_requests_do_not_delay_others_while_a_thread_is_idle() {
    let gateway = witness();
    let gate = Gate::new(gateway.folder());
    let mut slow: Vec<Client> = (0..7).map(|_| Client::connect(gateway.address())).collect();
    for client in &mut slow {
        client.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
    }
    wait_until("seven threads wait", || {
        let lines = gateway.log().so_far();
        let waiting = lines
            .iter()
            .filter(|line| line.contains("witness: waiting"));
        waiting.count() == 7
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
    let gateway = witness();
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
    let gateway = witness();
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
