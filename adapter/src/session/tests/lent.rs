//! What the reader of a connection does in place of a thread that waits in a callback.

use super::*;

/// A request inside the extension, and how it tells that a thread is about to wait.
fn inside(length: u64, credit: u32) -> (Arc<Session>, Receiver<Call>, Receiver<()>) {
    let ((sender, calls), (told, waits)) = (channel(), channel());
    let link = Arc::new(Recorder {
        waits: Some(Mutex::new(told)),
        ..Recorder::new(sender)
    });
    let credit = Credit {
        stdin: Grant::new(credit),
        stdout: Window::new(credit),
    };
    let variables = Variables::new(Params::new());
    let session = Arc::new(Session::new(1, link, variables, Some(length), Some(credit)));
    session.begin();
    (session, calls, waits)
}

#[test]
fn a_body_goes_straight_to_who_waits_for_it() {
    const PIECES: u8 = 40;
    let (session, calls, waits) = inside(u64::from(PIECES) * 500, 1000);
    let reader = Arc::clone(&session);
    let thread = thread::spawn(move || {
        let mut buffer = vec![0; usize::from(PIECES) * 500 + 1];
        let count = reader.read(&mut buffer);
        buffer.truncate(count.unwrap_or(0));
        buffer
    });
    waits.recv().unwrap();
    for piece in 0..PIECES {
        // There would be no credit for the third if that thread had to take the first.
        session.push_body(&[piece; 500]).unwrap();
        assert_eq!(calls.try_recv(), Ok(Call::Grant(500)));
    }
    let body = thread.join().unwrap();
    assert!(
        body.chunks(500)
            .zip(0..)
            .all(|(piece, n)| piece == [n; 500])
    );
    assert_eq!(body.len(), usize::from(PIECES) * 500);
}

#[test]
fn what_is_more_than_is_wanted_waits() {
    let (session, _calls, waits) = inside(1000, 1000);
    let reader = Arc::clone(&session);
    let thread = thread::spawn(move || {
        let mut buffer = [0; 300];
        reader
            .read(&mut buffer)
            .map(|count| buffer[..count].to_vec())
    });
    waits.recv().unwrap();
    session.push_body(&[1; 200]).unwrap();
    session.push_body(&[2; 200]).unwrap();
    let first = thread.join().unwrap().unwrap();
    assert_eq!(first, [[1; 200].as_slice(), &[2; 100]].concat());
    session.abort();
    let mut rest = [0; 300];
    assert_eq!(session.read(&mut rest), Ok(100));
    assert_eq!(rest[..100], [2; 100]);
    assert_eq!(session.read(&mut rest), Err(Win32(WSAECONNRESET)));
}

#[test]
fn an_answer_is_sent_by_who_brings_credit() {
    const CREDIT: u32 = 20_000;
    let (session, calls, waits) = inside(0, CREDIT);
    session
        .respond(|response, out| response.send_header(b"200 OK", b"", out))
        .unwrap();
    let bytes: Vec<u8> = (0..=250).cycle().take(100_000).collect();
    let (writer, written) = (Arc::clone(&session), bytes.clone());
    let thread = thread::spawn(move || writer.write(&written));
    waits.recv().unwrap();
    let (mut sent, mut credit) = (Vec::new(), CREDIT as usize);
    let whole = HEAD.len() + bytes.len();
    loop {
        for call in calls.try_iter() {
            match call {
                Call::Stdout(part) => sent.extend(part),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sent.len(), credit.min(whole));
        if sent.len() == whole {
            break;
        }
        session.add_credit(CREDIT).unwrap();
        credit += CREDIT as usize;
    }
    assert_eq!(thread.join().unwrap(), Ok(()));
    assert!(sent == [HEAD, &bytes].concat());
}

#[test]
fn who_waits_learns_that_the_client_has_gone() {
    let (session, calls, waits) = inside(100_000, 20_000);
    let writer = Arc::clone(&session);
    let thread = thread::spawn(move || writer.write(&[0; 100_000]));
    waits.recv().unwrap();
    session.abort();
    assert_eq!(thread.join().unwrap(), Err(Win32(WSAECONNRESET)));
    session.add_credit(20_000).unwrap();
    assert_eq!(calls.try_iter().count(), 1);
}
