//! What any web server may send to the FastCGI front, in any pieces, read or not: no panic, every connection ends when
//! the web server has left, and what comes back are records that belong there, with no more ends than requests.

#![no_main]

use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use fastcgi_protocol::{
    Application, Event, Options, ParamsWriter, ProtocolStatus, RecordBuffer, RecordType, Role,
    encode, parse,
};
use isapi_gateway::fuzzing::Front;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

/// How long a web server waits for more when it has sent everything.
const QUIET: Duration = Duration::from_millis(2);

/// Only a connection that hangs takes so long, on a busy machine, too.
const PATIENCE: Duration = Duration::from_secs(25);

/// The most pieces that a script is sent in.
const PIECES: usize = 2_000;

/// What a web server does on one connection.
#[derive(Arbitrary, Debug)]
struct Script {
    sends: Vec<Sent>,
    /// Bytes that are written at once, less one.
    piece: u16,
    reads: bool,
    /// Whether it stays a while for answers.
    waits: bool,
}

/// What it sends.
#[derive(Arbitrary, Debug)]
enum Sent {
    /// A record with any header; most identifiers are small, so that they meet.
    Record {
        kind: u8,
        id: u8,
        content: Vec<u8>,
    },
    Begin {
        id: u8,
        authorizer: bool,
        keep: bool,
    },
    /// All parameters of a request.
    Params {
        id: u8,
        path: Resource,
        length: Option<u16>,
        more: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// A piece of a body.
    Stdin {
        id: u8,
        size: u16,
    },
    StdinEnd {
        id: u8,
    },
    Abort {
        id: u8,
    },
    /// Whatever.
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Resource {
    File,
    Echo,
    Nothing,
}

struct Stage {
    runtime: Runtime,
    front: Arc<Front>,
    _folder: TempDir,
}

static STAGE: LazyLock<Stage> = LazyLock::new(Stage::new);

fuzz_target!(|script: Script| STAGE.runtime.block_on(run(&STAGE.front, &script)));

async fn run(front: &Arc<Front>, script: &Script) {
    let sent = script.bytes();
    let (client, gateway) = UnixStream::pair().unwrap();
    let served = tokio::spawn({
        let front = Arc::clone(front);
        async move { front.serve(gateway).await }
    });
    let (mut reader, mut writer) = client.into_split();
    let pieces = sent.chunks(usize::from(script.piece).max(sent.len() / PIECES) + 1);
    let write = async move {
        for piece in pieces {
            if writer.write_all(piece).await.is_err() {
                break;
            }
            yield_now().await;
        }
        writer
    };
    if script.reads {
        let write = async {
            let writer = write.await;
            if script.waits {
                sleep(QUIET).await;
            }
            drop(writer);
        };
        let mut received = Vec::new();
        let both = async { tokio::join!(write, reader.read_to_end(&mut received)) };
        // A connection that is reset has told something, too.
        let _ = timeout(PATIENCE, both).await.expect("it does not end");
        check(&sent, &received);
    } else {
        // The gateway reads no more when its answers are not.
        let _ = timeout(QUIET, write).await;
        drop(reader);
    }
    // Errors are results like others here.
    let ended = timeout(PATIENCE, served).await.expect("it is served on");
    let _ = ended.expect("it panics");
}

/// Whole records, up to the one that breaks an answer off, each of a kind that a web server expects.
fn check(sent: &[u8], received: &[u8]) {
    let begun = records(sent, |kind| kind == RecordType::BeginRequest);
    let ended = records(received, |kind| match kind {
        RecordType::EndRequest => true,
        RecordType::Stdout | RecordType::GetValuesResult | RecordType::UnknownType => false,
        other => panic!("{other:?} came back"),
    });
    assert!(ended <= begun, "{ended} ends of {begun} requests");
}

/// How many records, as far as there are any, are of that kind.
fn records(mut bytes: &[u8], is_it: impl Fn(RecordType) -> bool) -> usize {
    let mut count = 0;
    while let Ok(Some((record, used))) = parse(bytes) {
        count += usize::from(is_it(record.kind));
        bytes = &bytes[used..];
    }
    count
}

impl Script {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for sent in &self.sends {
            sent.append_to(&mut out);
        }
        out
    }
}

impl Sent {
    fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Record { kind, id, content } => {
                encode::record(out, (*kind).into(), small(*id), content);
            }
            Self::Begin {
                id,
                authorizer,
                keep,
            } => {
                let role = match authorizer {
                    true => Role::Authorizer,
                    false => Role::Responder,
                };
                encode::begin_request(out, small(*id), role, *keep);
            }
            Self::Params {
                id,
                path,
                length,
                more,
            } => {
                let (method, path) = match path {
                    Resource::File => ("GET", "/file"),
                    Resource::Echo => ("POST", "/echo"),
                    Resource::Nothing => ("PUT", "/nothing"),
                };
                let length = length.map(|length| length.to_string());
                let mut params = ParamsWriter::new(out, small(*id));
                params.pair(b"REQUEST_METHOD", method.as_bytes());
                params.pair(b"SCRIPT_NAME", path.as_bytes());
                if let Some(length) = length {
                    params.pair(b"CONTENT_LENGTH", length.as_bytes());
                }
                for (name, value) in more {
                    params.pair(name, value);
                }
                params.finish();
            }
            Self::Stdin { id, size } => {
                let data = vec![b'x'; usize::from(*size)];
                encode::stream(out, RecordType::Stdin, small(*id), &data);
            }
            Self::StdinEnd { id } => encode::end_stream(out, RecordType::Stdin, small(*id)),
            Self::Abort { id } => encode::abort_request(out, small(*id)),
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
        }
    }
}

