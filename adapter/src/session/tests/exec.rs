//! Child requests and error pages.

use fastcgi_protocol::{ChildRequest, ExecStatus};
use isapi_abi::error::{ERROR_FILE_NOT_FOUND, ERROR_NOT_SUPPORTED, ERROR_OPERATION_ABORTED};

use super::operation::Completed;
use super::*;

const OVER: ExecStatus = ExecStatus {
    status: 404,
    sub_status: 3,
    error: 2,
};

/// The status of a child request that was not run.
const REFUSED: ExecStatus = ExecStatus {
    status: 0,
    sub_status: 0,
    error: 1001,
};

fn complete(session: &Arc<Session>) -> (Complete, Completed) {
    let (sender, completed) = channel();
    let shared = Arc::clone(session);
    let complete = move |bytes, error| {
        sender.send((bytes, error)).unwrap();
        shared.end(Event::Completed, 200, b"");
    };
    (Box::new(complete), completed)
}

fn exec(session: &Arc<Session>, entity: Entity) -> Completed {
    let (complete, completed) = complete(session);
    session
        .exec(ChildRequest::default(), entity, complete)
        .unwrap();
    session.advance();
    completed
}

fn own(bytes: &'static [u8]) -> Entity {
    Entity::Own(Box::new(bytes))
}

fn params(length: Option<u64>) -> Vec<u8> {
    let child = ChildRequest {
        length,
        ..ChildRequest::default()
    };
    child.to_bytes()
}

/// What the link was told, without the calls for the completion threads.
fn told(calls: &Receiver<Call>) -> Vec<Call> {
    calls
        .try_iter()
        .filter(|call| *call != Call::Resume)
        .collect()
}

/// The calls of a child request with this entity.
fn sent(length: Option<u64>, entity: &[&[u8]]) -> Vec<Call> {
    let mut calls = vec![Call::Params(params(length)), Call::End(Stream::ExecParams)];
    calls.extend(entity.iter().map(|bytes| Call::Entity(bytes.to_vec())));
    calls.push(Call::End(Stream::ExecStdin));
    calls
}

#[test]
fn a_child_stands_between_what_comes_before_and_after() {
    let (session, calls) = started(Some(1000));
    session.write(b"before").unwrap();
    let completed = exec(&session, own(b"entity"));
    let mut expected = vec![Call::Stdout([HEAD, b"before"].concat())];
    expected.extend(sent(Some(6), &[b"entity"]));
    assert_eq!(told(&calls), expected);
    assert!(completed.try_recv().is_err());
    assert_eq!(session.child_status(), ExecStatus::default());
    session.child_over(OVER);
    session.advance();
    assert_eq!(completed.recv().unwrap(), (0, 2));
    assert_eq!(session.child_status(), OVER);
    session.write(b"after").unwrap();
    session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
    assert_eq!(answer(&calls), b"after");
}

#[test]
fn a_child_before_the_head_is_the_head_if_it_was_run() {
    for (status, expected) in [(OVER, &b"plain"[..]), (REFUSED, b"Status: 200 OK\r\n\r\n")] {
        let (session, calls) = session(Some(0), Some(1000));
        assert!(session.becomes_ready());
        session.begin();
        let completed = exec(&session, own(b""));
        session.child_over(status);
        session.advance();
        assert_eq!(completed.recv().unwrap().1, status.error);
        if status == OVER {
            session.write(b"plain").unwrap();
        } else {
            session
                .respond(|response, out| response.send_header(b"200 OK", b"", out))
                .unwrap();
        }
        told(&calls);
        session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
        assert_eq!(answer(&calls), expected);
    }
}

#[test]
fn a_declared_length_is_counted_by_the_front() {
    let (session, calls) = session(Some(0), Some(1000));
    assert!(session.becomes_ready());
    session.begin();
    session
        .respond(|response, out| response.send_header(b"", b"Content-Length: 9\r\n\r\n", out))
        .unwrap();
    let completed = exec(&session, own(b""));
    session.child_over(OVER);
    session.advance();
    completed.recv().unwrap();
    session.write(b"x").unwrap();
    session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
    let last = calls.iter().find(|call| matches!(call, Call::Finish(..)));
    assert_eq!(
        last,
        Some(Call::Finish(b"x".into(), Ending::Complete, Vec::new()))
    );
}

#[test]
fn the_unread_body_is_the_entity() {
    const AHEAD: usize = 49_152;
    let (session, calls) = session(Some(AHEAD as u64 + 10), Some(1 << 20));
    assert!(session.push_body(&[b'a'; AHEAD]).unwrap());
    let (ahead, _) = session.begin();
    let completed = exec(&session, Entity::Unread(Box::new(ahead.clone())));
    session.push_body(b"01234").unwrap();
    session.advance();
    session.push_body(b"56789").unwrap();
    session.advance();
    let grants = |call: &Call| !matches!(call, Call::Grant(_));
    let first: Vec<_> = told(&calls).into_iter().filter(grants).collect();
    assert_eq!(
        first,
        sent(Some(AHEAD as u64 + 10), &[&ahead, b"01234", b"56789"])
    );
    session.child_over(OVER);
    session.advance();
    completed.recv().unwrap();
    // It has been given away: the next child has none.
    exec(&session, Entity::Unread(Box::new(ahead)));
    assert_eq!(told(&calls), sent(Some(0), &[]));
}

