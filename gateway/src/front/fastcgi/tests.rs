//! One connection from a web server, over a pair of sockets.
#![allow(clippy::unwrap_used, clippy::panic)]

mod abuse;
mod answers;
mod bodies;
mod limits;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use fastcgi_protocol::{
    Params, ParamsWriter, ProtocolStatus, RecordBuffer, RecordType, Role, Server, ServerEvent,
    encode,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::*;
use crate::config::FastCgiListener;
use crate::request::Connection;
use crate::sample::Site;
use crate::shutdown::Shutdown;

/// A web server's end of a connection.
struct Client {
    stream: UnixStream,
    buffer: RecordBuffer,
    server: Server,
    /// The gateway's end.
    served: JoinHandle<anyhow::Result<()>>,
    shutdown: Arc<Shutdown>,
    _site: Arc<Site>,
}

/// A front without programs.
pub fn front() -> Arc<FastCgi> {
    let table = Arc::clone(&Site::new(&[]).table);
    Arc::new(FastCgi::new(&config::Server::default(), &listener(), table))
}

/// What a connection from nowhere says of itself.
pub fn socket() -> Connection {
    let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    Connection {
        remote: nowhere,
        local: nowhere,
        secure: false,
    }
}

/// The records that begin a request with a body of that length.
pub fn begun(id: u16, length: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode::begin_request(&mut out, id, Role::Responder, true);
    let mut params = ParamsWriter::new(&mut out, id);
    params.pair(b"REQUEST_METHOD", b"POST");
    params.pair(b"SCRIPT_NAME", b"/x");
    params.pair(b"CONTENT_LENGTH", length.as_bytes());
    params.finish();
    out
}

/// What came back, until the end of a request or of the connection.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Stdout(u16, String),
    End(u16, ProtocolStatus),
    Values(Vec<(String, String)>),
    UnknownType(u8),
    /// A record of no version: an answer was cut off.
    Broken,
    Closed,
}

fn listener() -> FastCgiListener {
    FastCgiListener::new(Address::Unix("/nowhere".into()))
}

impl Client {
    fn new(programs: &[(&str, &str)]) -> Self {
        Self::with(programs, &listener(), |_| {})
    }

