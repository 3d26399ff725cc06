//! A FastCGI application that does on its connections what a test says, right or wrong.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastcgi_protocol::{ProtocolStatus, RecordBuffer, RecordType, encode};

use crate::PATIENCE;

/// A listening application. Its connections are served by threads, which end with them.
pub struct Application {
    path: PathBuf,
    connections: Arc<AtomicUsize>,
}

/// One connection from a web server.
pub struct Peer {
    /// The connection.
    pub stream: UnixStream,
    buffer: RecordBuffer,
    /// Its number, from 1.
    pub number: usize,
}

/// The beginning of a request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Whether the connection shall be kept.
    pub keep: bool,
    /// Names and values as they came, whatever their bytes.
    pub params: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Application {
    /// Listens at `path`, and gives every connection to `serve`.
    pub fn listen(path: &Path, serve: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counter, serve) = (Arc::clone(&connections), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                let peer = Peer {
                    stream,
                    buffer: RecordBuffer::new(),
                    number: counter.fetch_add(1, Ordering::SeqCst) + 1,
                };
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(peer));
            }
        });
        Self {
            path: path.to_owned(),
            connections,
        }
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Peer {
    /// The next request, without its body; `None` when the connection is closed.
    pub fn request(&mut self) -> Option<Request> {
        let (mut request, mut params) = (Request::default(), Vec::new());
        loop {
            let (kind, content) = self.record()?;
            match kind {
                RecordType::BeginRequest => request.keep = content[2] & 1 == 1,
                RecordType::Params if content.is_empty() => {
                    let params = fastcgi_protocol::Params::parse(&params).unwrap();
                    let pairs = params.iter();
                    request.params = pairs
                        .map(|(name, value)| (name.to_vec(), value.to_vec()))
                        .collect();
                    return Some(request);
                }
                RecordType::Params => params.extend(content),
                _ => {}
            }
        }
    }

    /// The next piece of the body; `None` at its end, and when the connection is closed.
    pub fn stdin(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.record()? {
                (RecordType::Stdin, content) if content.is_empty() => return None,
                (RecordType::Stdin, content) => return Some(content),
                _ => {}
            }
        }
    }

    /// The whole body.
    pub fn body(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.stdin()).flatten().collect()
    }

    /// Waits for the end of the connection.
    pub fn wait_closed(&mut self) {
        while self.record().is_some() {}
    }

    /// Sends bytes as they are. The web server may have closed already.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends bytes of the answer.
    pub fn stdout(&mut self, bytes: &[u8]) {
        let mut out = Vec::new();
        encode::stream(&mut out, RecordType::Stdout, 1, bytes);
        self.send(&out);
    }

    /// Ends the request.
    pub fn end(&mut self, app_status: u32, status: ProtocolStatus) {
        let mut out = Vec::new();
        encode::end_request(&mut out, 1, app_status, status);
        self.send(&out);
    }

    /// Answers with this text.
    pub fn answer(&mut self, text: &str) {
        self.stdout(format!("Content-Type: text/plain\r\n\r\n{text}").as_bytes());
        self.end(0, ProtocolStatus::RequestComplete);
    }

    fn record(&mut self) -> Option<(RecordType, Vec<u8>)> {
        loop {
            if let Some(record) = self.buffer.next().unwrap() {
                return Some((record.kind, record.content.to_vec()));
            }
            match self.stream.read(self.buffer.space()) {
                Ok(count @ 1..) => self.buffer.advance(count),
                _ => return None,
            }
        }
    }
}

impl Request {
    /// The value of a parameter, as text.
    pub fn param(&self, name: &str) -> Option<String> {
        let mut params = self.params.iter();
        let found = params.find(|(other, _)| other == name.as_bytes());
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}
