//! Extensions that crash, exit or hang: their request fails, nobody else notices, and they are soon back.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};

use system_tests::{
    Client, Gate, Gateway, Process, Reply, Signal, extension, sample, send, wait_until,
};
use tempfile::TempDir;

use crate::steady;

/// A pool whose extension crashes beside one whose extension does not.
fn gateway(extra: &str) -> Gateway {
    let text = r#"
[[site]]
[[site.handler]]
path = "/crash"
pool = "crash"
[[site.handler]]
path = "/hello"
pool = "hello"
[[site.handler]]
path = "/stream"
pool = "stream"
[pool.hello]
extension = "{samples}/hello.so"
[pool.stream]
extension = "{samples}/stream.so"
[pool.crash]
extension = "{samples}/crash.so"
"#;
    Gateway::with_config(&[text, extra].concat())
}

/// A fixture that crashes when it has sent more than anybody on the way gathers.
fn witness() -> (Gateway, TempDir) {
    let folder = TempDir::new().unwrap();
    let file = extension("witness", &[], folder.path());
    (Gateway::serve(&file), folder)
}

/// Runs `crash` while requests for another pool run all the time; they must all be answered, by one process.
fn beside_others(gateway: &Gateway, crash: impl FnOnce()) {
    let done = AtomicBool::new(false);
    let address = gateway.address();
    std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut client = Client::connect(address);
            let (mut process, mut count) = (None, 0);
            while !done.load(Ordering::Relaxed) || count < 10 {
                client.request("GET", "/hello", &[], b"");
                let reply = client.reply("GET");
                assert_eq!((reply.status(), reply.complete), (200, true));
                assert_eq!(reply.text(), "Hello, world!");
                assert_eq!(*process.get_or_insert(reply.process()), reply.process());
                count += 1;
            }
        });
        let _stop = OnDrop(&done);
        crash();
        done.store(true, Ordering::Relaxed);
        others.join().unwrap();
    });
}

/// Sets its flag when the test fails too, so that the other thread ends.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The pool answers again, at the first try.
fn answers(gateway: &Gateway) {
    let reply = gateway.get("/crash");
    assert_eq!(reply.status(), 200);
    assert!(reply.text().contains("Ways to fail"));
}

fn fails(way: &str, in_log: &str) {
    let gateway = gateway("");
    beside_others(&gateway, || {
        gateway.processes();
        let reply = gateway.get(&format!("/crash?how={way}"));
        is_bad_gateway(&reply);
        answers(&gateway);
        let path = sample("crash");
        gateway.log().wait_for(&[in_log, path.to_str().unwrap()]);
    });
    gateway.stop();
}

/// Says that it failed, whole, and nothing of why.
fn is_bad_gateway(reply: &Reply) {
    assert_eq!((reply.status(), reply.complete), (502, true));
    let text = reply.text();
    for secret in ["crash.so", "SIG", "signal", "worker", "/tmp"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn a_segmentation_fault_is_survived() {
    fails("segfault", "SIGSEGV");
}

#[test]
fn an_abort_is_survived() {
    fails("abort", "SIGABRT");
}

#[test]
fn an_exit_is_survived() {
    fails("exit", "exited with status 3");
}

#[test]
fn a_stack_overflow_is_survived() {
    fails("overflow", "SIGSEGV");
}

#[test]
fn a_hang_is_ended() {
    let gateway = gateway("request_timeout = \"1s\"\n");
    beside_others(&gateway, || {
        gateway.processes();
        let hanging = gateway.get("/crash?how=hang");
        is_bad_gateway(&hanging);
        // The limit is that of every request: a slow machine may need another try.
        wait_until("the pool answers again", || {
            gateway.get("/crash").status() == 200
        });
        let path = sample("crash");
        gateway
            .log()
            .wait_for(&["longer than 1s", path.to_str().unwrap()]);
    });
    gateway.stop();
}

#[test]
fn a_crash_in_the_middle_breaks_an_answer_of_chunks() {
    let (gateway, _folder) = witness();
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/?late", &[], b"");
    let reply = client.reply("GET");
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    assert!(!reply.complete, "{} bytes", reply.body.len());
    gateway.log().wait_for(&["SIGABRT", "witness.so"]);
    assert_eq!(gateway.get("/").text(), "witnessed");
    gateway.stop();
}

#[test]
fn a_crash_behind_a_little_of_an_answer_never_looks_complete() {
    let gateway = gateway("");
    beside_others(&gateway, || {
        let mut client = Client::connect(gateway.address());
        client.request("GET", "/crash?how=late", &[], b"");
        // The little may still have been in the worker, and its head on the way when the end came.
        if let Ok(head) = client.head() {
            let read = client.body(&head, "GET").read_to_end(&mut Vec::new());
            assert!(head.status == 502 || read.is_err(), "{head:?}");
        }
        answers(&gateway);
        let path = sample("crash");
        gateway.log().wait_for(&["SIGSEGV", path.to_str().unwrap()]);
    });
    gateway.stop();
}

#[test]
fn a_crash_in_the_middle_breaks_an_answer_with_a_length() {
    let gateway = gateway("");
    beside_others(&gateway, || {
        let mut client = Client::connect(gateway.address());
        client.request("GET", "/stream?mib=1000", &[], b"");
        let head = client.head().unwrap();
        let process = head.header("x-process").unwrap().parse().unwrap();
        send(process, Signal::KILL);
        let mut body = client.body(&head, "GET");
        let read = std::io::copy(&mut body, &mut std::io::sink());
        assert!(read.is_err(), "{read:?}");
        gateway.log().wait_for(&["SIGKILL", "stream.so"]);
    });
    gateway.stop();
}

#[test]
fn a_crash_in_the_middle_breaks_an_answer_that_ends_with_its_connection() {
    let (gateway, _folder) = witness();
    let mut client = Client::connect(gateway.address()).with_http_1_0();
    client.request("GET", "/?late", &[], b"");
    let reply = client.reply("GET");
    assert_eq!(reply.status(), 200);
    assert!(!reply.complete, "{} bytes", reply.body.len());
    gateway.stop();
}

#[test]
fn an_idle_worker_that_is_killed_is_replaced() {
    let gateway = gateway("");
    let first = gateway.get("/hello").process();
    let process = Process::find(first).unwrap();
    send(first, Signal::KILL);
    process.wait_gone();
    gateway.log().wait_for(&["SIGKILL", "hello.so"]);
    let reply = gateway.get("/hello");
    assert_eq!(reply.status(), 200);
    assert_ne!(reply.process(), first);
    gateway.stop();
}

#[test]
fn one_crash_after_the_other_is_survived() {
    let gateway = gateway("rapid_fail.failures = 0\n");
    beside_others(&gateway, || {
        for _ in 0..10 {
            gateway.processes();
            assert_eq!(gateway.get("/crash?how=segfault").status(), 502);
        }
        answers(&gateway);
    });
    gateway.stop();
}

#[test]
fn every_process_of_a_pool_takes_requests() {
    let gateway = steady::native(&[steady::DURABLE, "processes = 3\nconcurrency = 1\n"].concat());
    let gate = Gate::new(gateway.folder());
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(gateway.address())).collect();
    for client in &mut clients {
        client.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
    }
    // All at the same time, so each has one of its own.
    wait_until("all are at work", || {
        gateway.log().count("steady: waiting") == 3
    });
    let open = gate.open();
    let replies = clients.iter_mut().map(|client| client.reply("GET"));
    let processes: BTreeSet<u32> = replies.map(|reply| reply.process()).collect();
    assert_eq!(processes.len(), 3, "{processes:?}");
    drop((open, clients));
    gateway.stop();
}
