//! Requests on a lane.

use fastcgi_protocol::{ProtocolStatus, RecordType, encode};
use http::{HeaderName, StatusCode};

use super::crash::Blame;
use super::fake::{STDIN_WINDOW, STDOUT_WINDOW, Said};
use super::*;

#[tokio::test]
async fn a_request_and_its_answer_cross() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let call = bench.get("/fake.so/x?y");
    let Said::WholeRequest { id, params } = fake.hear().await else {
        panic!("no request");
    };
    assert_eq!(params.get(b"INSTANCE_ID"), Some(&b"7"[..]));
    assert_eq!(params.get(b"INSTANCE_NAME"), Some(&b"bench"[..]));
    assert_eq!(params.get(b"APP_POOL_ID"), Some(&b"fakes"[..]));
    fake.answer(id, "Status: 404 Nothing\r\nX-A: b\r\n\r\nno")
        .await;
    let response = response(call.await.unwrap());
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    assert_eq!(response.reason.as_deref(), Some(&b"Nothing"[..]));
    assert_eq!(response.headers["x-a"], "b");
    fake.answer(id, "thing").await;
    fake.end(id).await;
    assert_eq!(text(response).await, "nothing");
    assert_eq!((bench.worker.taken(), bench.worker.served()), (0, 1));
}

#[tokio::test]
async fn an_extension_may_decline_to_keep_the_connection() {
    let (bench, mut fake) = Bench::start(&config()).await;
    for (head, expected) in [("Connection: close, x-a\r\n", Some("close")), ("", None)] {
        let call = bench.get("/");
        let id = fake.hear_get().await;
        fake.answer(id, format!("X-A: b\r\n{head}X-B: c\r\n\r\n"))
            .await;
        fake.end(id).await;
        let headers = response(call.await.unwrap()).headers;
        let connection = headers
            .get("connection")
            .map(|value| value.to_str().unwrap());
        assert_eq!(connection, expected);
        assert_eq!(headers.contains_key("x-a"), expected.is_none());
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_said_hurts_no_other() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let long = HeaderName::try_from("a".repeat(1020)).unwrap();
    let big = HeaderValue::try_from("a".repeat(1024 * 1024)).unwrap();
    for (name, value) in [(long, HeaderValue::from_static("")), (header::ACCEPT, big)] {
        let mut request = request(Method::GET, "/", body::empty());
        request.head.headers.insert(name, value);
        let told = error(bench.call(request).await.unwrap());
        assert!(
            matches!(&told, Error::BadRequest(reason) if reason.contains("exceed")),
            "{told}"
        );
    }
    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.answer_whole(id, "ok").await;
    assert_eq!(text(response(call.await.unwrap())).await, "ok");
    while bench.worker.taken() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_share_the_lane() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let first = bench.get("/1");
    let first_id = fake.hear_get().await;
    let second = bench.get("/2");
    let second_id = fake.hear_get().await;
    assert_ne!(first_id, second_id);
    fake.answer_whole(second_id, "two").await;
    assert_eq!(text(response(second.await.unwrap())).await, "two");
    let third = bench.get("/3");
    assert_eq!(fake.hear_get().await, second_id);
    fake.answer_whole(second_id, "three").await;
    fake.answer_whole(first_id, "one").await;
    assert_eq!(text(response(first.await.unwrap())).await, "one");
    assert_eq!(text(response(third.await.unwrap())).await, "three");
}

#[tokio::test]
async fn a_body_keeps_to_the_credit() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let body: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let call = bench.call(request(Method::POST, "/", body::full(body.clone())));
    let Said::Request { id, .. } = fake.hear().await else {
        panic!("no request");
    };
    let window = usize::try_from(STDIN_WINDOW).unwrap();
    let mut heard = Vec::new();
    let mut credit = window;
    while heard.len() < body.len() {
        let Said::Stdin { data, .. } = fake.hear().await else {
            panic!("no body");
        };
        credit -= data.len();
        heard.extend_from_slice(&data);
        if credit == 0 && heard.len() < body.len() {
            credit = window;
            fake.say(|out| encode::credit(out, id, STDIN_WINDOW)).await;
        }
    }
    assert_eq!(fake.hear().await, Said::StdinEnd { id });
    assert!(heard == body);
    fake.answer_whole(id, "thanks").await;
    assert_eq!(text(response(call.await.unwrap())).await, "thanks");
}

