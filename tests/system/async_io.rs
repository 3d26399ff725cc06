//! Asynchronous I/O (ISAPI.md §4.3): operations that no thread waits for, and completion functions.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use system_tests::{Client, Gateway, extension, memory, wait_until};
use tempfile::TempDir;

/// A gateway that serves the fixture with eight threads.
fn gateway() -> Gateway {
    let folder = TempDir::new().unwrap();
    extension("async", &["-pthread"], folder.path());
    Gateway::with_config_in(
        folder,
        r#"
[[site]]
[[site.handler]]
path = "*"
pool = "async"
[pool.async]
extension = "{dir}/async.so"
threads = 8
concurrency = 2000
"#,
    )
}

/// The worker's process and how many threads it has.
fn threads(gateway: &Gateway) -> (u32, usize) {
    let processes = gateway.processes();
    assert_eq!(processes.len(), 1, "one worker");
    let pid = processes.first().unwrap().pid;
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    (pid, tasks.count())
}

/// A request whose body has come as far as the read-ahead, when the extension says this.
fn uploading(gateway: &Gateway, query: &str, said: &str) -> Client {
    let mut client = Client::connect(gateway.address());
    let head = format!("POST /?{query} HTTP/1.1\r\nHost: a\r\nContent-Length: 49153\r\n\r\n");
    client.send(head.as_bytes());
    client.send(&[b'x'; 49_152]);
    gateway.log().wait_for(&[said]);
    client
}

/// A file with bytes of which no two pieces are alike.
fn file(gateway: &Gateway, size: u32) -> (PathBuf, Vec<u8>) {
    let path = gateway.folder().join("file");
    let bytes: Vec<u8> = (0..size / 4)
        .flat_map(|number| number.to_be_bytes())
        .collect();
    std::fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

#[test]
fn a_hundred_thousand_chained_writes_need_no_stack_and_no_threads() {
    let gateway = gateway();
    let reply = gateway.get("/?writes=100000");
    assert!(reply.complete);
    assert_eq!(reply.body, vec![b'x'; 100_000]);
    let (pid, threads) = threads(&gateway);
    assert!(threads < 30, "{threads} threads");
    let memory = memory(pid);
    assert!(memory.peak < 32 * 1024, "{memory:?}");
    gateway.stop();
}

#[test]
fn a_hundred_thousand_chained_reads_get_every_byte_of_the_body() {
    let gateway = gateway();
    let reply = gateway.request("POST", "/?reads", &[], &[b'x'; 150_000]);
    assert_eq!(reply.text(), "150000 bytes");
    gateway.stop();
}

#[test]
fn a_thousand_pending_requests_are_held_by_eight_threads() {
    let gateway = gateway();
    let mut clients: Vec<Client> = (0..1000)
        .map(|_| {
            let mut client = Client::connect(gateway.address());
            client.request("GET", "/?hold", &[], b"");
            client
        })
        .collect();
    gateway.log().wait_for(&["async: holding 1000"]);
    assert!(threads(&gateway).1 < 30);
    assert_eq!(gateway.get("/").text(), "async");
    assert_eq!(gateway.get("/?release").text(), "released 1000");
    for client in &mut clients {
        let reply = client.reply("GET");
        assert!(reply.complete);
        assert_eq!(reply.text(), "xreleased");
    }
    let (pid, threads) = threads(&gateway);
    assert!(threads < 30, "{threads} threads");
    assert!(memory(pid).peak < 64 * 1024, "{:?}", memory(pid));
    drop(clients);
    gateway.stop();
}

#[test]
fn done_may_come_before_the_return() {
    let gateway = gateway();
    for _ in 0..100 {
        assert_eq!(gateway.get("/?early").text(), "early");
    }
    gateway.stop();
}

#[test]
fn a_return_of_success_waits_for_the_outstanding_operation() {
    let gateway = gateway();
    for _ in 0..100 {
        let reply = gateway.get("/?returns");
        assert!(reply.complete);
        assert_eq!(reply.text(), "xbehind");
    }
    gateway.stop();
}

#[test]
fn a_second_operation_is_refused_and_the_first_goes_on() {
    let gateway = gateway();
    let mut client = uploading(&gateway, "second", "async: tried a second");
    client.send(b"x");
    assert_eq!(client.reply("POST").text(), "87 87 ");
    drop(client);
    gateway.stop();
}

#[test]
fn operations_without_a_completion_function_are_refused() {
    let gateway = gateway();
    assert_eq!(gateway.get("/?unregistered").text(), "87 87 87 87 ");
    gateway.stop();
}

#[test]
fn a_read_at_the_end_of_the_body_completes_with_nothing() {
    let gateway = gateway();
    assert_eq!(gateway.get("/?waits").status(), 200);
    gateway
        .log()
        .wait_for(&["async: ended with 0 bytes and error 0"]);
    gateway.stop();
}

#[test]
fn a_client_that_leaves_ends_the_read_that_waits_for_it() {
    let gateway = gateway();
    drop(uploading(&gateway, "waits", "async: reading"));
    gateway
        .log()
        .wait_for(&["async: ended with 0 bytes and error 995"]);
    gateway.stop();
}

#[test]
fn a_client_that_leaves_ends_the_write_that_waits_for_it() {
    let gateway = gateway();
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/?downloads", &[], b"");
    let head = client.head().unwrap();
    let mut some = vec![0; 1 << 20];
    client.body(&head, "GET").read_exact(&mut some).unwrap();
    drop(client);
    gateway.log().wait_for(&["async: ended with error 995"]);
    gateway.stop();
}

#[test]
fn closing_the_connection_ends_the_read_that_waits_for_it() {
    let gateway = gateway();
    let mut client = uploading(&gateway, "closes", "error 64");
    assert_eq!(client.head().unwrap().status, 200);
    drop(client);
    gateway.stop();
}

#[test]
fn cancelling_ends_the_read() {
    let gateway = gateway();
    drop(uploading(&gateway, "cancels", "error 995"));
    gateway.stop();
}

#[test]
fn a_pending_request_is_over_before_the_extension_is_terminated() {
    let gateway = gateway();
    let client = uploading(&gateway, "waits", "async: reading");
    let log = gateway.log().clone();
    drop(client);
    gateway.stop();
    let lines = log.to_end();
    let place = |words: &str| lines.iter().position(|line| line.contains(words)).unwrap();
    assert!(place("error 995") < place("async: terminated"));
}

#[test]
fn a_file_is_transmitted_between_head_and_tail() {
    let gateway = gateway();
    let (path, bytes) = file(&gateway, 3_000_000);
    let expected = [b"head:", &bytes[..], b":tail"].concat();
    let path = path.to_str().unwrap();
    let reply = gateway.get(&format!("/?file={path}"));
    assert!(reply.complete);
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert!(reply.body == expected, "{} bytes", reply.body.len());
    // The head counts with its header lines.
    gateway
        .log()
        .wait_for(&["async: sent 3000038 bytes with error 0"]);
    let reply = gateway.get(&format!("/?raw={path}"));
    assert!(reply.complete);
    assert!(
        reply.body == expected.repeat(2),
        "{} bytes",
        reply.body.len()
    );
    gateway
        .log()
        .wait_for(&["async: sent 3000010 bytes with error 0"]);
    gateway.stop();
}

#[test]
fn a_slow_client_gets_a_file_whole() {
    let gateway = gateway();
    let (path, bytes) = file(&gateway, 40_000_000);
    let (pid, _) = threads(&gateway);
    let mut before = taken_in(pid);
    let begun = before + 100_000;
    let mut client = Client::connect(gateway.address());
    client.request("GET", &format!("/?file={}", path.display()), &[], b"");
    let head = client.head().unwrap();
    // The worker has come to a stop: everything on the way is full, which is much or little by the system's settings.
    wait_until("nothing moves any more", || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let now = taken_in(pid);
        std::mem::replace(&mut before, now) == now && now > begun
    });
    assert!(before < begun + 20_000_000, "the file has been read whole");
    assert_eq!(gateway.get("/").text(), "async");
    let mut body = Vec::new();
    client.body(&head, "GET").read_to_end(&mut body).unwrap();
    assert!(body == [b"head:", &bytes[..], b":tail"].concat());
    assert!(memory(pid).peak < 32 * 1024);
    drop(client);
    gateway.stop();
}

