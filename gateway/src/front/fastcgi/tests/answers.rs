//! Answers that are cut short, and answers that wait.

use super::*;

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

#[tokio::test]
async fn an_answer_waits_for_the_end_of_the_body() {
    let mut client = Client::new(&[SLOW, HELLO]);
    let slow = client.begin("/slow", "3").await;
    // A later answer comes first, although this one has begun.
    for _ in 0..3 {
        let id = client.get("/hello", true).await;
        client.whole(id).await;
    }
    client.stdin(slow, b"ok\n").await;
    assert!(client.whole(slow).await.ends_with("begun\nok\n"));

    let long = (
        "long",
        "echo Content-Type: a/b; echo; head -c 100000 /dev/zero; read line; echo $line",
    );
    let mut client = Client::new(&[long]);
    let id = client.begin("/long", "3").await;
    client.stdin(id, b"ok\n").await;
    assert!(client.whole(id).await.ends_with("ok\n"));
}
