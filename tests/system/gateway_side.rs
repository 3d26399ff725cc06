//! The gateway's side of a connection to a worker: greeting, many requests at once, credit.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Sender, channel};

use fastcgi_protocol::{
    HELLO_VERSION, Hello, Params, ParamsWriter, RecordBuffer, RecordType, Role, Server,
    ServerEvent, encode,
};
use shared_buffers::Memory;
use system_tests::PATIENCE;

/// Bytes that we are ready to take for each request before we have looked at any.
const WINDOW: u32 = 64 * 1024;

/// A connection that has been greeted.
pub struct Gateway {
    stream: UnixStream,
    /// To a thread that writes: reading must go on while the worker does not read.
    writer: Sender<Vec<u8>>,
    buffer: RecordBuffer,
    server: Server,
    /// What is shared with the worker.
    pub memory: Option<Memory>,
    /// What the worker says of itself.
    pub hello: Hello,
}

/// Parameters and body.
pub type Request<'a> = (Vec<(&'a str, &'a str)>, &'a [u8]);

struct Exchange<'a> {
    unsent: &'a [u8],
    credit: usize,
    answer: Vec<u8>,
}

impl Gateway {
    /// Greets the worker.
    pub fn greet(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut write_half = stream.try_clone().unwrap();
        let (writer, records) = channel::<Vec<u8>>();
        std::thread::spawn(move || {
            for bytes in records {
                // A worker that has died shows to the reader.
                let _ = write_half.write_all(&bytes);
            }
        });
        let offer = Hello {
            version: HELLO_VERSION,
            stdin_window: WINDOW,
            stdout_window: WINDOW,
            max_requests: 1000,
            fields: Params::new(),
        };
        let mut out = Vec::new();
        encode::hello(&mut out, &offer);
        writer.send(out).unwrap();
        let mut gateway = Self {
            stream,
            writer,
            buffer: RecordBuffer::new(),
            server: Server::new(1000, true),
            memory: None,
            hello: offer,
        };
        let hello = gateway.next(|event| match event {
            ServerEvent::Hello(hello) => *hello,
            other => panic!("{other:?} in place of a greeting"),
        });
        gateway.hello = hello.expect("the worker ended before it greeted");
        gateway
    }

