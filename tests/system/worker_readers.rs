//! The worker without a gateway reads many connections by few threads: none of them keeps the others waiting.

use fastcgi_protocol::encode;
use system_tests::sample;

use crate::fastcgi::{Connection, Event};
use crate::worker::{GET, Worker, text, with};

/// Others are served meanwhile, more than there are threads that read.
fn others_are_served(worker: &Worker) {
    let processors = std::thread::available_parallelism().unwrap().get();
    let mut others: Vec<Connection> = (0..2 * processors).map(|_| worker.connect()).collect();
    for _ in 0..10 {
        for other in &mut others {
            assert!(!other.request(&GET, b"", true).is_empty());
        }
    }
}

#[test]
fn a_client_that_does_not_read_its_answer() {
    let worker = Worker::listening(&sample("echo"));
    let mut stalled = worker.connect();
    // More than the sockets hold of the answer, and then of the body more than is read beside other connections.
    let sent = text(500_000);
    let upload = with(&[("REQUEST_METHOD", "POST"), ("CONTENT_LENGTH", "500000")]);
    let id = stalled.begin(&upload, true);
    stalled.stdin(id, sent.as_bytes());
    others_are_served(&worker);
    stalled.stdin(id, b"");
    assert!(stalled.answer(id).ends_with(sent.as_bytes()));
    assert!(!stalled.request(&GET, b"", true).is_empty());
    worker.stop();
}

#[test]
fn a_client_that_asks_without_end_and_reads_nothing() {
    const ASKED: usize = 10_000;
    let worker = Worker::listening(&sample("hello"));
    let mut stalled = worker.connect();
    let mut out = Vec::new();
    for _ in 0..ASKED {
        encode::get_values(&mut out, [&b"FCGI_MAX_CONNS"[..]]);
    }
    stalled.send(&out);
    others_are_served(&worker);
    for _ in 0..ASKED {
        let Some((0, Event::Values(values))) = stalled.next() else {
            panic!("no values");
        };
        assert_eq!(values.len(), 1);
    }
    let answer = stalled.request(&GET, b"", true);
    assert!(answer.ends_with(b"Hello, world!"));
    worker.stop();
}
