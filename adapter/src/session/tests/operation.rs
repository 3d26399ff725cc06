use isapi_abi::error::{ERROR_HANDLE_EOF, ERROR_OPERATION_ABORTED};

use super::*;

/// Bytes and error of one completion.
pub(super) type Completed = Receiver<(u32, u32)>;

/// Bytes at every place, up to a size.
struct Zeros(u64);

impl ReadAt for Zeros {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Win32> {
        let left = self.0.saturating_sub(offset);
        let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        buffer[..count].fill(0);
        Ok(count)
    }
}

/// Room that shows what was read.
struct Room(Vec<u8>, Sender<Vec<u8>>);

impl AsMut<[u8]> for Room {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.1.send(std::mem::take(&mut self.0));
    }
}

/// Starts an operation whose completion function does nothing but return.
pub(super) fn start(session: &Arc<Session>, work: Work) -> Result<Completed, Win32> {
    let (sender, completed) = channel();
    let shared = Arc::clone(session);
    let complete = move |bytes, error| {
        sender.send((bytes, error)).unwrap();
        shared.end(Event::Completed, 200, b"");
    };
    session.start(|_, _| Ok(()), work, Box::new(complete))?;
    Ok(completed)
}

pub(super) fn memory(bytes: &'static [u8]) -> Piece {
    Piece::Memory(Box::new(bytes))
}

pub(super) fn sending(pieces: Vec<Piece>, last: Option<Last>) -> Work {
    Work::Send(Sending::new(pieces, 0, last))
}

pub(super) fn write(session: &Arc<Session>, bytes: &'static [u8]) -> Completed {
    start(session, sending(vec![memory(bytes)], None)).unwrap()
}

pub(super) fn read(session: &Arc<Session>, room: usize) -> (Completed, Receiver<Vec<u8>>) {
    let (sender, bytes) = channel();
    let work = Work::Receive(Box::new(Room(vec![0; room], sender)));
    (start(session, work).unwrap(), bytes)
}

/// A request that has returned `HSE_STATUS_PENDING` and has sent its head.
pub(super) fn pending(credit: Option<u32>) -> (Arc<Session>, Receiver<Call>) {
    let (session, calls) = started(credit);
    session.end(Event::Returned(HSE_STATUS_PENDING), 200, b"");
    assert_eq!(calls.recv().unwrap(), Call::Stdout(HEAD.to_vec()));
    (session, calls)
}

/// A request with a body of unknown length that is being read.
pub(super) fn reading() -> (Arc<Session>, Receiver<Call>) {
    let (session, calls) = session(None, Some(1 << 20));
    session.push_body(&[0; 49_152]).unwrap();
    session.begin();
    session.end(Event::Returned(HSE_STATUS_PENDING), 200, b"");
    (session, calls)
}

/// Whether it has been handed to the completion threads since the last look.
pub(super) fn is_resumed(calls: &Receiver<Call>) -> bool {
    calls
        .try_iter()
        .filter(|call| *call == Call::Resume)
        .count()
        > 0
}

