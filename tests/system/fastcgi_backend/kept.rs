//! Connections that are kept for later requests, and what becomes of those that the application has closed.

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use fastcgi_protocol::{ProtocolStatus, RecordType, encode};
use system_tests::{Client, Gateway, PATIENCE, Peer, wait_until};

use super::before;

/// Answers every request with the number of the connection.
fn serve(mut peer: Peer) {
    while peer.request().is_some() {
        peer.body();
        let number = peer.number;
        peer.answer(&number.to_string());
    }
}

fn numbers(gateway: &Gateway, count: usize) -> Vec<String> {
    (0..count).map(|_| gateway.get("/app/").text()).collect()
}

#[test]
fn one_connection_serves_many_requests() {
    let (gateway, application) = before("keep_alive = 2\n", serve);
    assert_eq!(numbers(&gateway, 50), vec!["1"; 50]);
    let reply = gateway.request("POST", "/app/", &[], &vec![b'x'; 1 << 20]);
    assert_eq!(reply.text(), "1");
    assert_eq!(application.connections(), 1);
    gateway.stop();
}

#[test]
fn no_more_are_kept_than_the_pool_says() {
    let (gateway, application) = before("", serve);
    assert_eq!(numbers(&gateway, 3), ["1", "2", "3"]);
    gateway.stop();
    assert_eq!(application.connections(), 3);
    let closed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&closed);
    let (gateway, application) = before("keep_alive = 2\n", move |mut peer| {
        while peer.request().is_some() {
            peer.body();
            peer.answer("ok");
        }
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(gateway.address())).collect();
    for round in 0..5 {
        for client in &mut clients {
            client.request("GET", "/app/", &[], b"");
        }
        for client in &mut clients {
            assert_eq!(client.reply("GET").text(), "ok", "{round}");
        }
    }
    drop(clients);
    gateway.stop();
    wait_until("all connections are closed", || {
        closed.load(Ordering::SeqCst) == application.connections()
    });
}

#[test]
fn an_idle_one_is_closed() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let extra = "keep_alive = 2\nkeep_alive_timeout = \"100ms\"\n";
    let (gateway, application) = before(extra, move |peer| {
        serve(peer);
        tell.lock().unwrap().send(()).unwrap();
    });
    assert_eq!(gateway.get("/app/").text(), "1");
    told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(gateway.get("/app/").text(), "2");
    assert_eq!(application.connections(), 2);
    gateway.stop();
}

#[test]
fn a_connection_is_not_used_again_after_an_error() {
    // Only the first request on a connection goes well.
    for query in ["unread", "trailing", "refused", "cut"] {
        let (gateway, application) = before("keep_alive = 2\n", |mut peer| {
            while let Some(request) = peer.request() {
                let number = peer.number.to_string();
                match request.param("QUERY_STRING").unwrap().as_str() {
                    // Ends before it has the body.
                    "unread" => peer.answer(&number),
                    "trailing" => {
                        let mut out = Vec::new();
                        let text = format!("Content-Type: a/b\r\n\r\n{number}");
                        encode::stream(&mut out, RecordType::Stdout, 1, text.as_bytes());
                        encode::end_request(&mut out, 1, 0, ProtocolStatus::RequestComplete);
                        encode::stream(&mut out, RecordType::Stdout, 1, b"of nothing");
                        peer.send(&out);
                    }
                    "refused" => peer.end(0, ProtocolStatus::Overloaded),
                    "cut" => {
                        peer.stdout(b"Content-Type: a/b\r\n\r\n");
                        peer.send(&[9; 8]);
                    }
                    _ => {
                        peer.body();
                        peer.answer(&number);
                    }
                }
            }
        });
        let mut client = Client::connect(gateway.address());
        let path = format!("/app/?{query}");
        if query == "trailing" {
            client.request("GET", &path, &[], b"");
            assert_eq!(client.reply("GET").text(), "1");
        } else {
            client.send(
                format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
                    .as_bytes(),
            );
            let _ = client.head();
        }
        drop(client);
        assert_eq!(gateway.get("/app/").text(), "2", "{query}");
        assert_eq!(application.connections(), 2);
        gateway.stop();
    }
}

/// The second connection and later ones are served; the first is closed when its second request has come, before an
/// answer, or after the head.
fn closes_in_the_second(after_head: bool) -> impl Fn(Peer) + Send + Sync {
    move |mut peer: Peer| {
        let mut first = true;
        while peer.request().is_some() {
            if peer.number == 1 && !std::mem::take(&mut first) {
                if after_head {
                    peer.stdout(b"Content-Type: a/b\r\n\r\n");
                }
                return;
            }
            peer.body();
            let number = peer.number;
            peer.answer(&number.to_string());
        }
    }
}

#[test]
fn what_may_be_repeated_is_when_the_connection_was_stale() {
    for (method, body, expected) in [
        ("GET", "", 200),
        ("DELETE", "", 200),
        // It may have been run.
        ("POST", "", 502),
    ] {
        let (gateway, application) = before("keep_alive = 2\n", closes_in_the_second(false));
        assert_eq!(gateway.get("/app/").text(), "1");
        let reply = gateway.request(method, "/app/", &[], body.as_bytes());
        assert_eq!(reply.status(), expected, "{method}");
        if expected == 200 {
            assert_eq!(reply.text(), "2");
        }
        assert_eq!(gateway.get("/app/").text(), "2");
        assert_eq!(application.connections(), 2);
        gateway.stop();
    }
}

#[test]
fn a_post_whose_body_was_not_sent_is_repeated() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let serve = closes_in_the_second(false);
    let (gateway, application) = before("keep_alive = 2\n", move |peer| {
        serve(peer);
        tell.lock().unwrap().send(()).unwrap();
    });
    assert_eq!(gateway.get("/app/").text(), "1");
    let mut client = Client::connect(gateway.address());
    client.send(b"POST /app/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    told.recv_timeout(PATIENCE).unwrap();
    client.send(b"body");
    assert_eq!(client.reply("POST").text(), "2");
    assert_eq!(application.connections(), 2);
    drop(client);
    gateway.stop();
}

#[test]
fn nothing_is_repeated_once_an_answer_has_begun() {
    let (gateway, application) = before("keep_alive = 2\n", closes_in_the_second(true));
    assert_eq!(gateway.get("/app/").text(), "1");
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/app/", &[], b"");
    // The head may be lost with the rest, but nothing looks like a good answer.
    let head = client.head();
    let is_cut = head.is_err() || {
        let mut bytes = Vec::new();
        let head = head.unwrap();
        client.body(&head, "GET").read_to_end(&mut bytes).is_err()
    };
    assert!(is_cut);
    drop(client);
    assert_eq!(application.connections(), 1);
    gateway.stop();
}

#[test]
fn closed_connections_are_found_before_they_are_used() {
    // Closes a connection after each answer although it was to be kept, as php-fpm does at pm.max_requests.
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let (gateway, _application) = before("keep_alive = 4\n", move |mut peer| {
        let is_kept = peer.request().unwrap().keep;
        peer.body();
        peer.answer("ok");
        drop(peer);
        tell.lock().unwrap().send(is_kept).unwrap();
    });
    for _ in 0..200 {
        let reply = gateway.request("POST", "/app/", &[], b"may run only once");
        assert_eq!(reply.text(), "ok");
        assert!(told.recv_timeout(PATIENCE).unwrap());
    }
    gateway.stop();
}
