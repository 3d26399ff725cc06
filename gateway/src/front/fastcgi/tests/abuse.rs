//! What bad or unusual web servers send, and the answer to it.

use fastcgi_protocol::MAX_CONTENT;
use proptest::prelude::*;

use super::*;

/// Where a request is when a record comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is none with this id.
    None,
    /// Its parameters have begun.
    Params,
    /// Its body has begun.
    Body,
    /// Its body has ended, its answer has not.
    Answer,
}

/// What a record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// The connection is closed.
    Closes,
    /// The request ends at once.
    Ends,
    /// Nothing, as far as others can see.
    Nothing,
}

/// FastCGI 1.0 §3.3: records of requests that are not active are ignored, except for BEGIN_REQUEST.
fn effect(state: State, kind: u8) -> Effect {
    use Effect::{Closes, Ends, Nothing};
    match (kind, state) {
        // A body of 3 bytes is not that of BEGIN_REQUEST, and a second one is wrong in any case.
        (1, _) => Closes,
        (2, State::None) => Nothing,
        (2, _) => Ends,
        // "abc" says that a name of 97 bytes comes.
        (4, State::None | State::Params) => Nothing,
        (4, _) => Closes,
        (5, State::Params) => Closes,
        _ => Nothing,
    }
}

#[tokio::test]
async fn every_record_in_every_state() {
    for state in [State::None, State::Params, State::Body, State::Answer] {
        for kind in (0..=13).chain([128, 129, 130, 131, 255]) {
            let mut client = Client::new(&[SLOW, HELLO]);
            let id = reach(&mut client, state).await;
            let mut record = vec![1, kind, 0, 1, 0, 3, 0, 0];
            record.extend(b"abc");
            client.send(&record).await;
            match effect(state, kind) {
                Effect::Closes => {
                    assert_eq!(client.next().await, Event::Closed, "{state:?} {kind}")
                }
                Effect::Ends => {
                    let (_, end) = client.answer(id).await;
                    let expected = Event::End(id, ProtocolStatus::RequestComplete);
                    assert_eq!(end, expected, "{state:?} {kind}");
                }
                Effect::Nothing => {
                    let other = other_request(&mut client).await;
                    assert!(other.ends_with("hello"), "{state:?} {kind}");
                }
            }
        }
    }
}

/// Brings request 1 into a state.
async fn reach(client: &mut Client, state: State) -> u16 {
    let mut out = Vec::new();
    if state == State::None {
        return 1;
    }
    let id = client.server.begin(&mut out, Role::Responder, true);
    assert_eq!(id, Some(1));
    if state != State::Params {
        let mut params = ParamsWriter::new(&mut out, 1);
        params.pair(b"REQUEST_METHOD", b"POST");
        params.pair(b"SCRIPT_NAME", b"/slow");
        params.pair(b"CONTENT_LENGTH", b"3");
        params.finish();
    }
    if state == State::Answer {
        // Never the line that the program waits for.
        encode::stream(&mut out, RecordType::Stdin, 1, b"ab");
    }
    client.send(&out).await;
    1
}

