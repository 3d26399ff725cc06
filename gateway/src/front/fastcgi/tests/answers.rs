//! Answers that are cut short, and answers that wait.

use std::pin::pin;
use std::task::{self, Waker};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Channel};

use super::answering::{Out, Source, Work};
use super::traffic::{Stdin, Traffic};
use super::*;
use crate::body::BodyError;
use crate::outbox::Outbox;
use crate::response::Response;

#[tokio::test]
async fn a_cut_answer_breaks_the_connection() {
    for program in [
        "printf 'Content-Type: a/b\\n\\npart'; sleep 0.1; kill -9 $$",
        "printf 'Content-Length: 9\\nContent-Type: a/b\\n\\npart'; sleep 0.1; kill -9 $$",
    ] {
        let mut client = Client::new(&[("cut", program)]);
        let id = client.get("/cut", true).await;
        let (answer, end) = client.answer(id).await;
        assert!(answer.ends_with("\r\n\r\npart"), "{answer}");
        assert_eq!(end, Event::Broken);
        // Nothing more comes, not even an end.
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
    }
}

#[tokio::test]
async fn a_cut_answer_does_not_cut_the_others() {
    let cut = ("cut", "printf 'Content-Type: a/b\\n\\npart'; kill -9 $$");
    let mut client = Client::new(&[HELLO, SLOW, cut]);
    let slow = client.begin("/slow", "3").await;
    let id = client.get("/cut", true).await;
    let Event::Stdout(of, _) = client.next().await else {
        panic!("no answer");
    };
    assert_eq!(of, id);
    // The connection takes no more requests, which is all that shows from outside.
    let late = loop {
        let late = client.get("/hello", true).await;
        let text = loop {
            match client.next().await {
                Event::Stdout(of, text) if of == late => break text,
                Event::Stdout(..) | Event::End(..) => {}
                other => panic!("{other:?}"),
            }
        };
        if text.starts_with("Status: 503 ") {
            break late;
        }
    };
    while client.next().await != Event::End(late, ProtocolStatus::RequestComplete) {}
    client.stdin(slow, b"ok\n").await;
    client.stdin(slow, b"").await;
    assert!(client.whole(slow).await.ends_with("begun\nok\n"));
    assert_eq!(client.next().await, Event::Broken);
}

/// Who asks for values may send several requests at once, and sends more until it has read that it shall not.
#[tokio::test]
async fn a_cut_answer_ends_no_request_of_who_asks_for_values() {
    let cut = ("cut", "printf 'Content-Type: a/b\\n\\npart'; kill -9 $$");
    let mut client = Client::new(&[HELLO, SLOW, cut]);
    client.values().await;
    let slow = client.begin("/slow", "3").await;
    client.get("/cut", true).await;
    let told = loop {
        match client.next().await {
            Event::Values(values) => break values,
            Event::Stdout(..) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told, [("FCGI_MAX_REQS".to_owned(), "0".to_owned())]);
    for _ in 0..2 {
        let late = client.get("/hello", true).await;
        assert!(client.whole(late).await.ends_with("hello"));
    }
    // Another one is not told of again.
    let id = client.get("/cut", true).await;
    let mut part = String::new();
    while !part.ends_with("part") {
        match client.next().await {
            Event::Stdout(of, text) if of == id => part.push_str(&text),
            other => panic!("{other:?}"),
        }
    }
    client.stdin(slow, b"ok\n").await;
    client.stdin(slow, b"").await;
    assert!(client.whole(slow).await.ends_with("begun\nok\n"));
    let late = client.get("/hello", true).await;
    assert!(client.whole(late).await.ends_with("hello"));
    assert_eq!(client.next().await, Event::Closed);
}

#[tokio::test]
async fn an_answer_waits_for_the_end_of_the_body() {
    let long = (
        "long",
        "echo Content-Type: a/b; echo; head -c 100000 /dev/zero; read line; echo $line",
    );
    for (name, program) in [SLOW, long] {
        let mut client = Client::new(&[(name, program), HELLO]);
        let id = client.begin(&format!("/{name}"), "3").await;
        // Later answers come first, although this one has begun.
        for _ in 0..3 {
            let id = client.get("/hello", true).await;
            client.whole(id).await;
        }
        client.stdin(id, b"ok\n").await;
        assert!(client.whole(id).await.ends_with("ok\n"), "{name}");
    }
}

/// nginx sends no more of a body once it has the head of an answer, and the backend may read on.
#[tokio::test]
async fn only_an_answer_that_may_not_wait_is_let_go_by_a_full_body() {
    let traffic = Arc::new(Traffic::default());
    let stdin = Stdin::new(Arc::clone(&traffic), None);
    let (mut answer, body) = Channel::<Bytes, BodyError>::new(4);
    let response = Response {
        status: StatusCode::OK,
        reason: None,
        headers: HeaderMap::new().into(),
        body: body.boxed_unsync(),
    };
    let out = Out {
        traffic: Arc::clone(&traffic),
        id: 1,
        rest: Some(Arc::clone(&stdin)),
    };
    let work = Work {
        answer: Source::Refusal(Box::new(response)),
        out,
    };
    let mut running = pin!(work.run());
    let context = &mut task::Context::from_waker(Waker::noop());
    stdin.push(&[0; 256 * 1024]);
    let mut sent = Outbox::default();
    for (data, is_sent) in [(&[0; 60_000][..], false), (&[0; 6_000], true)] {
        answer.send_data(Bytes::from_static(data)).await.unwrap();
        assert!(running.as_mut().poll(context).is_pending());
        traffic.take(&mut sent);
        assert_eq!(!sent.is_empty(), is_sent);
    }
}