    /// Sends all of these requests at once and collects their answers. `None` for each that was not finished when the
    /// connection ended.
    pub fn exchange(&mut self, requests: &[Request<'_>]) -> Vec<Option<Vec<u8>>> {
        let mut open = HashMap::new();
        let mut ids = Vec::new();
        for (params, body) in requests {
            let mut out = Vec::new();
            let id = self.server.allot().unwrap();
            let mut writer = if body.is_empty() {
                ParamsWriter::whole_request(&mut out, id)
            } else {
                encode::begin_request(&mut out, id, Role::Responder, true);
                ParamsWriter::new(&mut out, id)
            };
            for (name, value) in params {
                writer.pair(name.as_bytes(), value.as_bytes());
            }
            writer.finish();
            let mut exchange = Exchange {
                unsent: body,
                credit: self.hello.stdin_window as usize,
                answer: Vec::new(),
            };
            exchange.send(id, &mut out);
            self.writer.send(out).unwrap();
            open.insert(id, exchange);
            ids.push(id);
        }
        let mut answers = HashMap::new();
        while !open.is_empty() {
            let mut out = Vec::new();
            let event = self.next(|event| match event {
                ServerEvent::Stdout { id, data } => {
                    open.get_mut(&id).unwrap().answer.extend(data);
                    encode::credit(&mut out, id, u32::try_from(data.len()).unwrap());
                }
                ServerEvent::Credit { id, bytes } => {
                    if let Some(exchange) = open.get_mut(&id) {
                        exchange.credit += bytes as usize;
                        exchange.send(id, &mut out);
                    }
                }
                ServerEvent::Answer { id, data } => {
                    let mut answer = open.remove(&id).unwrap().answer;
                    answer.extend(data);
                    answers.insert(id, answer);
                }
                ServerEvent::End { id, .. } => {
                    answers.insert(id, open.remove(&id).unwrap().answer);
                }
                _ => {}
            });
            if event.is_none() {
                break;
            }
            self.writer.send(out).unwrap();
        }
        ids.iter().map(|id| answers.remove(id)).collect()
    }

    /// Begins a request with this much of its body, which is within its credit, and more to come.
    pub fn begin(&mut self, params: &[(&str, &str)], body: &[u8]) -> u16 {
        let mut out = Vec::new();
        let id = self.server.begin(&mut out, Role::Responder, true).unwrap();
        let mut writer = ParamsWriter::new(&mut out, id);
        for (name, value) in params {
            writer.pair(name.as_bytes(), value.as_bytes());
        }
        writer.finish();
        encode::stream(&mut out, RecordType::Stdin, id, body);
        self.writer.send(out).unwrap();
        id
    }

    /// Waits until the worker takes more of a request's body than it was granted at first: it has read some of it.
    pub fn wait_for_credit(&mut self, id: u16) {
        let is_credit = |event: ServerEvent<'_>| matches!(event, ServerEvent::Credit { id: other, .. } if other == id);
        while !self.next(is_credit).expect("the worker has ended") {}
    }

    /// Sends the rest of a request's body, which is within its credit, and waits for its answer.
    pub fn end(&mut self, id: u16, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode::stream(&mut out, RecordType::Stdin, id, body);
        encode::end_stream(&mut out, RecordType::Stdin, id);
        self.writer.send(out).unwrap();
        let mut answer = Vec::new();
        let memory = self.memory.clone();
        loop {
            let mut out = Vec::new();
            let ended = self.next(|event| match event {
                ServerEvent::Stdout { id, data } => {
                    answer.extend(data);
                    encode::credit(&mut out, id, u32::try_from(data.len()).unwrap());
                    false
                }
                ServerEvent::Shared { id, buffer, length } => {
                    let reader = &memory.as_ref().unwrap().reader;
                    let data = reader.bytes(0, buffer, length.try_into().unwrap());
                    answer.extend(data.unwrap());
                    encode::released(&mut out, 1 << buffer);
                    encode::credit(&mut out, id, length);
                    false
                }
                ServerEvent::Answer { data, .. } => {
                    answer.extend(data);
                    true
                }
                ServerEvent::End { .. } => true,
                _ => false,
            });
            self.writer.send(out).unwrap();
            if ended.expect("the worker has ended") {
                return answer;
            }
        }
    }

    /// The answer to one request, as text.
    pub fn text(&mut self, params: Vec<(&str, &str)>) -> Option<String> {
        let answer = self.exchange(&[(params, b"")]).remove(0)?;
        Some(String::from_utf8(answer).unwrap())
    }

    /// Sends the next bytes of a request's body, which are within its credit, in this buffer of shared memory.
    pub fn share(&mut self, id: u16, buffer: u32, bytes: &[u8]) {
        let memory = self.memory.as_ref().unwrap();
        assert!(memory.writer.fill(0, buffer, [bytes, &[]]));
        self.say_shared(id, buffer, bytes.len());
    }

    /// Says that they are there.
    pub fn say_shared(&mut self, id: u16, buffer: u32, length: usize) {
        let mut out = Vec::new();
        encode::shared(&mut out, id, buffer, u32::try_from(length).unwrap());
        self.writer.send(out).unwrap();
    }

    /// Waits until the worker gives buffers of shared memory back; `None` if it ends.
    pub fn wait_for_buffers(&mut self) -> Option<u32> {
        loop {
            let event = self.next(|event| match event {
                ServerEvent::Released(buffers) => Some(buffers),
                _ => None,
            });
            if let Some(buffers) = event? {
                return Some(buffers);
            }
        }
    }

    /// Waits for the next event; `None` at the end of the connection.
    fn next<T>(&mut self, take: impl FnOnce(ServerEvent<'_>) -> T) -> Option<T> {
        loop {
            match self.buffer.next().unwrap() {
                Some(record) => {
                    if let Some(event) = self.server.receive(record).unwrap() {
                        return Some(take(event));
                    }
                }
                None => {
                    // A worker that died may have left bytes of ours unread, which resets the connection.
                    let count = self.stream.read(self.buffer.space()).unwrap_or(0);
                    if count == 0 {
                        return None;
                    }
                    self.buffer.advance(count);
                }
            }
        }
    }
}

impl Exchange<'_> {
    /// Appends as much of the body as may be sent.
    fn send(&mut self, id: u16, out: &mut Vec<u8>) {
        let (now, later) = self.unsent.split_at(self.unsent.len().min(self.credit));
        if now.is_empty() {
            return;
        }
        self.credit -= now.len();
        self.unsent = later;
        encode::stream(out, RecordType::Stdin, id, now);
        if later.is_empty() {
            encode::end_stream(out, RecordType::Stdin, id);
        }
    }
}