/// Another request on the same connection, by hand: what the test has sent is not known to its end of the protocol.
async fn other_request(client: &mut Client) -> String {
    let mut out = Vec::new();
    encode::begin_request(&mut out, 2, Role::Responder, true);
    let mut params = ParamsWriter::new(&mut out, 2);
    params.pair(b"REQUEST_METHOD", b"GET");
    params.pair(b"SCRIPT_NAME", b"/hello");
    params.finish();
    encode::end_stream(&mut out, RecordType::Stdin, 2);
    client.send(&out).await;
    let mut answer = Vec::new();
    loop {
        match client.buffer.next().unwrap() {
            None => {
                let count = client.stream.read(client.buffer.space()).await.unwrap();
                assert!(count > 0, "the connection has ended");
                client.buffer.advance(count);
            }
            Some(record) if record.id != 2 => {}
            Some(record) => match record.kind {
                RecordType::Stdout => answer.extend_from_slice(record.content),
                RecordType::EndRequest => return String::from_utf8(answer).unwrap(),
                other => panic!("{other:?}"),
            },
        }
    }
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let mut client = Client::new(&[ECHO]);
    let mut out = Vec::new();
    let id = client
        .server
        .begin(&mut out, Role::Responder, false)
        .unwrap();
    let mut params = ParamsWriter::new(&mut out, id);
    for (name, value) in [
        ("REQUEST_METHOD", "POST"),
        ("SCRIPT_NAME", "/echo"),
        ("CONTENT_LENGTH", "5"),
    ] {
        params.pair(name.as_bytes(), value.as_bytes());
    }
    params.finish();
    // A record of its own for each byte.
    for byte in b"abcde" {
        encode::stream(&mut out, RecordType::Stdin, id, &[*byte]);
    }
    encode::end_stream(&mut out, RecordType::Stdin, id);
    for byte in out {
        client.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert!(client.whole(id).await.ends_with("5:abcde\n"));
}

#[tokio::test]
async fn the_largest_records_and_the_longest_paddings_are_read() {
    let count = ("count", "printf 'Content-Type: a/b\\n\\n'; wc -c");
    let mut client = Client::new(&[count]);
    let id = client.begin("/count", "").await;
    for _ in 0..10 {
        let mut record = vec![1, 5, 0, 1, 0xff, 0xff, 0xff, 7];
        record.resize(8 + MAX_CONTENT + 255, b'x');
        client.send(&record).await;
    }
    client.stdin(id, b"").await;
    let answer = client.whole(id).await;
    assert!(
        answer.trim_end().ends_with(&(10 * MAX_CONTENT).to_string()),
        "{answer}"
    );
}

#[tokio::test]
async fn thousands_of_management_records_are_answered_and_not_gathered() {
    let mut client = Client::new(&[HELLO]);
    let mut asked = Vec::new();
    for _ in 0..64 {
        encode::get_values(&mut asked, [b"FCGI_MPXS_CONNS".as_slice()]);
        asked.extend([1, 77, 0, 0, 0, 0, 0, 0]);
    }
    // Nobody reads the answers: at some time no more questions are taken.
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_millis(300), client.stream.write_all(&asked))
        .await
        .is_ok()
    {
        sent += asked.len();
        assert!(sent < 8 * 1024 * 1024, "it takes all of them");
    }
    drop(client.stream);
    // What could not be written is an error.
    assert!(client.served.await.unwrap().is_err());
}

#[tokio::test]
async fn parameters_without_end_are_refused() {
    let mut client = Client::new(&[HELLO]);
    let mut out = Vec::new();
    encode::begin_request(&mut out, 1, Role::Responder, true);
    // A value of 1 GiB is announced.
    encode::record(&mut out, RecordType::Params, 1, &[1, 0xC0, 0, 0, 0, b'N']);
    client.send(&out).await;
    assert_eq!(client.next().await, Event::Closed);

    let mut client = Client::new(&[HELLO]);
    let mut out = Vec::new();
    encode::begin_request(&mut out, 1, Role::Responder, true);
    let mut params = ParamsWriter::new(&mut out, 1);
    for _ in 0..10_000 {
        params.pair(b"HTTP_X", b"y");
    }
    params.finish();
    client.send(&out).await;
    assert_eq!(client.next().await, Event::Closed);
}

#[tokio::test]
async fn a_connection_that_is_closed_in_one_direction_is_closed() {
    for state in [State::None, State::Params, State::Body, State::Answer] {
        let mut client = Client::new(&[SLOW, HELLO]);
        reach(&mut client, state).await;
        client.stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).await.unwrap();
        client.served.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn other_protocols_are_refused() {
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"\0\0\0\0\0\0\0\0",
        b"\x02\x01\0\x01",
    ] {
        let mut client = Client::new(&[HELLO]);
        client.send(bytes).await;
        assert_eq!(client.next().await, Event::Closed);
        assert!(client.served.await.unwrap().is_err());
    }
}

/// Records with any header, and a little content.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let content = prop::collection::vec(any::<u8>(), 0..24);
    let record =
        (prop_oneof![0..12_u8, any::<u8>()], 0..4_u16, content).prop_map(|(kind, id, content)| {
            let mut out = Vec::new();
            encode::record(&mut out, kind.into(), id, &content);
            out
        });
    let begin = (1..4_u16, any::<bool>()).prop_map(|(id, keep)| {
        let mut out = Vec::new();
        encode::begin_request(&mut out, id, Role::Responder, keep);
        let mut params = ParamsWriter::new(&mut out, id);
        params.pair(b"REQUEST_METHOD", b"POST");
        params.pair(b"SCRIPT_NAME", b"/none");
        params.finish();
        out
    });
    prop::collection::vec(prop_oneof![record, begin], 0..40).prop_map(|records| records.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever comes, the connection ends when the web server has left, and nothing panics.
    #[test]
    fn any_records_in_any_pieces(bytes in records(), size in 1..200_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = Client::new(&[]);
            for piece in bytes.chunks(size) {
                // It may have been closed by what came before.
                if client.stream.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(client.stream);
            // Protocol errors are results like others here.
            let _ = client.served.await.unwrap();
        });
    }
}
