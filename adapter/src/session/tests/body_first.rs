//! Answers to a front that sends no more of a body once the answer has begun.

use isapi_abi::error::ERROR_SUCCESS;

use super::operation::{is_resumed, write};
use super::*;
use crate::body::{READ_AHEAD, ROOM};

/// Such a front, but for that like any other.
struct BodyFirst(Recorder);

impl Link for BodyFirst {
    fn wants_body_first(&self) -> bool {
        true
    }

    fn send(&self, id: u16, stream: Stream, bytes: &[u8]) -> Result<(), Gone> {
        self.0.send(id, stream, bytes)
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn finish(&self, id: u16, last: &[u8], ending: Ending, log: &[u8]) {
        self.0.finish(id, last, ending, log);
    }

    fn report(&self, id: u16, text: &str) {
        self.0.report(id, text);
    }

    fn grant(&self, id: u16, bytes: u32) {
        self.0.grant(id, bytes);
    }

    fn resume(&self, session: Arc<Session>) {
        self.0.resume(session);
    }
}

/// A request with a body of this length, of which the read-ahead has come, and whose answer has begun.
fn begun(length: usize) -> (Arc<Session>, Receiver<Call>) {
    let (sender, calls) = channel();
    let link = Arc::new(BodyFirst(Recorder::new(sender)));
    let mut params = Params::new();
    params.push(b"REQUEST_METHOD", b"POST");
    let variables = Variables::new(params);
    let session = Arc::new(Session::new(1, link, variables, Some(length as u64), None));
    assert!(session.push_body(&[1; READ_AHEAD]).unwrap());
    session.begin();
    session
        .respond(|response, out| response.send_header(b"200 OK", b"", out))
        .unwrap();
    (session, calls)
}

#[test]
fn it_waits_for_the_end_of_the_body() {
    let (session, calls) = begun(READ_AHEAD + 2);
    session.write(b"early").unwrap();
    session.write(&[]).unwrap();
    session.push_body(&[2]).unwrap();
    assert_eq!(session.read(&mut [0; 1]), Ok(1));
    assert!(calls.try_recv().is_err());
    session.push_body(&[3]).unwrap();
    // The extension is elsewhere: the completion threads send it.
    assert_eq!(calls.try_recv(), Ok(Call::Resume));
    session.advance();
    assert_eq!(
        calls.try_recv(),
        Ok(Call::Stdout([HEAD, b"early"].concat()))
    );
    session.write(&[4; GATHER]).unwrap();
    assert_eq!(calls.try_recv(), Ok(Call::Stdout(vec![4; GATHER])));
}

#[test]
fn while_it_may_wait_a_full_body_does_not_release_it() {
    let (session, calls) = begun(1 << 20);
    session.write(b"early").unwrap();
    session.write(&[]).unwrap();
    session.push_body(&vec![1; ROOM as usize + 1]).unwrap();
    assert!(calls.try_recv().is_err());
    // The extension reads on, and the rest comes.
    session.read(&mut vec![0; ROOM as usize]).unwrap();
    session.push_body(&vec![1; 1 << 20]).unwrap();
    assert_eq!(calls.try_recv(), Ok(Call::Resume));
    session.advance();
    assert_eq!(
        calls.try_recv(),
        Ok(Call::Stdout([HEAD, b"early"].concat()))
    );
}

#[test]
fn its_end_waits_for_nothing() {
    let (session, calls) = begun(READ_AHEAD + 1);
    session.write(b"all").unwrap();
    session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
    assert_eq!(answer(&calls), [HEAD, b"all"].concat());
}

#[test]
fn what_does_not_fit_waits_in_its_call() {
    let (session, calls) = begun(READ_AHEAD + 1);
    session.write(&[1; HELD_BACK / 2]).unwrap();
    let writer = Arc::clone(&session);
    let thread = thread::spawn(move || writer.write(&[2; HELD_BACK]));
    session.push_body(&[1]).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(()));
    session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
    assert_eq!(answer(&calls).len(), HEAD.len() + HELD_BACK / 2 + HELD_BACK);
}

#[test]
fn it_goes_on_when_no_more_of_the_body_is_taken() {
    let (session, calls) = begun(1 << 20);
    let writer = Arc::clone(&session);
    let thread = thread::spawn(move || writer.write(&[2; 2 * HELD_BACK]));
    session.push_body(&vec![1; ROOM as usize + 1]).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(()));
    // And from then on.
    session.read(&mut [0; 100_000]).unwrap();
    session.write(&[3; GATHER]).unwrap();
    session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
    assert_eq!(answer(&calls).len(), HEAD.len() + 2 * HELD_BACK + GATHER);
}

#[test]
fn a_client_that_goes_ends_the_wait() {
    let (session, _calls) = begun(READ_AHEAD + 1);
    let writer = Arc::clone(&session);
    let thread = thread::spawn(move || writer.write(&[2; 2 * HELD_BACK]));
    session.abort();
    assert_eq!(thread.join().unwrap(), Err(Win32(WSAECONNRESET)));
}

#[test]
fn an_operation_is_complete_when_all_of_it_waits_for_the_body() {
    let (session, calls) = begun(READ_AHEAD + 1);
    session.end(Event::Returned(HSE_STATUS_PENDING), 200, b"");
    let completed = write(&session, b"hello");
    assert!(is_resumed(&calls));
    session.advance();
    assert_eq!(completed.try_recv(), Ok((5, ERROR_SUCCESS)));
    assert!(calls.try_recv().is_err());
    session.push_body(&[1]).unwrap();
    session.end(Event::Done(HSE_STATUS_SUCCESS), 200, b"");
    assert_eq!(answer(&calls), [HEAD, b"hello"].concat());
}