#[test]
fn what_has_been_read_is_no_part_of_it() {
    let (session, calls) = session(None, Some(1 << 20));
    session.push_body(&[b'a'; 49_152]).unwrap();
    session.push_body(b"readleft").unwrap();
    let (ahead, _) = session.begin();
    assert_eq!(session.read(&mut [0; 4]), Ok(4));
    exec(&session, Entity::Unread(Box::new(ahead)));
    assert_eq!(told(&calls)[2..], [Call::Entity(b"left".into())]);
    session.end_body();
    session.advance();
    assert_eq!(told(&calls), [Call::End(Stream::ExecStdin)]);
}

#[test]
fn credit_holds_the_child_back() {
    let (session, calls) = started(Some(30));
    let completed = exec(&session, own(&[b'e'; 100]));
    let mut bytes = 0;
    let mut count = |calls: &[Call]| {
        for call in calls {
            if let Call::Stdout(part) | Call::Params(part) | Call::Entity(part) = call {
                bytes += part.len();
            }
        }
        bytes
    };
    assert_eq!(count(&told(&calls)), 30);
    session.add_credit(40).unwrap();
    session.advance();
    assert_eq!(count(&told(&calls)), 70);
    // A child that is over before its entity lets it be.
    session.child_over(OVER);
    session.advance();
    assert_eq!(told(&calls), [Call::End(Stream::ExecStdin)]);
    assert_eq!(completed.recv().unwrap(), (0, 2));
}

#[test]
fn a_client_that_goes_ends_the_operation() {
    let (session, _calls) = started(Some(1000));
    let completed = exec(&session, own(b""));
    session.abort();
    session.advance();
    assert_eq!(completed.recv().unwrap(), (0, ERROR_OPERATION_ABORTED));
    assert_eq!(session.child_status().error, ERROR_OPERATION_ABORTED);
}

#[test]
fn a_child_under_way_cannot_be_taken_back() {
    let (session, calls) = started(Some(60));
    let completed = exec(&session, own(&[b'e'; 100]));
    session.cancel();
    session.advance();
    assert_eq!(told(&calls).last(), Some(&Call::End(Stream::ExecStdin)));
    assert!(completed.try_recv().is_err());
    session.child_over(OVER);
    session.advance();
    assert_eq!(completed.recv().unwrap(), (0, ERROR_OPERATION_ABORTED));
}

#[test]
fn without_a_gateway_there_are_no_children_and_no_pages() {
    let (session, calls) = started(None);
    let completed = exec(&session, own(b"entity"));
    assert_eq!(completed.recv().unwrap(), (0, ERROR_NOT_SUPPORTED));
    let page = ErrorPage {
        status: 404,
        sub_status: 0,
        reason: Vec::new(),
    };
    assert_eq!(
        session.send_error_page(&page),
        Err(Win32(ERROR_FILE_NOT_FOUND))
    );
    session.write(b"own").unwrap();
    told(&calls);
    session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
    assert!(answer(&calls).ends_with(b"own"));
}

#[test]
fn only_one_operation_and_no_endless_description() {
    let (session, _calls) = started(Some(1000));
    let _first = exec(&session, own(b""));
    let (again, _completed) = complete(&session);
    let refused = session.exec(ChildRequest::default(), own(b""), again);
    assert_eq!(refused, Err(Win32(ERROR_INVALID_PARAMETER)));
    let (session, _calls) = started(Some(1000));
    let child = ChildRequest {
        headers: Some(vec![b'a'; 1 << 20]),
        ..ChildRequest::default()
    };
    let (long, _completed) = complete(&session);
    let refused = session.exec(child, own(b""), long);
    assert_eq!(refused, Err(Win32(ERROR_INVALID_PARAMETER)));
}

#[test]
fn a_page_of_the_front_is_the_whole_answer() {
    let page = |status, sub_status| ErrorPage {
        status,
        sub_status,
        reason: b"Gone".to_vec(),
    };
    for asynchronous in [false, true] {
        let (sender, calls) = channel();
        let mut params = Params::new();
        params.push(b"ISAPI_ERROR_PAGES", b"404.2 500");
        let credit = Credit {
            stdin: Grant::new(10),
            stdout: Window::new(10),
        };
        let link = Arc::new(Recorder::new(sender));
        let session = Session::new(1, link, Variables::new(params), Some(0), Some(credit));
        let session = Arc::new(session);
        session.becomes_ready();
        session.begin();
        let missing = session.send_error_page(&page(404, 1));
        assert_eq!(missing, Err(Win32(ERROR_FILE_NOT_FOUND)));
        if asynchronous {
            let (complete, completed) = complete(&session);
            session.start_error_page(page(404, 2), complete).unwrap();
            session.advance();
            assert_eq!(completed.recv().unwrap(), (0, 0));
        } else {
            session.send_error_page(&page(500, 7)).unwrap();
        }
        let expected = if asynchronous {
            page(404, 2)
        } else {
            page(500, 7)
        };
        assert_eq!(told(&calls), [Call::ErrorPage(expected)]);
        for refused in [
            session.send_error_page(&page(500, 0)),
            session.write(b"more"),
        ] {
            assert_eq!(refused, Err(Win32(ERROR_INVALID_PARAMETER)));
        }
        session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
        let end = Call::Finish(Vec::new(), Ending::Complete, Vec::new());
        assert_eq!(told(&calls), [end]);
    }
}

#[test]
fn once_is_enough_to_be_unhealthy() {
    let (session, calls) = started(Some(1000));
    session.report_unhealthy(b"leaks");
    session.report_unhealthy(b"again");
    let text = "the extension says that it is unhealthy: leaks".to_owned();
    assert_eq!(told(&calls), [Call::Report(text)]);
}
