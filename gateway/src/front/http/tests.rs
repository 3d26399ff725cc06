#![allow(clippy::unwrap_used, clippy::panic)]

use std::task::{Context, Waker};

use bytes::Bytes;
use http_body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream as TokioStream};

use super::*;
use crate::body::BodyError;
use crate::sample::Site;
use crate::shutdown::Shutdown;

/// A front on a port of its own.
struct Server {
    address: SocketAddr,
    shutdown: Arc<Shutdown>,
    _site: Site,
}

impl Server {
    async fn start(programs: &[(&str, &str)]) -> Self {
        Self::with(programs, |_| {}).await
    }

    async fn with(programs: &[(&str, &str)], change: impl FnOnce(&mut config::Server)) -> Self {
        let site = Site::new(programs);
        let mut settings = config::Server::default();
        change(&mut settings);
        let front = Arc::new(Http::new(&settings, Arc::clone(&site.table)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Arc::new(Shutdown::new());
        let stages = Arc::clone(&shutdown);
        tokio::spawn(async move {
            while let Ok((stream, remote)) = listener.accept().await {
                let (front, stage) = (Arc::clone(&front), stages.subscribe());
                let stream = stream.into_std().unwrap();
                tokio::spawn(async move { front.serve(stream, remote, stage).await });
            }
        });
        Self {
            address,
            shutdown,
            _site: site,
        }
    }

    async fn connect(&self) -> TokioStream {
        TokioStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server closes the connection.
    async fn talk(&self, sent: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }
}

/// Everything until the connection ends, in whatever way.
async fn rest(stream: &mut TokioStream) -> String {
    let mut received = Vec::new();
    if let Err(error) = stream.read_to_end(&mut received).await {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    String::from_utf8_lossy(&received).into_owned()
}

/// Reads until the text has come.
async fn until(stream: &mut TokioStream, end: &str) -> String {
    let mut received = String::new();
    while !received.ends_with(end) {
        let byte = stream
            .read_u8()
            .await
            .unwrap_or_else(|_| panic!("only {received:?}"));
        received.push(char::from(byte));
    }
    received
}

const CLOSE: &str = "Host: localhost\r\nConnection: close\r\n\r\n";
const HELLO: (&str, &str) = (
    "hello",
    "printf 'Content-Type: text/plain\\nContent-Length: 5\\n\\nhello'",
);

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let server = Server::start(&[HELLO]).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream
            .write_all(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let answer = until(&mut stream, "hello").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-length: 5\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn own_reason_phrases_are_sent() {
    let server = Server::start(&[("x", "printf 'Status: 299 Not Quite\\n\\n'")]).await;
    let answer = server.talk(&format!("GET /x HTTP/1.1\r\n{CLOSE}")).await;
    assert!(answer.starts_with("HTTP/1.1 299 Not Quite\r\n"), "{answer}");
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_and_no_false_length() {
    let server = Server::start(&[HELLO, ("open", "printf 'Content-Type: a/b\\n\\nhello'")]).await;
    let answer = server
        .talk(&format!("HEAD /hello HTTP/1.1\r\n{CLOSE}"))
        .await;
    assert!(
        answer.ends_with("\r\n\r\n") && answer.contains("content-length: 5\r\n"),
        "{answer}"
    );
    let answer = server
        .talk(&format!("HEAD /open HTTP/1.1\r\n{CLOSE}"))
        .await;
    assert!(
        answer.ends_with("\r\n\r\n") && !answer.contains("content-length"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_cut_answer_never_looks_complete() {
    let die = "sleep 0.1; kill -9 $$";
    let server = Server::start(&[
        (
            "open",
            &format!("printf 'Content-Type: a/b\\n\\npart'; {die}"),
        ),
        (
            "long",
            &format!("printf 'Content-Length: 9\\nContent-Type: a/b\\n\\npart'; {die}"),
        ),
    ])
    .await;
    let answer = server
        .talk("GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert!(answer.ends_with("4\r\npart\r\n"), "{answer}");
    let answer = server
        .talk("GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert!(
        answer.contains("content-length: 9") && answer.ends_with("\r\n\r\npart"),
        "{answer}"
    );
}

/// A body whose bytes and whose failure are ready at the same time.
struct Cut(Option<Bytes>);

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let part = self.0.take().map(Frame::data);
        Poll::Ready(Some(part.ok_or_else(|| BodyError::Cut("died".into()))))
    }
}

/// A body of these pieces.
struct Pieces(std::vec::IntoIter<usize>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let piece = self.0.next().map(|length| Bytes::from(vec![0; length]));
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[test]
fn an_answer_is_long_while_whole_pieces_come_and_has_the_connection_to_itself() {
    const WHOLE: usize = shared_buffers::SIZE;
    for (has_own_connection, expected) in [
        (true, [false, true, true, false, true]),
        (false, [false; 5]),
    ] {
        let condition = Arc::new(Condition::new());
        let pieces = Pieces(vec![1, WHOLE, 3 * WHOLE, WHOLE - 1, WHOLE].into_iter());
        let mut outgoing = Outgoing {
            inner: Sent::from(pieces.boxed_unsync()),
            failure: None,
            bodiless: false,
            ends_connection: false,
            has_own_connection,
            condition: Arc::clone(&condition),
            origin: None,
        };
        let streams = || condition.streams.load(Ordering::Relaxed);
        for expected in expected {
            let frame = Pin::new(&mut outgoing).poll_frame(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(frame, Poll::Ready(Some(Ok(_)))));
            assert_eq!(streams(), expected);
        }
        drop(outgoing);
        assert!(!streams());
    }
}

#[tokio::test]
async fn what_came_before_a_cut_is_sent() {
    let answer = service_fn(|_: http::Request<Incoming>| async {
        Ok::<_, Infallible>(http::Response::new(Outgoing {
            inner: Sent::from(Cut(Some("part".into())).boxed_unsync()),
            failure: None,
            bodiless: false,
            ends_connection: false,
            has_own_connection: true,
            condition: Arc::new(Condition::new()),
            origin: None,
        }))
    });
    let (mut client, server) = tokio::io::duplex(1024);
    let server = tokio::spawn(async move {
        http1::Builder::new()
            .serve_connection(TokioIo::new(server), answer)
            .await
            .is_err()
    });
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("4\r\npart\r\n"), "{answer}");
    assert!(server.await.unwrap());
}

#[tokio::test]
async fn over_http_1_0_a_cut_answer_is_a_reset_connection() {
    let server = Server::start(&[
        (
            "open",
            "printf 'Content-Type: a/b\\n\\npart'; read go; kill -9 $$",
        ),
        ("whole", "printf 'Content-Type: a/b\\n\\nall'"),
    ])
    .await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /open HTTP/1.0\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n")
        .await
        .unwrap();
    until(&mut stream, "part").await;
    stream.write_all(b"go\n").await.unwrap();
    assert_eq!(
        stream.read_u8().await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /whole HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    until(&mut stream, "all").await;
    assert_eq!(
        stream.read_u8().await.unwrap_err().kind(),
        ErrorKind::UnexpectedEof
    );
}

#[tokio::test]
async fn over_http2_a_cut_answer_is_a_reset_stream() {
    let server = Server::start(&[
        HELLO,
        ("open", "printf 'Content-Type: a/b\\n\\npart'; kill -9 $$"),
    ])
    .await;
    let (mut client, connection) = h2::client::handshake(server.connect().await).await.unwrap();
    tokio::spawn(connection);
    let mut get = |path: &str| {
        let uri = format!("http://localhost/{path}");
        client
            .send_request(http::Request::get(uri).body(()).unwrap(), true)
            .unwrap()
            .0
    };
    let cut = get("open").await.unwrap();
    let mut body = cut.into_body();
    let error = loop {
        match body.data().await {
            Some(Ok(_part)) => {}
            Some(Err(error)) => break error,
            None => panic!("the stream ended cleanly"),
        }
    };
    assert!(error.is_reset());
    // The connection and its other streams live on.
    let mut body = get("hello").await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "hello");
}

#[tokio::test]
async fn chunked_bodies_reach_the_program() {
    let server = Server::start(&[(
        "echo",
        "printf 'Content-Type: a/b\\n\\n'; echo $CONTENT_LENGTH.; cat",
    )])
    .await;
    let request = "POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                   Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let answer = server.talk(request).await;
    assert!(
        answer.contains(".\n") && answer.contains("abcde"),
        "{answer}"
    );
}

#[tokio::test]
async fn special_targets_have_their_rules() {
    let server = Server::start(&[(
        "x",
        "printf 'Content-Type: a/b\\n\\n'; echo $HTTP_HOST $REQUEST_URI",
    )])
    .await;
    for (line, expected) in [
        (
            "GET http://other.example:81/x?a HTTP/1.1",
            "other.example:81 /x?a\n",
        ),
        ("OPTIONS * HTTP/1.1", "HTTP/1.1 200 OK"),
        ("GET * HTTP/1.1", "HTTP/1.1 400"),
        ("CONNECT localhost:80 HTTP/1.1", "HTTP/1.1 405"),
        ("GET /none HTTP/1.1", "HTTP/1.1 404"),
        ("GET /x HTTP/3.7", "HTTP/1.1 400"),
        ("GET x HTTP/1.1", "HTTP/1.1 400"),
        ("nonsense", "HTTP/1.1 400"),
    ] {
        let answer = server.talk(&format!("{line}\r\n{CLOSE}")).await;
        assert!(answer.contains(expected), "{line}: {answer}");
    }
}

#[tokio::test]
async fn heads_above_the_limit_are_refused() {
    let server = Server::with(&[HELLO], |settings| settings.header_limit = 16 * 1024).await;
    let big = format!(
        "GET /hello HTTP/1.1\r\nX-Big: {}\r\n{CLOSE}",
        "x".repeat(20 * 1024)
    );
    let answer = server.talk(&big).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let fits = format!(
        "GET /hello HTTP/1.1\r\nX-Big: {}\r\n{CLOSE}",
        "x".repeat(12 * 1024)
    );
    assert!(server.talk(&fits).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_silent_client_is_not_waited_for() {
    let server = Server::with(&[HELLO], |settings| {
        settings.header_timeout = Duration::from_millis(100)
    })
    .await;
    // Nothing; a part of HTTP/2's preface; a part of a request; a request and then no other, or a part of it.
    for sent in ["", "PRI * HT", "GET /hello HTTP/1.1\r\nHost:"] {
        let answer = server.talk(sent).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    let request = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for next in ["", "GET /hello HTTP/1.1\r\nHost:"] {
        let answer = server.talk(&format!("{request}{next}")).await;
        assert!(answer.ends_with("hello"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_has_gone_is_not_answered_on() {
    let script = "cat >/dev/null; echo Content-Type: a/b; echo; echo begun; exec sleep 1000";
    let server = Server::start(&[("endless", script)]).await;
    for (verb, rest) in [
        ("GET", "\r\n"),
        ("POST", "Content-Length: 3\r\n\r\nabc"),
        (
            "POST",
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
    ] {
        let mut stream = server.connect().await;
        let request = format!("{verb} /endless HTTP/1.1\r\nHost: localhost\r\n{rest}");
        stream.write_all(request.as_bytes()).await.unwrap();
        until(&mut stream, "begun\n\r\n").await;
        drop(stream);
        while server.shutdown.connections() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn draining_lets_requests_finish_and_closes_idle_connections() {
    let server = Server::start(&[
        HELLO,
        (
            "slow",
            "echo Content-Type: a/b; echo; echo begun; read go; echo all",
        ),
    ])
    .await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    until(&mut idle, "hello").await;
    let mut busy = server.connect().await;
    busy.write_all(b"POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n")
        .await
        .unwrap();
    until(&mut busy, "begun\n\r\n").await;
    let client = async {
        assert_eq!(rest(&mut idle).await, "");
        busy.write_all(b"go\n").await.unwrap();
        assert!(rest(&mut busy).await.ends_with("all\n\r\n0\r\n\r\n"));
    };
    tokio::join!(server.shutdown.drain(Duration::from_secs(60)), client);
    assert_eq!(server.shutdown.connections(), 0);
}

#[tokio::test]
async fn what_does_not_finish_is_dropped() {
    let server = Server::start(&[(
        "slow",
        "echo Content-Type: a/b; echo; echo begun; exec sleep 1000",
    )])
    .await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    until(&mut busy, "begun\n\r\n").await;
    server.shutdown.drain(Duration::from_millis(50)).await;
    assert_eq!(rest(&mut busy).await, "");
}