#[tokio::test]
async fn a_body_may_go_on_after_the_answer_has_begun() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let (mut sender, body) = fed();
    let call = bench.call(request(Method::POST, "/", body));
    let Said::Request { id, .. } = fake.hear().await else {
        panic!("no request");
    };
    fake.answer(id, "Content-Type: text/plain\r\n\r\n").await;
    let response = response(call.await.unwrap());
    for piece in ["one", "two"] {
        sender.send_data(piece.into()).await.unwrap();
        assert_eq!(
            fake.hear().await,
            Said::Stdin {
                id,
                data: piece.into()
            }
        );
        fake.answer(id, piece).await;
    }
    drop(sender);
    assert_eq!(fake.hear().await, Said::StdinEnd { id });
    fake.end(id).await;
    assert_eq!(text(response).await, "onetwo");
}

#[tokio::test]
async fn an_answer_that_ends_first_lets_the_body_go() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let (mut sender, body) = fed();
    let call = bench.call(request(Method::POST, "/", body));
    let Said::Request { id, .. } = fake.hear().await else {
        panic!("no request");
    };
    fake.answer_whole(id, "enough").await;
    assert_eq!(text(response(call.await.unwrap())).await, "enough");
    while sender.send_data("more".into()).await.is_ok() {}
}

#[tokio::test]
async fn credit_comes_back_only_for_what_is_read() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    let head = "Content-Type: text/plain\r\n\r\n";
    let window = usize::try_from(STDOUT_WINDOW).unwrap();
    fake.answer(id, head).await;
    let mut response = response(call.await.unwrap());
    fake.answer(id, vec![b'a'; window - head.len()]).await;
    // Nothing has been read: another request gets its answer, and no credit was heard before it.
    let other = bench.get("/other");
    let other_id = fake.hear_get().await;
    fake.answer_whole(other_id, "ok").await;
    assert_eq!(text(super::response(other.await.unwrap())).await, "ok");
    let mut read = 0;
    while read < window - head.len() {
        let frame = response.body.frame().await.unwrap().unwrap();
        read += frame.into_data().unwrap().len();
    }
    let Said::Credit { id: heard, bytes } = fake.hear().await else {
        panic!("no credit");
    };
    assert_eq!(heard, id);
    assert!(bytes >= STDOUT_WINDOW / 2);
}

#[tokio::test]
async fn more_than_the_credit_ends_the_worker() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    let window = usize::try_from(STDOUT_WINDOW).unwrap();
    fake.answer(id, vec![b'a'; window + 1]).await;
    let fault = bench.driver.await.unwrap().unwrap();
    assert!(
        fault.contains("8193 bytes received with credit for 8192"),
        "{fault}"
    );
    assert!(!bench.worker.has_room(0));
    bench.worker.lanes[0].fail("was killed", Blame::Request(id));
    let error = error(call.await.unwrap());
    assert!(matches!(error, Error::BackendDied(reason) if reason == "was killed"));
}

#[tokio::test]
async fn a_cut_answer_never_looks_whole() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.say(|out| encode::cut(out, id, "it crashed")).await;
    fake.end(id).await;
    let died = error(call.await.unwrap());
    assert!(matches!(died, Error::BackendDied(reason) if reason == "it crashed"));

    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.answer(id, "Content-Type: text/plain\r\n\r\npart")
        .await;
    fake.say(|out| encode::cut(out, id, "it crashed")).await;
    fake.end(id).await;
    let mut body = response(call.await.unwrap()).body;
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "part"
    );
    let cut = body.frame().await.unwrap().unwrap_err();
    assert!(matches!(cut, BodyError::Cut(reason) if reason == "it crashed"));
}

