use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use fastcgi_protocol::{Grant, Params, Window};
use isapi_abi::error::{ERROR_INVALID_PARAMETER, WSAECONNRESET};
use isapi_abi::status::{HSE_STATUS_PENDING, HSE_STATUS_SUCCESS};

use super::*;
use crate::link::{Gone, Stream};

mod body_first;
mod credit;
mod ending;
mod exec;
mod lent;
mod operation;
mod pieces;
mod threads;

/// What a request does to its connection.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    Stdout(Vec<u8>),
    Params(Vec<u8>),
    Entity(Vec<u8>),
    End(Stream),
    ErrorPage(ErrorPage),
    Finish(Vec<u8>, Ending, Vec<u8>),
    Report(String),
    Grant(u32),
    Resume,
}

struct Recorder {
    calls: Mutex<Sender<Call>>,
    /// Who wants to know that a thread is about to wait.
    waits: Option<Mutex<Sender<()>>>,
}

impl Recorder {
    fn new(calls: Sender<Call>) -> Self {
        Self {
            calls: Mutex::new(calls),
            waits: None,
        }
    }

    fn note(&self, call: Call) {
        self.calls.lock().unwrap().send(call).unwrap();
    }
}

impl Link for Recorder {
    fn send(&self, _: u16, stream: Stream, bytes: &[u8]) -> Result<(), Gone> {
        self.note(match stream {
            Stream::Stdout => Call::Stdout(bytes.to_vec()),
            Stream::ExecParams => Call::Params(bytes.to_vec()),
            Stream::ExecStdin => Call::Entity(bytes.to_vec()),
        });
        Ok(())
    }

    fn end_stream(&self, _: u16, stream: Stream) {
        self.note(Call::End(stream));
    }

    fn error_page(&self, _: u16, page: &ErrorPage) {
        self.note(Call::ErrorPage(page.clone()));
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn finish(&self, _: u16, last: &[u8], ending: Ending, log: &[u8]) {
        self.note(Call::Finish(last.to_vec(), ending, log.to_vec()));
    }

    fn report(&self, _: u16, text: &str) {
        self.note(Call::Report(text.to_owned()));
    }

    fn grant(&self, _: u16, bytes: u32) {
        self.note(Call::Grant(bytes));
    }

    fn resume(&self, _: Arc<Session>) {
        self.note(Call::Resume);
    }

    fn expect(&self) -> bool {
        if let Some(waits) = &self.waits {
            // Nobody listens any more when the test is over.
            let _ = waits.lock().unwrap().send(());
        }
        false
    }
}

/// A request with this declared length and this much credit in both directions.
fn session(length: Option<u64>, credit: Option<u32>) -> (Arc<Session>, Receiver<Call>) {
    let (sender, receiver) = channel();
    let mut params = Params::new();
    params.push(b"REQUEST_METHOD", b"POST");
    let credit = credit.map(|bytes| Credit {
        stdin: Grant::new(bytes),
        stdout: Window::new(bytes),
    });
    let link = Arc::new(Recorder::new(sender));
    let session = Session::new(1, link, Variables::new(params), length, credit);
    (Arc::new(session), receiver)
}

fn started(credit: Option<u32>) -> (Arc<Session>, Receiver<Call>) {
    let (session, calls) = session(Some(0), credit);
    assert!(session.becomes_ready());
    session.begin();
    session
        .respond(|response, out| response.send_header(b"200 OK", b"", out))
        .unwrap();
    (session, calls)
}

const HEAD: &[u8] = b"Status: 200 OK\r\n\r\n";

/// All bytes of the answer, up to its end.
fn answer(calls: &Receiver<Call>) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        match calls.recv().unwrap() {
            Call::Stdout(part) => bytes.extend(part),
            Call::Finish(last, ..) => {
                bytes.extend(last);
                return bytes;
            }
            _ => {}
        }
    }
}

#[test]
fn a_request_becomes_ready_once_however_its_body_arrives() {
    let (session, _calls) = session(None, Some(1 << 20));
    let mut ready = usize::from(session.becomes_ready());
    for round in 0..6 {
        ready += usize::from(session.push_body(&[0; 20_000]).unwrap());
        if round == 3 {
            assert_eq!(ready, 1);
            session.begin();
        }
    }
    ready += usize::from(session.end_body()) + usize::from(session.abort());
    assert_eq!(ready, 1);
}