#[test]
fn a_write_completes_outside_the_call_that_started_it() {
    let (session, calls) = pending(Some(1000));
    let completed = write(&session, b"more");
    assert!(completed.try_recv().is_err());
    assert_eq!(calls.try_recv(), Ok(Call::Resume));
    session.advance();
    assert_eq!(completed.recv(), Ok((4, 0)));
    assert_eq!(calls.try_recv(), Ok(Call::Stdout(b"more".to_vec())));
    assert!(
        session
            .end(Event::Done(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
}

#[test]
fn a_second_operation_is_refused_and_the_first_goes_on() {
    let (session, calls) = pending(Some(1000));
    let first = write(&session, b"first");
    let second = start(&session, sending(vec![memory(b"second")], None));
    assert_eq!(second.err(), Some(Win32(ERROR_INVALID_PARAMETER)));
    let third = start(&session, Work::Receive(Box::new(Vec::new())));
    assert_eq!(third.err(), Some(Win32(ERROR_INVALID_PARAMETER)));
    session.advance();
    assert_eq!(first.recv(), Ok((5, 0)));
    session.end(Event::Done(HSE_STATUS_SUCCESS), 200, b"");
    assert_eq!(answer(&calls), b"first");
}

#[test]
fn a_write_waits_for_credit_without_a_thread() {
    let (session, calls) = pending(Some(20));
    let completed = write(&session, b"0123456789");
    session.advance();
    let sent = 20 - HEAD.len();
    assert_eq!(calls.try_recv(), Ok(Call::Resume));
    assert_eq!(
        calls.try_recv(),
        Ok(Call::Stdout(b"0123456789"[..sent].to_vec()))
    );
    session.advance();
    assert!(calls.try_recv().is_err() && completed.try_recv().is_err());
    session.add_credit(100).unwrap();
    session.add_credit(100).unwrap();
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), [Call::Resume]);
    session.advance();
    assert_eq!(completed.recv(), Ok((10, 0)));
    assert_eq!(
        calls.recv(),
        Ok(Call::Stdout(b"0123456789"[sent..].to_vec()))
    );
}

#[test]
fn the_next_operation_may_end_before_the_function_of_the_one_before_has_returned() {
    let (session, calls) = pending(Some(1000));
    let (inner, outer) = (Arc::clone(&session), Arc::clone(&session));
    let complete = move |_, _| {
        let next = write(&inner, b"second");
        let other = Arc::clone(&inner);
        thread::spawn(move || other.advance()).join().unwrap();
        assert_eq!(next.recv(), Ok((6, 0)));
        assert!(!inner.end(Event::Done(HSE_STATUS_SUCCESS), 200, b"").release);
        assert!(inner.end(Event::Completed, 200, b"").release);
    };
    let work = sending(vec![memory(b"first ")], None);
    outer
        .start(|_, _| Ok(()), work, Box::new(complete))
        .unwrap();
    session.advance();
    assert_eq!(answer(&calls), b"first second");
}

#[test]
fn a_client_that_leaves_ends_operations_with_995() {
    let (session, calls) = pending(Some(20));
    let completed = write(&session, b"0123456789");
    session.advance();
    is_resumed(&calls);
    session.abort();
    assert!(is_resumed(&calls));
    session.advance();
    assert_eq!(completed.recv().unwrap().1, ERROR_OPERATION_ABORTED);
    let late = start(&session, sending(vec![memory(b"x")], None));
    assert_eq!(late.err(), Some(Win32(WSAECONNRESET)));

    let (session, calls) = reading();
    let (completed, _) = read(&session, 10);
    session.advance();
    is_resumed(&calls);
    session.abort();
    assert!(is_resumed(&calls));
    session.advance();
    assert_eq!(completed.recv(), Ok((0, ERROR_OPERATION_ABORTED)));
}

#[test]
fn a_read_takes_what_has_come_and_waits_for_the_rest_without_a_thread() {
    let (session, calls) = reading();
    session.push_body(b"abc").unwrap();
    let (completed, bytes) = read(&session, 10);
    session.advance();
    assert_eq!(completed.recv(), Ok((3, 0)));
    assert_eq!(bytes.recv().unwrap()[..3], *b"abc");
    let (completed, bytes) = read(&session, 2);
    is_resumed(&calls);
    assert_eq!(
        session.read(&mut [0; 4]),
        Err(Win32(ERROR_INVALID_PARAMETER))
    );
    session.push_body(b"def").unwrap();
    assert!(is_resumed(&calls));
    session.advance();
    assert_eq!(completed.recv(), Ok((2, 0)));
    assert_eq!(bytes.recv().unwrap(), b"de");
    assert_eq!(session.read(&mut [0; 1]), Ok(1));
}

#[test]
fn a_read_at_the_end_of_the_body_completes_with_nothing() {
    let (session, _calls) = reading();
    session.end_body();
    for _ in 0..2 {
        let (completed, _) = read(&session, 10);
        session.advance();
        assert_eq!(completed.recv(), Ok((0, 0)));
    }
}

#[test]
fn a_read_of_a_body_that_breaks_off_gets_what_came_before() {
    let (session, _calls) = reading();
    session.push_body(b"abc").unwrap();
    session.abort();
    let (completed, _) = read(&session, 10);
    session.advance();
    assert_eq!(completed.recv(), Ok((3, 0)));
    let (completed, _) = read(&session, 10);
    session.advance();
    assert_eq!(completed.recv(), Ok((0, ERROR_OPERATION_ABORTED)));
}

#[test]
fn a_cancelled_operation_ends_with_995() {
    let (session, _calls) = reading();
    let (completed, _) = read(&session, 10);
    session.cancel();
    session.advance();
    assert_eq!(completed.recv(), Ok((0, ERROR_OPERATION_ABORTED)));
    // Not the next one.
    session.push_body(b"a").unwrap();
    let (completed, _) = read(&session, 10);
    session.advance();
    assert_eq!(completed.recv(), Ok((1, 0)));
    session.cancel();
    session.advance();
}

#[test]
fn pieces_are_sent_in_order_at_once_too() {
    let (session, calls) = started(Some(1000));
    let file = Piece::File {
        file: Box::new(Zeros(100)),
        offset: 90,
        length: 10,
    };
    let pieces = vec![memory(b"head"), memory(b""), file, memory(b"tail")];
    let mut sending = Sending::new(pieces, 0, Some(Last::Final));
    session.send_pieces(|_, _| Ok(()), &mut sending).unwrap();
    assert_eq!(answer(&calls), [HEAD, b"head", &[0; 10], b"tail"].concat());
    assert!(
        session
            .end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
    assert!(calls.try_recv().is_err());
}

#[test]
fn a_file_is_sent_as_credit_comes() {
    const SIZE: u64 = 300_000;
    let (session, calls) = pending(Some(1000));
    let file = Piece::File {
        file: Box::new(Zeros(SIZE)),
        offset: 0,
        length: SIZE,
    };
    let completed = start(&session, sending(vec![file], None)).unwrap();
    let mut sent = 0;
    while completed.try_recv().is_err() {
        session.advance();
        for call in calls.try_iter() {
            if let Call::Stdout(bytes) = call {
                assert!(bytes.len() <= 50_000);
                sent += bytes.len() as u64;
            }
        }
        session.add_credit(50_000).unwrap();
    }
    assert_eq!(sent, SIZE);
}

#[test]
fn a_file_that_has_become_too_short_is_told() {
    let (session, _calls) = pending(Some(1000));
    let file = Piece::File {
        file: Box::new(Zeros(5)),
        offset: 0,
        length: 10,
    };
    let completed = start(&session, sending(vec![file], None)).unwrap();
    session.advance();
    assert_eq!(completed.recv(), Ok((5, ERROR_HANDLE_EOF)));
}

#[test]
fn a_synchronous_write_waits_for_the_one_that_is_outstanding() {
    let (session, calls) = pending(Some(20));
    let completed = write(&session, b"0123456789");
    session.advance();
    let writer = Arc::clone(&session);
    let thread = thread::spawn(move || writer.write(b"behind"));
    session.add_credit(100).unwrap();
    // Whoever comes first carries it on. Its function is left to the completion threads.
    session.advance();
    thread.join().unwrap().unwrap();
    session.advance();
    assert_eq!(completed.recv(), Ok((10, 0)));
    session.end(Event::Done(HSE_STATUS_SUCCESS), 200, b"");
    assert_eq!(answer(&calls), b"0123456789behind");
}

#[test]
fn unbuffered_writes_are_sent_at_once() {
    let (session, calls) = started(Some(1000));
    session.set_unbuffered(true).unwrap();
    assert_eq!(calls.recv(), Ok(Call::Stdout(HEAD.to_vec())));
    session.write(b"now").unwrap();
    assert_eq!(calls.recv(), Ok(Call::Stdout(b"now".to_vec())));
    session.set_unbuffered(false).unwrap();
    session.write(b"later").unwrap();
    assert!(calls.try_recv().is_err());
    session.write(b"").unwrap();
    assert_eq!(calls.recv(), Ok(Call::Stdout(b"later".to_vec())));
}
