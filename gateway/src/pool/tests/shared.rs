//! Answers by way of memory that the worker shares.

use fastcgi_protocol::{RecordType, encode};
use shared_buffers::{LEAST, Reader, Writer};

use super::fake::Said;
use super::*;

/// Bytes of an answer that may be on their way.
const WINDOW: u32 = 50_000;

const HEAD: &str = "Content-Type: text/plain\r\n\r\n";

/// A pool whose worker shares memory.
async fn start() -> (Bench, Fake, Writer) {
    let (mut bench, _) = Bench::start(&config()).await;
    let (reader, file) = Reader::create(1).unwrap();
    let buffers = lane::Buffers::new(Arc::new(reader), 0);
    let worker = Bench::sharing_worker(&bench.pool, Some(buffers), WINDOW).await;
    let fake;
    (bench.worker, bench.driver, fake) = worker;
    (bench, fake, Writer::open(&file, 1).unwrap())
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
        assert!(memory.fill(0, *buffer, [bytes, &[]]));
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
    assert!(memory.fill(0, 1, [&vec![b'x'; length], &[]]));
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
    assert!(memory.fill(0, 0, text));
    share(&mut fake, id, 0, HEAD.len() + LEAST).await;
    let response = response(call.await.unwrap());
    assert!(memory.fill(0, 0, [&[b'!'; LEAST], &[]]));
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