/// Bytes that a process has read: of the file, above all.
fn taken_in(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

#[test]
fn disconnecting_after_a_file_ends_the_answer() {
    let gateway = gateway();
    let (path, bytes) = file(&gateway, 1000);
    let reply = gateway.get(&format!("/?last={}", path.display()));
    assert!(reply.complete);
    assert_eq!(reply.body, [b"head:", &bytes[..], b":tail"].concat());
    gateway
        .log()
        .wait_for(&["async: a late write gives 0, error 10054"]);
    gateway.stop();
}

#[test]
fn a_vector_reaches_behind_four_gigabytes() {
    let gateway = gateway();
    let path = gateway.folder().join("sparse");
    let sparse = File::create(&path).unwrap();
    sparse.write_all_at(b"0123456789", 5 << 30).unwrap();
    for query in ["vector", "avector"] {
        let reply = gateway.get(&format!("/?{query}={}", path.display()));
        assert_eq!((reply.status(), reply.complete), (201, true));
        assert_eq!(reply.text(), "head:0123456789:tail");
    }
    gateway.log().wait_for(&[
        "async: sent 48 bytes with error 0",
        "a late write gives 0, error 87",
    ]);
    gateway.stop();
}

#[test]
fn wrong_files_and_vectors_are_refused_and_nothing_is_sent() {
    let gateway = gateway();
    let (path, _) = file(&gateway, 1000);
    let reply = gateway.get(&format!("/?refused={}", path.display()));
    assert_eq!(reply.text(), "6 6 10022 38 87 87 87 87 87 87 ");
    gateway.stop();
}

#[test]
fn a_crash_in_what_is_no_completion_function_names_its_request() {
    let gateway = gateway();
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/?garbage", &[], b"");
    // Without an answer when the crash overtakes its head.
    if let Ok(head) = client.head() {
        let body = client.body(&head, "GET").read_to_end(&mut Vec::new());
        assert!(head.status == 502 || body.is_err());
    }
    gateway
        .log()
        .wait_for(&["SIGSEGV", "executing", "async.so", "request ", " GET /"]);
    assert_eq!(gateway.get("/").text(), "async");
    gateway.stop();
}

#[test]
fn the_address_of_the_control_block_will_do_for_the_conn_id() {
    let gateway = gateway();
    assert_eq!(gateway.get("/?block").text(), "by the block");
    gateway.stop();
}