/// One of few identifiers, so that the same come again.
fn small(id: u8) -> u16 {
    u16::from(id % 8)
}

impl Stage {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        std::fs::create_dir(path.join("root")).unwrap();
        std::fs::write(path.join("root/file"), [b'x'; 100_000]).unwrap();
        std::fs::write(path.join("gateway.toml"), CONFIG).unwrap();
        let front = runtime.block_on(async {
            tokio::spawn(echo(UnixListener::bind(path.join("echo")).unwrap()));
            Front::load(&path.join("gateway.toml")).unwrap()
        });
        Self {
            runtime,
            front: Arc::new(front),
            _folder: folder,
        }
    }
}

const CONFIG: &str = r#"
[server]
fastcgi = { address = "unix:socket", requests = 5, authorizer = "/echo" }
[[site]]
root = "root"
[[site.handler]]
path = "/echo"
pool = "echo"
[pool.echo]
fastcgi = "unix:echo"
"#;

/// An application that gives back what it gets.
async fn echo(listener: UnixListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(echo_on(stream));
    }
}

async fn echo_on(mut stream: UnixStream) -> io::Result<()> {
    let mut application = Application::new(Options::default());
    let mut input = RecordBuffer::new();
    let mut out = Vec::new();
    while !application.must_close() {
        while let Some(record) = input.next().expect("the gateway keeps to the protocol") {
            let event = application.receive(record, &mut out);
            match event.expect("the gateway keeps to the protocol") {
                Some(Event::Request { id, .. }) => {
                    encode::stream(
                        &mut out,
                        RecordType::Stdout,
                        id,
                        b"Content-Type: a/b\r\n\r\n",
                    );
                }
                Some(Event::Stdin { id, data }) => {
                    encode::stream(&mut out, RecordType::Stdout, id, data);
                }
                Some(Event::StdinEnd { id } | Event::Abort { id }) => {
                    encode::end_stream(&mut out, RecordType::Stdout, id);
                    encode::end_request(&mut out, id, 0, ProtocolStatus::RequestComplete);
                    application.finish(id);
                }
                _ => {}
            }
        }
        stream.write_all(&out).await?;
        out.clear();
        match stream.read(input.space()).await? {
            0 => break,
            count => input.advance(count),
        }
    }
    Ok(())
}
