//! The other end of a lane: a worker without a process.

use fastcgi_protocol::{
    Application, Event, ExecStatus, HELLO_VERSION, Hello, Options, Params, ProtocolStatus,
    RecordBuffer, RecordType, encode,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Smaller than what the gateway offers, so that a test needs few bytes.
pub const STDIN_WINDOW: u32 = 4096;
/// The same for answers.
pub const STDOUT_WINDOW: u32 = 8192;

/// What the gateway said, as owned values.
#[derive(Debug, PartialEq)]
pub enum Said {
    Request {
        id: u16,
        params: Params,
    },
    WholeRequest {
        id: u16,
        params: Params,
    },
    Stdin {
        id: u16,
        data: Vec<u8>,
    },
    StdinEnd {
        id: u16,
    },
    Abort {
        id: u16,
    },
    Credit {
        id: u16,
        bytes: u32,
    },
    ExecStatus {
        id: u16,
        status: ExecStatus,
    },
    Released(u32),
    Shared {
        id: Option<u16>,
        buffer: u32,
        length: u32,
    },
    Closed,
}

/// A worker that does what the test says.
pub struct Fake {
    stream: UnixStream,
    application: Application,
    buffer: RecordBuffer,
    /// Fields of the gateway's greeting.
    pub offered: Params,
}

impl Fake {
    /// Answers the gateway's greeting, with this window for answers.
    pub async fn greet(stream: std::os::unix::net::UnixStream, stdout_window: u32) -> Self {
        stream.set_nonblocking(true).unwrap();
        let options = Options {
            max_requests: 1000,
            multiplex: true,
            private: true,
            ..Options::default()
        };
        let mut fake = Self {
            stream: UnixStream::from_std(stream).unwrap(),
            application: Application::new(options),
            buffer: RecordBuffer::new(),
            offered: Params::new(),
        };
        let Some(Event::Hello(offer)) = fake
            .next_event(|event| match event {
                Event::Hello(hello) => Some(Event::Hello(hello)),
                _ => None,
            })
            .await
        else {
            panic!("no greeting");
        };
        let answer = Hello {
            version: HELLO_VERSION,
            stdin_window: STDIN_WINDOW,
            stdout_window,
            max_requests: 1000,
            fields: Params::new(),
        };
        fake.offered = offer.fields.clone();
        fake.say(|out| encode::hello(out, &answer.limit_to(&offer)))
            .await;
        fake
    }

    /// The next thing that the gateway says.
    pub async fn hear(&mut self) -> Said {
        let said = self.next_event(|event| {
            Some(match event {
                Event::Hello(_) => panic!("a second greeting"),
                Event::Request { id, params, .. } => Said::Request { id, params },
                Event::WholeRequest { id, params } => Said::WholeRequest {
                    id,
                    params: Params::parse(params).unwrap(),
                },
                Event::Stdin { id, data } => Said::Stdin {
                    id,
                    data: data.to_vec(),
                },
                Event::StdinEnd { id } => Said::StdinEnd { id },
                Event::Abort { id } => Said::Abort { id },
                Event::Credit { id, bytes } => Said::Credit { id, bytes },
                Event::ExecStatus { id, status } => Said::ExecStatus { id, status },
                Event::Released(buffers) => Said::Released(buffers),
                Event::Shared { id, buffer, length } => Said::Shared { id, buffer, length },
            })
        });
        said.await.unwrap_or(Said::Closed)
    }

    /// The next request without a body; its number.
    pub async fn hear_get(&mut self) -> u16 {
        let Said::WholeRequest { id, .. } = self.hear().await else {
            panic!("no request");
        };
        id
    }

    /// Writes records.
    pub async fn say(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        encode(&mut out);
        self.stream.write_all(&out).await.unwrap();
    }

    /// Writes a part of an answer.
    pub async fn answer(&mut self, id: u16, bytes: impl AsRef<[u8]>) {
        self.say(|out| encode::stream(out, RecordType::Stdout, id, bytes.as_ref()))
            .await;
    }

    /// Ends a request.
    pub async fn end(&mut self, id: u16) {
        self.end_as(id, ProtocolStatus::RequestComplete).await;
    }

    /// Ends a request with this status.
    pub async fn end_as(&mut self, id: u16, status: ProtocolStatus) {
        self.application.finish(id);
        self.say(|out| {
            encode::end_stream(out, RecordType::Stdout, id);
            encode::end_request(out, id, 0, status);
        })
        .await;
    }

    /// A whole answer.
    pub async fn answer_whole(&mut self, id: u16, body: &str) {
        self.answer(id, format!("Content-Type: text/plain\r\n\r\n{body}"))
            .await;
        self.end(id).await;
    }

    async fn next_event<T>(&mut self, own: impl Fn(Event<'_>) -> Option<T>) -> Option<T> {
        let mut out = Vec::new();
        loop {
            while let Some(record) = self.buffer.next().unwrap() {
                if let Some(event) = self.application.receive(record, &mut out).unwrap()
                    && let Some(found) = own(event)
                {
                    return Some(found);
                }
                self.stream.write_all(&out).await.unwrap();
                out.clear();
            }
            let count = self.stream.read(self.buffer.space()).await.unwrap();
            if count == 0 {
                return None;
            }
            self.buffer.advance(count);
        }
    }
}