    fn with(
        programs: &[(&str, &str)],
        listener: &FastCgiListener,
        change: impl FnOnce(&mut config::Server),
    ) -> Self {
        let site = Arc::new(Site::new(programs));
        let mut settings = config::Server::default();
        change(&mut settings);
        let front = Arc::new(FastCgi::new(&settings, listener, Arc::clone(&site.table)));
        let (stream, other) = UnixStream::pair().unwrap();
        let shutdown = Arc::new(Shutdown::new());
        let served = tokio::spawn(connection::serve(
            front,
            other,
            socket(),
            shutdown.subscribe(),
        ));
        Self {
            stream,
            buffer: RecordBuffer::new(),
            server: Server::new(1000, false),
            served,
            shutdown,
            _site: site,
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Begins a request with that role; its body is still to be sent.
    async fn begin_as(&mut self, role: Role, keep: bool, params: &[(&str, &str)]) -> u16 {
        let mut out = Vec::new();
        let id = self.server.begin(&mut out, role, keep).unwrap();
        let mut writer = ParamsWriter::new(&mut out, id);
        for (name, value) in params {
            writer.pair(name.as_bytes(), value.as_bytes());
        }
        writer.finish();
        self.send(&out).await;
        id
    }

    async fn begin(&mut self, path: &str, length: &str) -> u16 {
        let params = [
            ("REQUEST_METHOD", "POST"),
            ("SCRIPT_NAME", path),
            ("CONTENT_LENGTH", length),
        ];
        self.begin_as(Role::Responder, true, &params).await
    }

    /// A part of a body; an empty one is its end.
    async fn stdin(&mut self, id: u16, data: &[u8]) {
        let mut out = Vec::new();
        match data {
            b"" => encode::end_stream(&mut out, RecordType::Stdin, id),
            data => encode::stream(&mut out, RecordType::Stdin, id, data),
        }
        self.send(&out).await;
    }

    /// A whole request without a body.
    async fn get(&mut self, path: &str, keep: bool) -> u16 {
        let params = [("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", path)];
        let id = self.begin_as(Role::Responder, keep, &params).await;
        self.stdin(id, b"").await;
        id
    }

    async fn next(&mut self) -> Event {
        loop {
            let record = match self.buffer.next() {
                Err(_) => return Event::Broken,
                Ok(Some(record)) => record,
                Ok(None) => match self.stream.read(self.buffer.space()).await {
                    Ok(0) | Err(_) => return Event::Closed,
                    Ok(count) => {
                        self.buffer.advance(count);
                        continue;
                    }
                },
            };
            let event = self.server.receive(record).unwrap();
            if let Some(event) = event.and_then(Event::of) {
                return event;
            }
        }
    }

    /// The whole answer to a request and how it ended; nothing else may come meanwhile.
    async fn answer(&mut self, id: u16) -> (String, Event) {
        let mut answer = String::new();
        loop {
            match self.next().await {
                Event::Stdout(of, text) if of == id => answer.push_str(&text),
                other => return (answer, other),
            }
        }
    }

    /// The answer to a request that is answered in order.
    async fn whole(&mut self, id: u16) -> String {
        let (answer, end) = self.answer(id).await;
        assert_eq!(end, Event::End(id, ProtocolStatus::RequestComplete));
        answer
    }

    async fn values(&mut self) -> Vec<(String, String)> {
        let mut out = Vec::new();
        let names: [&[u8]; 3] = [b"FCGI_MPXS_CONNS", b"FCGI_MAX_REQS", b"X"];
        encode::get_values(&mut out, names);
        self.send(&out).await;
        match self.next().await {
            Event::Values(values) => values,
            other => panic!("{other:?}"),
        }
    }
}

impl Event {
    fn of(event: ServerEvent<'_>) -> Option<Self> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let texts = |params: &Params| {
            let pairs = params.iter();
            pairs
                .map(|(name, value)| (text(name), text(value)))
                .collect()
        };
        Some(match event {
            ServerEvent::Stdout { id, data } => Event::Stdout(id, text(data)),
            ServerEvent::End { id, status, .. } => Event::End(id, status),
            ServerEvent::Values(values) => Event::Values(texts(&values)),
            ServerEvent::UnknownType(kind) => Event::UnknownType(kind),
            // Its end of the stream, before that of the request.
            ServerEvent::StdoutEnd { .. } => return None,
            other => panic!("{other:?}"),
        })
    }
}

const HELLO: (&str, &str) = (
    "hello",
    "printf 'Content-Type: text/plain\\nContent-Length: 5\\n\\nhello'",
);
/// Says how long its body is by CONTENT_LENGTH, and gives it back when it has all of it.
const ECHO: (&str, &str) = (
    "echo",
    "body=$(cat); printf 'Content-Type: a/b\\n\\n'; echo \"$CONTENT_LENGTH:$body\"",
);
/// Begins its answer, and ends it when it has got a line.
const SLOW: (&str, &str) = (
    "slow",
    "echo Content-Type: a/b; echo; echo begun; read line; echo $line",
);

#[tokio::test]
async fn a_connection_is_kept_as_long_as_it_is_asked_for() {
    let mut client = Client::new(&[HELLO]);
    for keep in [true, true, false] {
        let id = client.get("/hello", keep).await;
        let answer = client.whole(id).await;
        assert!(answer.starts_with("Status: 200 OK\r\n"), "{answer}");
        assert!(
            answer.ends_with("content-length: 5\r\n\r\nhello"),
            "{answer}"
        );
    }
    assert_eq!(client.next().await, Event::Closed);
    drop(client.stream);
    client.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn requests_on_one_connection_do_not_wait_for_each_other() {
    let mut client = Client::new(&[HELLO, SLOW]);
    let slow = client.begin("/slow", "6").await;
    let quick = client.get("/hello", true).await;
    assert!(client.whole(quick).await.ends_with("hello"));
    client.stdin(slow, b"done.\n").await;
    client.stdin(slow, b"").await;
    assert!(client.whole(slow).await.ends_with("begun\ndone.\n"));
}

#[tokio::test]
async fn it_tells_what_it_can_do_and_names_what_it_does_not_know() {
    let mut client = Client::new(&[HELLO]);
    let values = client.values().await;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        values,
        [pair("FCGI_MAX_REQS", "32"), pair("FCGI_MPXS_CONNS", "1")]
    );
    client.send(&[1, 99, 0, 0, 0, 0, 0, 0]).await;
    assert_eq!(client.next().await, Event::UnknownType(99));
    // Private records, which our own workers know.
    client.send(&[1, 128, 0, 0, 0, 0, 0, 0]).await;
    assert_eq!(client.next().await, Event::UnknownType(128));
    let one = FastCgiListener {
        requests: 1,
        ..listener()
    };
    let mut client = Client::with(&[SLOW], &one, |_| {});
    let values = client.values().await;
    assert_eq!(
        values,
        [pair("FCGI_MAX_REQS", "1"), pair("FCGI_MPXS_CONNS", "0")]
    );
    client.begin("/slow", "1").await;
    let second = client.get("/slow", true).await;
    assert_eq!(
        client.next().await,
        Event::End(second, ProtocolStatus::CantMultiplex)
    );
}

#[tokio::test]
async fn too_many_requests_on_one_connection_are_refused() {
    let two = FastCgiListener {
        requests: 2,
        ..listener()
    };
    let mut client = Client::with(&[SLOW], &two, |_| {});
    for _ in 0..2 {
        client.begin("/slow", "1").await;
    }
    let third = client.get("/slow", true).await;
    assert_eq!(
        client.next().await,
        Event::End(third, ProtocolStatus::Overloaded)
    );
}

#[tokio::test]
async fn an_authorizer_answers_below_its_own_path() {
    let auth = (
        "auth",
        "printf 'Status: 200\\nVariable-USER: ann\\nX-Path: %s\\n\\n' $PATH_INFO",
    );
    let params = [
        ("REQUEST_METHOD", "POST"),
        ("REQUEST_URI", "/private/x?y"),
        ("CONTENT_LENGTH", "9"),
    ];
    let mut client = Client::new(&[auth]);
    let id = client.begin_as(Role::Authorizer, true, &params).await;
    assert_eq!(
        client.next().await,
        Event::End(id, ProtocolStatus::UnknownRole)
    );
    let filter = client.begin_as(Role::Filter, true, &params).await;
    assert_eq!(
        client.next().await,
        Event::End(filter, ProtocolStatus::UnknownRole)
    );

    let settings = FastCgiListener {
        authorizer: Some("/auth".to_owned()),
        ..listener()
    };
    let mut client = Client::with(&[auth], &settings, |_| {});
    let id = client.begin_as(Role::Authorizer, true, &params).await;
    let answer = client.whole(id).await;
    assert!(answer.starts_with("Status: 200"), "{answer}");
    assert!(
        answer.contains("variable-user: ann\r\nx-path: /private/x\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn what_is_no_request_gets_a_page() {
    let mut client = Client::new(&[HELLO]);
    for (params, status) in [
        (&[("SCRIPT_NAME", "/hello")][..], "400"),
        (&[("REQUEST_METHOD", "GET")], "400"),
        (
            &[("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", "/a/../hello")],
            "400",
        ),
        (
            &[
                ("REQUEST_METHOD", "GET"),
                ("SCRIPT_NAME", "/hello"),
                ("CONTENT_LENGTH", "-2"),
            ],
            "400",
        ),
        (
            &[("REQUEST_METHOD", "CONNECT"), ("SCRIPT_NAME", "/hello")],
            "405",
        ),
        (
            &[("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", "/none")],
            "404",
        ),
    ] {
        let id = client.begin_as(Role::Responder, true, params).await;
        client.stdin(id, b"").await;
        let answer = client.whole(id).await;
        assert!(
            answer.starts_with(&format!("Status: {status} ")),
            "{params:?}: {answer}"
        );
    }
}

/// The shell says by a file that it has been asked to end.
#[tokio::test]
async fn an_abort_ends_the_request_and_not_the_connection() {
    let mut client = Client::new(&[HELLO, SLOW]);
    let slow = client.begin("/slow", "100").await;
    let mut out = Vec::new();
    encode::abort_request(&mut out, slow);
    client.send(&out).await;
    let (_, end) = client.answer(slow).await;
    assert_eq!(end, Event::End(slow, ProtocolStatus::RequestComplete));
    let id = client.get("/hello", true).await;
    assert!(client.whole(id).await.ends_with("hello"));
}
