//! Operations on real completion threads.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::completions::Completions;

/// Bytes that each request sends, one by one.
const BYTES: u64 = 300;

/// A connection that counts what is sent and tells which requests have ended.
struct Counter {
    completions: Arc<Completions>,
    sent: AtomicU64,
    finished: Mutex<Sender<()>>,
}

impl Link for Counter {
    fn send(&self, _: u16, _: Stream, bytes: &[u8]) -> Result<(), Gone> {
        self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn finish(&self, id: u16, last: &[u8], _: Ending, _: &[u8]) {
        self.send(id, Stream::Stdout, last).unwrap();
        self.finished.lock().unwrap().send(()).unwrap();
    }

    fn report(&self, _: u16, _: &str) {}

    fn grant(&self, _: u16, _: u32) {}

    fn resume(&self, session: Arc<Session>) {
        self.completions.submit(session);
    }
}

/// Writes a byte, and the next one when it is sent; DONE at the end, or when the client has gone.
fn chain(session: &Arc<Session>, left: u64) {
    let next = Arc::clone(session);
    let complete = move |_, error| {
        if error == 0 && left > 1 {
            chain(&next, left - 1);
        } else {
            next.end(Event::Done(HSE_STATUS_SUCCESS), 200, b"");
        }
        next.end(Event::Completed, 200, b"");
    };
    let byte = Piece::Memory(Box::new(b"x"));
    let work = Work::Send(Sending::new(vec![byte], 0, None));
    if session
        .start(|_, _| Ok(()), work, Box::new(complete))
        .is_err()
    {
        // The client has gone between two writes.
        session.end(Event::Done(HSE_STATUS_SUCCESS), 200, b"");
    }
}

/// Starts requests that send their bytes in chains, with this little credit.
fn chains(count: u16, credit: u32) -> (Arc<Counter>, Vec<Arc<Session>>, Receiver<()>) {
    let (sender, finished) = channel();
    let link = Arc::new(Counter {
        completions: Completions::new(3),
        sent: AtomicU64::new(0),
        finished: Mutex::new(sender),
    });
    let sessions = (0..count)
        .map(|id| {
            let credit = Credit {
                stdin: Grant::new(1),
                stdout: Window::new(credit),
            };
            let link = Arc::clone(&link);
            let variables = Variables::new(Params::new());
            let session = Arc::new(Session::new(id, link, variables, Some(0), Some(credit)));
            session.begin();
            session
                .respond(|response, out| response.send_header(b"200 OK", b"", out))
                .unwrap();
            chain(&session, BYTES);
            session.end(Event::Returned(HSE_STATUS_PENDING), 200, b"");
            session
        })
        .collect();
    (link, sessions, finished)
}

#[test]
fn every_byte_is_sent_however_credit_and_completions_meet() {
    const REQUESTS: u16 = 20;
    let (link, sessions, finished) = chains(REQUESTS, 0);
    for _ in 0..BYTES + HEAD.len() as u64 {
        for session in &sessions {
            session.add_credit(1).unwrap();
        }
    }
    for _ in 0..REQUESTS {
        finished.recv().unwrap();
    }
    assert!(finished.try_recv().is_err());
    let each = BYTES + HEAD.len() as u64;
    assert_eq!(
        link.sent.load(Ordering::Relaxed),
        u64::from(REQUESTS) * each
    );
}

#[test]
fn every_request_ends_once_however_its_client_leaves() {
    const REQUESTS: u16 = 200;
    let (_, sessions, finished) = chains(REQUESTS, 100);
    for session in &sessions {
        session.abort();
    }
    for _ in 0..REQUESTS {
        finished.recv().unwrap();
    }
    assert!(finished.try_recv().is_err());
}

#[test]
fn a_write_in_a_completion_function_needs_no_other_thread_for_what_is_outstanding() {
    let (session, calls) = operation::pending(Some(1000));
    let (sender, second) = channel();
    let shared = Arc::clone(&session);
    let complete = move |_, _| {
        sender.send(operation::write(&shared, b"second ")).unwrap();
        shared.write(b"third").unwrap();
        shared.end(Event::Completed, 200, b"");
    };
    let first = operation::sending(vec![operation::memory(b"first ")], None);
    session
        .start(|_, _| Ok(()), first, Box::new(complete))
        .unwrap();
    // This is the only thread for completion functions.
    session.advance();
    let second = second.recv().unwrap();
    assert!(second.try_recv().is_err());
    assert!(operation::is_resumed(&calls));
    session.advance();
    assert_eq!(second.recv(), Ok((7, 0)));
}