#[test]
fn a_small_answer_leaves_in_one_piece_with_its_end() {
    let (session, calls) = started(Some(1000));
    session.write(b"hello").unwrap();
    assert!(
        session
            .end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"logged")
            .release
    );
    let whole = [HEAD, b"hello"].concat();
    assert_eq!(
        calls.try_iter().collect::<Vec<_>>(),
        [Call::Finish(whole, Ending::Complete, b"logged".to_vec())]
    );
}

#[test]
fn output_waits_for_credit() {
    let (session, calls) = started(Some(10));
    let writer = Arc::clone(&session);
    let thread = thread::spawn(move || {
        writer.write(&[b'x'; 100_000]).unwrap();
        writer
            .end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"")
            .release
    });
    assert_eq!(calls.recv().unwrap(), Call::Stdout(HEAD[..10].to_vec()));
    session.add_credit(8).unwrap();
    assert_eq!(calls.recv().unwrap(), Call::Stdout(HEAD[10..].to_vec()));
    session.add_credit(200_000).unwrap();
    assert_eq!(answer(&calls), [b'x'; 100_000]);
    assert!(thread.join().unwrap());
}

#[test]
fn a_client_that_leaves_frees_a_writer_that_waits_for_credit() {
    let (session, calls) = started(Some(10));
    let writer = Arc::clone(&session);
    let thread = thread::spawn(move || writer.write(&[b'x'; 100_000]));
    calls.recv().unwrap();
    session.abort();
    assert_eq!(thread.join().unwrap(), Err(Win32(WSAECONNRESET)));
    assert_eq!(session.write(b"x"), Err(Win32(WSAECONNRESET)));
    assert!(!session.is_connected());
}

#[test]
fn reading_fills_the_buffer_and_gives_credit_back() {
    let (session, calls) = session(Some(60_000), Some(60_000));
    session.push_body(&[1; 60_000]).unwrap();
    assert_eq!(session.begin().0.len(), 49_152);
    assert_eq!(calls.recv().unwrap(), Call::Grant(49_152));
    let mut buffer = [0; 20_000];
    assert_eq!(session.read(&mut buffer), Ok(60_000 - 49_152));
    assert_eq!(session.read(&mut buffer), Ok(0));
    assert_eq!(session.read(&mut buffer), Ok(0));
}

#[test]
fn a_body_that_breaks_off_is_an_error_after_what_came() {
    let (session, _calls) = session(Some(60_000), None);
    session.push_body(&[1; 50_000]).unwrap();
    session.begin();
    session.abort();
    let mut buffer = [0; 20_000];
    assert_eq!(session.read(&mut buffer), Ok(50_000 - 49_152));
    assert_eq!(session.read(&mut buffer), Err(Win32(WSAECONNRESET)));
}

#[test]
fn more_than_was_granted_is_a_violation() {
    let (session, _calls) = session(None, Some(100));
    assert!(session.push_body(&[0; 101]).is_err());
}

#[test]
fn after_its_end_a_request_takes_nothing() {
    let (session, calls) = started(None);
    assert!(
        !session
            .end(Event::Done(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
    assert_eq!(session.write(b"late"), Err(Win32(ERROR_INVALID_PARAMETER)));
    assert_eq!(
        session.read(&mut [0; 4]),
        Err(Win32(ERROR_INVALID_PARAMETER))
    );
    assert!(
        session
            .end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
    assert_eq!(answer(&calls), HEAD);
    assert!(calls.try_recv().is_err());
}

#[test]
fn a_pending_request_sends_what_it_writes() {
    let (session, calls) = started(None);
    assert!(
        !session
            .end(Event::Returned(HSE_STATUS_PENDING), 200, b"")
            .release
    );
    assert_eq!(calls.recv().unwrap(), Call::Stdout(HEAD.to_vec()));
    session.write(b"more").unwrap();
    assert_eq!(calls.recv().unwrap(), Call::Stdout(b"more".to_vec()));
    assert!(
        session
            .end(Event::Done(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
}

#[test]
fn the_second_tick_sends_what_a_slow_extension_wrote() {
    let (session, calls) = started(Some(1000));
    session.tick();
    assert!(calls.try_recv().is_err());
    session.tick();
    assert_eq!(calls.recv().unwrap(), Call::Stdout(HEAD.to_vec()));
}

#[test]
fn nothing_sent_is_reported() {
    let (session, calls) = session(Some(0), None);
    session.begin();
    session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
    assert_eq!(
        calls.recv().unwrap(),
        Call::Report("extension sent no response".into())
    );
    assert!(answer(&calls).starts_with(b"Status: 500 "));
}
