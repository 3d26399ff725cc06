//! Answers and bodies by way of memory that the worker shares.

use fastcgi_protocol::{RecordType, encode};
use shared_buffers::{COUNT, LEAST, Memory, SIZE};

use super::fake::{STDIN_WINDOW, Said};
use super::*;

/// Bytes of an answer that may be on their way.
const WINDOW: u32 = 50_000;

const HEAD: &str = "Content-Type: text/plain\r\n\r\n";

/// A pool whose worker shares memory.
async fn start() -> (Bench, Fake, Memory) {
    let (mut bench, _) = Bench::start(&config()).await;
    let (memory, file) = Memory::create(1).unwrap();
    let buffers = lane::Buffers::new(memory.share(0));
    let worker = Bench::sharing_worker(&bench.pool, Some(buffers), WINDOW).await;
    let fake;
    (bench.worker, bench.driver, fake) = worker;
    (bench, fake, Memory::open(&file, 1).unwrap())
}

/// Says that so many bytes lie in a buffer.
async fn share(fake: &mut Fake, id: u16, buffer: u32, length: usize) {
    let length = u32::try_from(length).unwrap();
    fake.say(|out| encode::shared(out, id, buffer, length))
        .await;
}

#[tokio::test]
async fn an_answer_lies_in_shared_memory_until_it_is_read() {
    let (bench, mut fake, memory) = start().await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.answer(id, HEAD).await;
    let pieces = [(9, b'1'), (0, b'2')].map(|(buffer, byte)| (buffer, [byte; LEAST]));
    for (buffer, bytes) in &pieces {
        assert!(memory.writer.fill(0, *buffer, [bytes, &[]]));
        share(&mut fake, id, *buffer, LEAST).await;
    }
    fake.answer(id, "and others").await;
    let mut body = response(call.await.unwrap()).body;
    let mut held = Vec::new();
    for expected in [&pieces[0].1[..], &pieces[1].1, b"and others"] {
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(piece == expected);
        held.push(piece);
    }
    drop(held.remove(1));
    assert_eq!(fake.hear().await, Said::Released(1));
    drop(held);
    assert_eq!(fake.hear().await, Said::Released(1 << 9));
    fake.end(id).await;
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn credit_comes_back_with_the_buffers() {
    let (bench, mut fake, memory) = start().await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.answer(id, HEAD).await;
    let length = usize::try_from(WINDOW).unwrap() - HEAD.len();
    assert!(memory.writer.fill(0, 1, [&vec![b'x'; length], &[]]));
    share(&mut fake, id, 1, length).await;
    let mut body = response(call.await.unwrap()).body;
    let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
    // While it is held nothing more may come.
    drop(piece);
    assert_eq!(fake.hear().await, Said::Released(0b10));
    let bytes = WINDOW;
    assert_eq!(fake.hear().await, Said::Credit { id, bytes });
    share(&mut fake, id, 1, length).await;
    drop(body);
    // Nobody reads it any more.
    assert_eq!(fake.hear().await, Said::Abort { id });
    assert_eq!(fake.hear().await, Said::Released(0b10));
    let Said::Credit { bytes, .. } = fake.hear().await else {
        panic!("no credit");
    };
    assert_eq!(usize::try_from(bytes).unwrap(), length);
    fake.end(id).await;
}

#[tokio::test]
async fn a_head_is_read_from_a_copy() {
    let (bench, mut fake, memory) = start().await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    let text = [HEAD.as_bytes(), &[b'x'; LEAST]];
    assert!(memory.writer.fill(0, 0, text));
    share(&mut fake, id, 0, HEAD.len() + LEAST).await;
    let response = response(call.await.unwrap());
    assert!(memory.writer.fill(0, 0, [&[b'!'; LEAST], &[]]));
    assert_eq!(response.headers["content-type"], "text/plain");
    drop(response);
}

#[tokio::test]
async fn a_place_that_is_not_the_workers_breaks_the_lane() {
    for (buffer, twice) in [(32, false), (0, true)] {
        let (bench, mut fake, _memory) = start().await;
        let _call = bench.get("/");
        let id = fake.hear_get().await;
        share(&mut fake, id, buffer, LEAST).await;
        if twice {
            share(&mut fake, id, buffer, LEAST).await;
        }
        let fault = bench.driver.await.unwrap().unwrap();
        assert!(fault.contains("shared memory"), "{fault}");
    }
    let (bench, mut fake) = Bench::start(&config()).await;
    let _call = bench.get("/");
    let id = fake.hear_get().await;
    fake.say(|out| encode::stream(out, RecordType::Stderr, id, b"said\n"))
        .await;
    share(&mut fake, id, 0, LEAST).await;
    assert!(bench.driver.await.unwrap().is_some());
}

/// A request whose body may be of any length, with what feeds it; its number. Some of it has come.
async fn upload(
    bench: &Bench,
    fake: &mut Fake,
) -> (http_body_util::channel::Sender<Bytes, BodyError>, u16) {
    let (mut sender, body) = fed();
    let _call = bench.call(request(Method::POST, "/", body));
    let Said::Request { id, .. } = fake.hear().await else {
        panic!("no request");
    };
    let window = vec![0; usize::try_from(STDIN_WINDOW).unwrap()];
    sender.send_data(window.into()).await.unwrap();
    fake.hear().await;
    fake.say(|out| encode::credit(out, id, 100 << 20)).await;
    // Which must have come for that.
    sender.send_data("more".into()).await.unwrap();
    let data = b"more".into();
    assert_eq!(fake.hear().await, Said::Stdin { id, data });
    (sender, id)
}

#[tokio::test]
async fn a_long_body_lies_in_shared_memory_as_far_as_there_is_any() {
    let (bench, mut fake, memory) = start().await;
    let (mut sender, id) = upload(&bench, &mut fake).await;
    let length = u32::try_from(SIZE).unwrap();
    let place = |buffer| Said::Shared {
        id: Some(id),
        buffer,
        length,
    };
    let record = |data: &[u8]| Said::Stdin {
        id,
        data: data.to_vec(),
    };
    let piece = |byte: u8| Bytes::from(vec![byte; SIZE]);
    sender
        .send_data([&piece(0)[..], b"er"].concat().into())
        .await
        .unwrap();
    assert_eq!(fake.hear().await, place(0));
    assert_eq!(fake.hear().await, record(b"er"));
    for byte in 1..COUNT {
        sender
            .send_data(piece(byte.to_le_bytes()[0]))
            .await
            .unwrap();
        assert_eq!(fake.hear().await, place(byte));
    }
    for byte in 0..COUNT {
        let bytes = memory.reader.bytes(0, byte, SIZE).unwrap();
        assert!(bytes == piece(byte.to_le_bytes()[0]));
    }
    sender.send_data(piece(77)).await.unwrap();
    assert_eq!(fake.hear().await, record(&piece(77)));
    fake.say(|out| encode::released(out, 1 << 5)).await;
    // When that has come is not told.
    let mut buffer = None;
    while buffer.is_none() {
        sender.send_data(piece(78)).await.unwrap();
        if let Said::Shared { buffer: again, .. } = fake.hear().await {
            buffer = Some(again);
        }
    }
    assert_eq!(buffer, Some(5));
    drop(sender);
    assert_eq!(fake.hear().await, Said::StdinEnd { id });
    fake.end(id).await;
}

#[tokio::test]
async fn a_buffer_that_the_worker_had_not_got_breaks_the_lane() {
    let (bench, mut fake, _memory) = start().await;
    let (mut sender, _) = upload(&bench, &mut fake).await;
    sender.send_data(vec![0; LEAST].into()).await.unwrap();
    assert!(matches!(fake.hear().await, Said::Shared { buffer: 0, .. }));
    fake.say(|out| encode::released(out, 0b11)).await;
    let fault = bench.driver.await.unwrap().unwrap();
    assert!(fault.contains("shared memory"), "{fault}");
}
