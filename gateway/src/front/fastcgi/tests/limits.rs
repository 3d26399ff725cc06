//! Limits of time and memory, and the stop of the gateway.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use fastcgi_protocol::parse;

use super::requests::{Here, Requests};
use super::traffic::Traffic;
use super::*;
use crate::outbox::Outbox;

/// The requests of a connection that neither reads nor writes.
fn requests() -> Requests {
    Requests::new(front(), socket(), Arc::new(Traffic::default()))
}

/// Hands over records as they come.
fn receive(requests: &mut Requests, mut bytes: &[u8]) {
    while let Some((record, size)) = parse(bytes).unwrap() {
        requests.receive(record).unwrap();
        bytes = &bytes[size..];
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let settings = FastCgiListener {
        idle_timeout: Duration::from_millis(50),
        ..listener()
    };
    let mut client = Client::with(&[HELLO], &settings, |_| {});
    let id = client.get("/hello", true).await;
    client.whole(id).await;
    assert_eq!(client.next().await, Event::Closed);
    let mut silent = Client::with(&[HELLO], &settings, |_| {});
    assert_eq!(silent.next().await, Event::Closed);
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let limit = Duration::from_millis(50);
    let mut client = Client::with(&[HELLO], &listener(), |server| {
        server.header_timeout = limit
    });
    let mut out = Vec::new();
    encode::begin_request(&mut out, 1, Role::Responder, true);
    client.send(&out).await;
    assert_eq!(client.next().await, Event::Closed);
    assert!(client.served.await.unwrap().is_err());
}

#[tokio::test]
async fn a_running_request_is_not_idle() {
    let settings = FastCgiListener {
        idle_timeout: Duration::from_millis(20),
        ..listener()
    };
    let slow = ("slow", "sleep 0.3; printf 'Content-Type: a/b\\n\\nat last'");
    let mut client = Client::with(&[slow], &settings, |server| {
        server.header_timeout = Duration::from_millis(20);
    });
    let id = client.get("/slow", true).await;
    assert!(client.whole(id).await.ends_with("at last"));
}

/// Sends as much as the gateway takes, until it takes no more.
async fn fill(client: &mut Client, id: u16) -> usize {
    let mut record = Vec::new();
    encode::record(&mut record, RecordType::Stdin, id, &[b'x'; 32_768]);
    let mut sent = 0;
    loop {
        let write = client.stream.write_all(&record);
        if tokio::time::timeout(Duration::from_millis(300), write)
            .await
            .is_err()
        {
            return sent;
        }
        sent += record.len();
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_read() {
    let stuck = ("stuck", "exec sleep 1000");
    let mut client = Client::new(&[stuck]);
    let id = client.begin("/stuck", "1000000000").await;
    let taken = fill(&mut client, id).await;
    // What waits here, in a pipe, and in the sockets' buffers.
    assert!((256 * 1024..2 * 1024 * 1024).contains(&taken), "{taken}");
    // That the web server leaves is seen all the same.
    drop(client.stream);
    client.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_not_gathered() {
    let endless = (
        "endless",
        "echo Content-Type: a/b; echo; exec cat /dev/zero",
    );
    let mut client = Client::new(&[endless, HELLO]);
    let id = client.get("/endless", true).await;
    let Event::Stdout(..) = client.next().await else {
        panic!("no answer");
    };
    // Other records are taken nevertheless, and their answers come behind what has gathered.
    client.send(&[1, 99, 0, 0, 0, 0, 0, 0]).await;
    let mut before = 0;
    loop {
        match client.next().await {
            Event::Stdout(_, text) => before += text.len(),
            Event::UnknownType(99) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(before < 2 * 1024 * 1024, "{before}");
    let mut out = Vec::new();
    encode::abort_request(&mut out, id);
    client.send(&out).await;
    let (_, end) = client.answer(id).await;
    assert_eq!(end, Event::End(id, ProtocolStatus::RequestComplete));
}

#[test]
fn ends_that_nobody_reads_are_not_gathered() {
    let mut requests = requests();
    let mut round = begun(1, "9");
    encode::abort_request(&mut round, 1);
    let mut rounds = 0;
    while requests.have_room() {
        receive(&mut requests, &round);
        rounds += 1;
        assert!(rounds < 1_000_000, "it takes them without end");
    }
    let mut written = Outbox::default();
    requests.take_output(&mut written);
    assert!(!written.is_empty());
    assert!(requests.have_room());
}

/// Whether an answer has been woken.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn bodies_that_fill_the_room_together_let_every_answer_go() {
    let mut requests = requests();
    receive(&mut requests, &begun(1, "1000000000"));
    let Some(Here::Begin(work)) = requests.next_here() else {
        panic!("it does not begin");
    };
    let first = work.out.rest.as_ref().unwrap();
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let context = &mut Context::from_waker(&waker);
    assert!(first.poll_settled(context).is_pending());
    let mut second = begun(2, "1000000000");
    encode::stream(&mut second, RecordType::Stdin, 2, &[0; 256 * 1024]);
    receive(&mut requests, &second);
    assert!(!requests.have_room());
    assert!(bell.0.load(Ordering::Relaxed));
    assert!(first.poll_settled(context).is_ready());
}

#[tokio::test]
async fn draining_lets_requests_finish_and_closes_idle_connections() {
    let mut idle = Client::new(&[HELLO]);
    let id = idle.get("/hello", true).await;
    idle.whole(id).await;
    let shutdown = Arc::clone(&idle.shutdown);
    let gone = async {
        assert_eq!(idle.next().await, Event::Closed);
        drop(idle.stream);
    };
    tokio::join!(shutdown.drain(Duration::from_secs(60)), gone);

    let mut busy = Client::new(&[SLOW, HELLO]);
    let slow = busy.begin("/slow", "3").await;
    let quick = busy.get("/hello", true).await;
    busy.whole(quick).await;
    let shutdown = Arc::clone(&busy.shutdown);
    let rest = async {
        // Whether it has heard of the stop shows by its answers.
        loop {
            let id = busy.get("/hello", true).await;
            if busy.whole(id).await.starts_with("Status: 503 ") {
                break;
            }
        }
        busy.stdin(slow, b"ok\n").await;
        assert!(busy.whole(slow).await.ends_with("ok\n"));
        assert_eq!(busy.next().await, Event::Closed);
        drop(busy.stream);
    };
    tokio::join!(shutdown.drain(Duration::from_secs(60)), rest);
}

#[tokio::test]
async fn what_does_not_finish_is_cut() {
    let mut client = Client::new(&[(
        "stuck",
        "echo Content-Type: a/b; echo; echo begun; exec sleep 1000",
    )]);
    let id = client.get("/stuck", true).await;
    let Event::Stdout(..) = client.next().await else {
        panic!("no answer");
    };
    client.shutdown.drain(Duration::from_millis(50)).await;
    let (_, end) = client.answer(id).await;
    assert_eq!(end, Event::Broken);
}
