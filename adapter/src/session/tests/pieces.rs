//! Answers are sent in whole pieces, which fill the buffers that they are read into.

use fastcgi_protocol::encode::CHUNK as PIECE;

use super::*;

/// What a piece of an answer's body is about to be: lengths of what has been sent.
fn sent(calls: &Receiver<Call>) -> Vec<usize> {
    let lengths = calls.try_iter().map(|call| match call {
        Call::Stdout(bytes) => bytes.len(),
        other => panic!("{other:?}"),
    });
    lengths.collect()
}

#[test]
fn what_is_over_whole_pieces_gathers_for_the_next_one() {
    let (session, calls) = started(None);
    let bytes: Vec<u8> = (0..=250).cycle().take(PIECE + 20_000).collect();
    session.write(&bytes[..65_536]).unwrap();
    assert_eq!(sent(&calls), [HEAD.len(), PIECE]);
    session.write(&bytes[..65_536]).unwrap();
    assert_eq!(sent(&calls), [8, PIECE - 8]);
    session.write(&bytes).unwrap();
    // So many would be no small write.
    assert_eq!(sent(&calls), [16, PIECE + 20_000]);
    session.write(&bytes[..65_536]).unwrap();
    assert_eq!(sent(&calls), [PIECE]);
    session.set_unbuffered(true).unwrap();
    assert_eq!(sent(&calls), [8]);
    session.write(&bytes[..65_536]).unwrap();
    assert_eq!(sent(&calls), [65_536]);
}

#[test]
fn nothing_is_over_at_the_end_of_an_answer() {
    let (session, calls) = session(Some(0), None);
    assert!(session.becomes_ready());
    session.begin();
    let head = b"Content-Length: 65536\r\n\r\n";
    let send =
        |response: &mut Response, out: &mut Vec<u8>| response.send_header(b"200 OK", head, out);
    session.respond(send).unwrap();
    session.write(&[b'x'; 65_536]).unwrap();
    assert_eq!(sent(&calls).last(), Some(&65_536));
}

#[test]
fn what_is_over_leaves_in_its_turn() {
    let (session, calls) = started(None);
    let bytes: Vec<u8> = (0..=250).cycle().take(65_536).collect();
    session.write(&bytes).unwrap();
    session.tick();
    session.tick();
    assert_eq!(sent(&calls), [HEAD.len(), PIECE, 8]);
    session.write(&bytes).unwrap();
    session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
    let answer = answer(&calls);
    assert!(answer[..] == bytes[..]);
}

#[test]
fn who_waits_for_credit_waits_for_a_whole_piece() {
    let window = u32::try_from(2 * PIECE).unwrap();
    let (session, calls) = started(Some(window));
    let bytes: Vec<u8> = (0..=250).cycle().take(3 * PIECE).collect();
    let (writer, written) = (Arc::clone(&session), bytes.clone());
    let thread = thread::spawn(move || writer.write(&written));
    let mut received = Vec::new();
    let mut lengths = Vec::new();
    let mut granted = 0;
    while received.len() < HEAD.len() + bytes.len() {
        let Call::Stdout(part) = calls.recv().unwrap() else {
            panic!("no output");
        };
        lengths.push(part.len());
        received.extend(part);
        // As the gateway does: at least half of the window.
        if received.len() - granted >= PIECE {
            let credit = u32::try_from(received.len() - granted).unwrap();
            granted = received.len();
            session.add_credit(credit).unwrap();
        }
    }
    thread.join().unwrap().unwrap();
    assert_eq!(received[HEAD.len()..], bytes);
    assert_eq!(lengths, [HEAD.len(), PIECE, 2 * PIECE]);
}
