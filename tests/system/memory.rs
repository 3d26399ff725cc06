//! Nothing is buffered without a bound: a gibibyte each way through processes of less than 64 MiB.

use std::io::Read as _;
use std::time::Duration;

use system_tests::{Client, Gateway, memory, sample};

use crate::echo::{Coding, PIECE, echo};

const GIBIBYTE: u64 = 1 << 30;
/// KiB.
const LIMIT: u64 = 64 * 1024;

/// The peer's pace: the first reads of [`PIECE`] come at intervals, the others as fast as they can.
struct Pace {
    slow_reads: u32,
}

impl Pace {
    fn new() -> Self {
        Self { slow_reads: 200 }
    }

    fn step(&mut self) {
        if self.slow_reads > 0 {
            self.slow_reads -= 1;
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn of_a_gibibyte_down_to_a_slow_client_is_bounded() {
    let gateway = Gateway::serve(&sample("stream"));
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/?mib=1024&chunk=65536", &[], b"");
    let head = client.head().unwrap();
    let mut body = client.body(&head, "GET");
    let (mut pace, mut total, mut buffer) = (Pace::new(), 0, vec![0; PIECE]);
    loop {
        pace.step();
        let count = body.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        total += count as u64;
    }
    assert_eq!(total, GIBIBYTE);
    check(&gateway);
    drop(client);
    gateway.stop();
}

#[test]
fn of_a_gibibyte_up_from_a_client_that_reads_slowly_is_bounded() {
    let gateway = Gateway::serve(&sample("echo"));
    let mut client = Client::connect(gateway.address());
    let mut pace = Pace::new();
    echo(&mut client, "/", GIBIBYTE, Coding::Length, || pace.step());
    check(&gateway);
    drop(client);
    gateway.stop();
}

/// More than there are buffers for in the memory that gateway and worker share.
#[test]
fn of_clients_that_do_not_read_is_bounded_and_holds_up_nobody() {
    const CLIENTS: usize = 40;
    let gateway = Gateway::with_config(
        r#"
[[site]]
[[site.handler]]
path = "/stream"
pool = "stream"
[pool.stream]
extension = "{samples}/stream.so"
threads = 64
"#,
    );
    let ask = || {
        let mut client = Client::connect(gateway.address());
        client.request("GET", "/stream?mib=16&chunk=65536", &[], b"");
        client
    };
    let read = |mut client: Client| {
        let head = client.head().unwrap();
        let mut body = Vec::new();
        client.body(&head, "GET").read_to_end(&mut body).unwrap();
        body
    };
    let expected = read(ask());
    assert_eq!(expected.len(), 16 << 20);
    let stalled: Vec<Client> = (0..CLIENTS).map(|_| ask()).collect();
    for _ in 0..4 {
        assert!(read(ask()) == expected);
    }
    check(&gateway);
    for client in stalled {
        assert!(read(client) == expected);
    }
    check(&gateway);
    gateway.stop();
}

fn check(gateway: &Gateway) {
    let processes = gateway.processes();
    assert_eq!(processes.len(), 1, "one worker");
    let workers = processes.iter().map(|process| process.pid);
    for pid in workers.chain([gateway.pid()]) {
        let memory = memory(pid);
        assert!(memory.peak < LIMIT, "process {pid}: {memory:?}");
    }
}