#[tokio::test]
async fn an_answer_without_a_head_and_a_refusal_are_told() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.end(id).await;
    assert!(matches!(error(call.await.unwrap()), Error::BadAnswer(_)));

    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.end_as(id, ProtocolStatus::Overloaded).await;
    assert!(matches!(error(call.await.unwrap()), Error::Overloaded(_)));

    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.end_as(id, ProtocolStatus::UnknownRole).await;
    assert!(matches!(error(call.await.unwrap()), Error::BackendDied(_)));
}

#[tokio::test]
async fn a_client_that_leaves_aborts_and_its_number_stays_taken() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let before_head = bench.get("/1");
    let id = fake.hear_get().await;
    before_head.abort();
    assert_eq!(fake.hear().await, Said::Abort { id });

    let call = bench.get("/2");
    let second = fake.hear_get().await;
    assert_ne!(second, id);
    fake.answer(second, "Content-Type: text/plain\r\n\r\npart")
        .await;
    drop(response(call.await.unwrap()));
    assert_eq!(fake.hear().await, Said::Abort { id: second });
    assert_eq!(bench.worker.taken(), 2);

    // What the extension still writes is thrown away, and it gets credit for it.
    let window = usize::try_from(STDOUT_WINDOW).unwrap();
    fake.answer(id, vec![b'a'; window]).await;
    assert_eq!(
        fake.hear().await,
        Said::Credit {
            id,
            bytes: STDOUT_WINDOW
        }
    );
    fake.end(id).await;
    fake.end(second).await;
    while bench.worker.taken() > 0 {
        tokio::task::yield_now().await;
    }
    let call = bench.get("/3");
    let third = fake.hear_get().await;
    assert_eq!(third, id);
    fake.answer_whole(third, "ok").await;
    assert_eq!(text(response(call.await.unwrap())).await, "ok");
    assert_eq!(bench.worker.taken(), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_aborts() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let (mut sender, body) = fed();
    let call = bench.call(request(Method::POST, "/", body));
    let Said::Request { id, .. } = fake.hear().await else {
        panic!("no request");
    };
    sender.send_data("one".into()).await.unwrap();
    assert_eq!(
        fake.hear().await,
        Said::Stdin {
            id,
            data: b"one".into()
        }
    );
    sender.abort(BodyError::Client("gone".into()));
    assert_eq!(fake.hear().await, Said::Abort { id });
    assert!(matches!(error(call.await.unwrap()), Error::ClientGone));
}

#[tokio::test]
async fn what_a_dead_worker_had_said_is_delivered() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let whole = bench.get("/whole");
    let whole_id = fake.hear_get().await;
    let part = bench.get("/part");
    let part_id = fake.hear_get().await;
    let none = bench.get("/none");
    let none_id = fake.hear_get().await;
    fake.answer_whole(whole_id, "whole").await;
    fake.answer(part_id, "Content-Type: text/plain\r\n\r\npart")
        .await;
    drop(fake);
    assert_eq!(bench.driver.await.unwrap(), None);
    let lane = &bench.worker.lanes[0];
    let mut left = Vec::new();
    assert_eq!(lane.describe(1, &mut left), 2);
    assert_eq!(left, ["GET /part"]);
    lane.fail("was killed by signal 11 (SIGSEGV)", Blame::Request(none_id));
    assert_eq!(text(response(whole.await.unwrap())).await, "whole");
    let part = response(part.await.unwrap()).body.collect().await;
    assert!(matches!(part, Err(BodyError::Cut(reason)) if reason.contains("SIGSEGV")));
    let died = error(none.await.unwrap());
    assert!(matches!(died, Error::BackendDied(reason) if reason.contains("SIGSEGV")));
    assert_eq!(bench.worker.taken(), 0);
}

#[tokio::test]
async fn a_second_greeting_is_a_fault() {
    let (bench, mut fake) = Bench::start(&config()).await;
    fake.say(|out| encode::record(out, RecordType::Hello, 0, &[]))
        .await;
    assert!(
        bench
            .driver
            .await
            .unwrap()
            .unwrap()
            .contains("second Hello")
    );
}
