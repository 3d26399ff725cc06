//! The web server's side of a FastCGI connection, for talking to a worker without a gateway.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use fastcgi_protocol::{
    Params, ParamsWriter, ProtocolStatus, RecordBuffer, RecordType, Role, Server, ServerEvent,
    encode,
};
use system_tests::{PATIENCE, wait_until};

/// Requests that we would have at once.
const REQUESTS: usize = 10;

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// A connection to a FastCGI application.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: RecordBuffer,
    server: Server,
}

/// What belongs to one request.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    Stdout(Vec<u8>),
    Stderr(String),
    End(ProtocolStatus),
    Values(Vec<(String, String)>),
    UnknownType(u8),
}

impl Connection {
    /// Connects to a Unix socket as soon as somebody listens there.
    pub fn unix(path: &Path) -> Self {
        let stream = when_listening(|| UnixStream::connect(path));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::new(stream)
    }

    /// Connects to a TCP port as soon as somebody listens there.
    pub fn tcp(port: u16) -> Self {
        let stream = when_listening(|| TcpStream::connect(("127.0.0.1", port)));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::new(stream)
    }

    fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: RecordBuffer::new(),
            server: Server::new(REQUESTS, false),
        }
    }

    /// Begins a request; its body is still to be sent.
    pub fn begin(&mut self, params: &[(&str, &str)], keep: bool) -> u16 {
        let mut out = Vec::new();
        let id = self.server.begin(&mut out, Role::Responder, keep).unwrap();
        let mut writer = ParamsWriter::new(&mut out, id);
        for (name, value) in params {
            writer.pair(name.as_bytes(), value.as_bytes());
        }
        writer.finish();
        self.send(&out);
        id
    }

    /// Sends a part of a body; an empty one is its end.
    pub fn stdin(&mut self, id: u16, data: &[u8]) {
        let mut out = Vec::new();
        match data.is_empty() {
            true => encode::end_stream(&mut out, RecordType::Stdin, id),
            false => encode::stream(&mut out, RecordType::Stdin, id, data),
        }
        self.send(&out);
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next event with the request it belongs to, 0 if none; `None` when the connection has ended.
    pub fn next(&mut self) -> Option<(u16, Event)> {
        loop {
            match self.buffer.next() {
                // A record of no version of FastCGI: how a worker breaks a connection off.
                Err(_) => return None,
                Ok(None) => {
                    let count = self.stream.read(self.buffer.space()).unwrap_or(0);
                    if count == 0 {
                        return None;
                    }
                    self.buffer.advance(count);
                }
                Ok(Some(record)) => {
                    let event = self.server.receive(record).unwrap();
                    if let Some(event) = event.and_then(own) {
                        return Some(event);
                    }
                }
            }
        }
    }

    /// Sends a whole request and collects the whole answer.
    pub fn request(&mut self, params: &[(&str, &str)], body: &[u8], keep: bool) -> Vec<u8> {
        let id = self.begin(params, keep);
        if !body.is_empty() {
            self.stdin(id, body);
        }
        self.stdin(id, b"");
        self.answer(id)
    }

    /// Collects the answer to a request.
    pub fn answer(&mut self, id: u16) -> Vec<u8> {
        let mut answer = Vec::new();
        loop {
            let (of, event) = self.next().expect("the connection ended");
            assert_eq!(of, id, "{event:?}");
            match event {
                Event::Stdout(data) => answer.extend(data),
                Event::End(status) => {
                    assert_eq!(status, ProtocolStatus::RequestComplete);
                    return answer;
                }
                // For the log of a web server.
                Event::Stderr(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn own(event: ServerEvent<'_>) -> Option<(u16, Event)> {
    Some(match event {
        ServerEvent::Stdout { id, data } => (id, Event::Stdout(data.to_vec())),
        ServerEvent::Stderr { id, data } => {
            (id, Event::Stderr(String::from_utf8_lossy(data).into()))
        }
        ServerEvent::End { id, status, .. } => (id, Event::End(status)),
        ServerEvent::Values(values) => (0, Event::Values(texts(&values))),
        ServerEvent::UnknownType(kind) => (0, Event::UnknownType(kind)),
        _ => return None,
    })
}

fn texts(params: &Params) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pairs = params.iter();
    pairs
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn when_listening<S>(connect: impl Fn() -> io::Result<S>) -> S {
    let mut stream = None;
    wait_until("somebody listens", || {
        stream = connect().ok();
        stream.is_some()
    });
    stream.unwrap()
}
