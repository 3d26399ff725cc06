//! Ends of all kinds: DONE, the last part, closing, a lack of credit.

use isapi_abi::error::{ERROR_NETNAME_DELETED, ERROR_OPERATION_ABORTED};

use super::operation::*;
use super::*;

#[test]
fn done_with_a_write_outstanding_ends_the_answer_behind_it() {
    let (session, calls) = pending(Some(20));
    let completed = write(&session, b"0123456789");
    session.advance();
    assert!(
        !session
            .end(Event::Done(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
    assert_eq!(session.write(b"late"), Err(Win32(ERROR_INVALID_PARAMETER)));
    session.add_credit(100).unwrap();
    session.advance();
    assert_eq!(completed.recv(), Ok((10, 0)));
    assert_eq!(answer(&calls), b"0123456789");
}

#[test]
fn done_with_a_read_outstanding_cancels_it() {
    let (session, calls) = reading();
    session
        .respond(|response, out| response.send_header(b"200 OK", b"", out))
        .unwrap();
    let (completed, _) = read(&session, 10);
    session.advance();
    is_resumed(&calls);
    assert!(
        !session
            .end(Event::Done(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
    assert!(is_resumed(&calls));
    session.advance();
    assert_eq!(completed.recv(), Ok((0, ERROR_OPERATION_ABORTED)));
    assert_eq!(answer(&calls), b"");
}

#[test]
fn returning_success_with_an_operation_outstanding_waits_for_it() {
    let (session, calls) = started(Some(1000));
    let completed = write(&session, b"body");
    assert!(
        !session
            .end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
    session.advance();
    assert_eq!(completed.recv(), Ok((4, 0)));
    assert_eq!(answer(&calls), [HEAD, b"body"].concat());
}

#[test]
fn closing_ends_operations_with_64_and_cuts_an_answer_that_is_not_whole() {
    let (session, calls) = pending(Some(20));
    let completed = write(&session, b"0123456789");
    session.advance();
    session.close().unwrap();
    assert!(is_resumed(&calls));
    assert!(!session.is_connected());
    session.advance();
    assert_eq!(completed.recv().unwrap().1, ERROR_NETNAME_DELETED);
    let Ok(Call::Finish(_, Ending::Cut(_), _)) = calls.recv() else {
        panic!("not cut");
    };
    assert_eq!(session.write(b"x"), Err(Win32(WSAECONNRESET)));
    assert!(
        session
            .end(Event::Done(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
    assert!(calls.try_recv().is_err());
}

#[test]
fn closing_with_a_read_outstanding_keeps_what_was_written() {
    let (session, calls) = reading();
    session
        .respond(|response, out| response.send_header(b"200 OK", b"", out))
        .unwrap();
    let (completed, _) = read(&session, 10);
    session.advance();
    session.close().unwrap();
    session.advance();
    assert_eq!(completed.recv(), Ok((0, ERROR_NETNAME_DELETED)));
    let finish = Call::Finish(Vec::new(), Ending::Complete, Vec::new());
    assert_eq!(calls.try_iter().filter(|call| *call == finish).count(), 1);
    assert!(
        session
            .end(Event::Done(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
}

#[test]
fn closing_before_anything_was_sent_cuts() {
    let (session, calls) = session(Some(0), Some(1000));
    session.begin();
    session.close().unwrap();
    let Ok(Call::Finish(_, Ending::Cut(_), _)) = calls.recv() else {
        panic!("not cut");
    };
    assert!(
        session
            .end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
    assert!(calls.try_recv().is_err());
}

#[test]
fn closing_frees_a_thread_that_waits_for_credit() {
    let (session, calls) = pending(Some(20));
    let writer = Arc::clone(&session);
    let thread = thread::spawn(move || writer.write(b"0123456789"));
    calls.recv().unwrap();
    session.close().unwrap();
    assert_eq!(thread.join().unwrap(), Err(Win32(WSAECONNRESET)));
    assert!(
        calls
            .iter()
            .any(|call| matches!(call, Call::Finish(_, Ending::Cut(_), _)))
    );
}

#[test]
fn the_last_part_ends_the_answer_before_the_request() {
    for (last, error) in [
        (Last::Final, ERROR_INVALID_PARAMETER),
        (Last::Disconnect, WSAECONNRESET),
    ] {
        let (session, calls) = pending(Some(1000));
        let completed = start(&session, sending(vec![memory(b"all")], Some(last))).unwrap();
        session.advance();
        assert_eq!(completed.recv(), Ok((3, 0)));
        assert_eq!(answer(&calls), b"all");
        assert_eq!(session.write(b"more"), Err(Win32(error)));
        assert!(
            session
                .end(Event::Done(HSE_STATUS_SUCCESS), 200, b"")
                .release
        );
        assert!(calls.try_recv().is_err());
    }
}

#[test]
fn the_end_of_the_answer_ends_a_read_that_is_outstanding() {
    let (session, calls) = reading();
    let (completed, _) = read(&session, 10);
    session.advance();
    is_resumed(&calls);
    let mut whole = Sending::new(vec![memory(b"\nall")], 0, Some(Last::Final));
    session.send_pieces(|_, _| Ok(()), &mut whole).unwrap();
    assert!(is_resumed(&calls));
    session.advance();
    assert_eq!(completed.recv(), Ok((0, ERROR_OPERATION_ABORTED)));
    assert!(
        session
            .end(Event::Done(HSE_STATUS_SUCCESS), 200, b"")
            .release
    );
}

#[test]
fn an_end_without_credit_holds_no_thread() {
    let (session, calls) = started(Some(10));
    assert!(
        session
            .end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"log")
            .release
    );
    assert_eq!(calls.recv(), Ok(Call::Stdout(HEAD[..10].to_vec())));
    assert!(calls.try_recv().is_err());
    session.add_credit(100).unwrap();
    assert_eq!(calls.try_recv(), Ok(Call::Resume));
    session.advance();
    assert_eq!(calls.recv(), Ok(Call::Stdout(HEAD[10..].to_vec())));
    let finish = Call::Finish(Vec::new(), Ending::Complete, b"log".to_vec());
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), [finish]);
}

#[test]
fn a_pending_request_without_credit_holds_no_thread() {
    let (session, calls) = started(Some(10));
    assert!(
        !session
            .end(Event::Returned(HSE_STATUS_PENDING), 200, b"")
            .release
    );
    assert_eq!(calls.recv(), Ok(Call::Stdout(HEAD[..10].to_vec())));
    session.add_credit(100).unwrap();
    session.advance();
    session.write(b"more").unwrap();
    session.end(Event::Done(HSE_STATUS_SUCCESS), 200, b"");
    assert_eq!(answer(&calls), [&HEAD[10..], b"more"].concat());
}

#[test]
fn a_client_that_leaves_ends_an_answer_that_waits_for_credit() {
    let (session, calls) = started(Some(10));
    session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
    session.abort();
    assert!(is_resumed(&calls));
    session.advance();
    let finish = Call::Finish(Vec::new(), Ending::Complete, Vec::new());
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), [finish]);
}
