//! Requests whose worker dies.

use super::crash::Blame;
use super::fake::Said;
use super::*;

#[tokio::test]
async fn the_innocent_run_again_and_suspects_once() {
    let (mut bench, mut fake) = Bench::start(&config()).await;
    let culprit = bench.get("/culprit");
    let culprit_id = fake.hear_get().await;
    let innocent = bench.get("/innocent");
    fake.hear_get().await;
    let unsafe_to_repeat = bench.call(request(Method::POST, "/post", body::empty()));
    fake.hear_get().await;
    let streaming = bench.get("/streaming");
    let streaming_id = fake.hear_get().await;
    fake.answer(streaming_id, "Content-Type: text/plain\r\n\r\npart")
        .await;
    let streaming = response(streaming.await.unwrap()).body;

    let mut fake = bench.replace(Blame::Request(culprit_id)).await;
    let died = error(culprit.await.unwrap());
    assert!(matches!(died, Error::BackendDied(_)));
    let lost = error(unsafe_to_repeat.await.unwrap());
    assert!(matches!(lost, Error::WorkerLost { innocent: true, .. }));
    let cut = streaming.collect().await;
    assert!(matches!(cut, Err(BodyError::Cut(reason)) if reason == "died"));
    // What is known not to be its fault does not count.
    fake.hear_get().await;
    let mut fake = bench.replace(Blame::Elsewhere).await;
    fake.hear_get().await;
    let mut fake = bench.replace(Blame::Unknown).await;
    let id = fake.hear_get().await;
    fake.answer_whole(id, "at last").await;
    assert_eq!(text(response(innocent.await.unwrap())).await, "at last");

    let suspect = bench.get("/suspect");
    fake.hear_get().await;
    let mut fake = bench.replace(Blame::Unknown).await;
    fake.hear_get().await;
    let _fake = bench.replace(Blame::Unknown).await;
    let lost = error(suspect.await.unwrap());
    assert!(matches!(
        lost,
        Error::WorkerLost {
            innocent: false,
            ..
        }
    ));
}

#[tokio::test]
async fn a_body_goes_with_its_request_to_the_next_worker() {
    let (mut bench, mut fake) = Bench::start(&config()).await;
    let (mut sender, body) = fed();
    let call = bench.call(request(Method::PUT, "/", body));
    sender.send_data("one".into()).await.unwrap();
    let piece = |id, text: &str| Said::Stdin {
        id,
        data: text.into(),
    };
    let Said::Request { id, .. } = fake.hear().await else {
        panic!("no request");
    };
    assert_eq!(fake.hear().await, piece(id, "one"));
    let mut fake = bench.replace(Blame::Elsewhere).await;
    let Said::Request { id, .. } = fake.hear().await else {
        panic!("no request");
    };
    assert_eq!(fake.hear().await, piece(id, "one"));
    sender.send_data("two".into()).await.unwrap();
    assert_eq!(fake.hear().await, piece(id, "two"));
    drop(sender);
    assert_eq!(fake.hear().await, Said::StdinEnd { id });
    fake.answer_whole(id, "thanks").await;
    assert_eq!(text(response(call.await.unwrap())).await, "thanks");
}
