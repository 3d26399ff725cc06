//! A web server and an application talk over two pipes that cut the bytes anywhere: many requests at once, each with
//! flow control both ways, and every byte arrives where it belongs.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use fastcgi_protocol::{
    Application, Event, Grant, HELLO_VERSION, Hello, Options, Params, ParamsWriter, ProtocolError,
    ProtocolStatus, Record, RecordBuffer, RecordType, Role, Server, ServerEvent, Window, encode,
};
use proptest::prelude::*;

use crate::{bytes, feed};

/// One request and its answer.
#[derive(Clone, PartialEq, Debug)]
struct Exchange {
    params: Params,
    body: Vec<u8>,
    answer: Vec<u8>,
    log: Vec<u8>,
    app_status: u32,
}

fn any_exchange() -> impl Strategy<Value = Exchange> {
    let pairs = prop::collection::vec((bytes(20), bytes(200)), 0..6);
    let long = (0_usize..100_000, any::<u8>()).prop_map(|(n, seed)| {
        (0..n)
            .map(|i| (i as u8).wrapping_mul(37).wrapping_add(seed))
            .collect()
    });
    let body = prop_oneof![3 => bytes(50), 1 => long];
    (pairs, body.clone(), body, bytes(30), any::<u32>()).prop_map(
        |(pairs, body, answer, log, app_status)| Exchange {
            params: pairs.into_iter().collect(),
            body,
            answer,
            log,
            app_status,
        },
    )
}

/// A stream on its way out.
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    ended: bool,
    window: Window,
}

impl Outgoing {
    fn new(bytes: &[u8], window: u32) -> Self {
        Self {
            bytes: bytes.to_vec(),
            sent: 0,
            ended: false,
            window: Window::new(window),
        }
    }

    /// Sends up to `most` bytes as far as there is credit, and the end once all are sent. Returns true when it ended.
    fn send(&mut self, out: &mut Vec<u8>, kind: RecordType, id: u16, most: usize) -> bool {
        let n = most
            .min(self.bytes.len() - self.sent)
            .min(self.window.available());
        encode::stream(out, kind, id, &self.bytes[self.sent..self.sent + n]);
        self.window.take(n);
        self.sent += n;
        if self.sent == self.bytes.len() && !self.ended {
            encode::end_stream(out, kind, id);
            self.ended = true;
            return true;
        }
        false
    }
}

/// A stream on its way in.
struct Incoming {
    bytes: Vec<u8>,
    grant: Grant,
}

impl Incoming {
    fn new(window: u32) -> Self {
        Self {
            bytes: Vec::new(),
            grant: Grant::new(window),
        }
    }

    fn receive(&mut self, out: &mut Vec<u8>, id: u16, data: &[u8]) -> Result<(), ProtocolError> {
        self.grant.received(data.len())?;
        self.bytes.extend_from_slice(data);
        if let Some(credit) = self.grant.consumed(data.len()) {
            encode::credit(out, id, credit);
        }
        Ok(())
    }
}

/// The web server: the requests to make, those on their way, the answers.
struct Gateway {
    server: Server,
    hello: Option<Hello>,
    waiting: VecDeque<Exchange>,
    active: BTreeMap<u16, (Exchange, Outgoing, Incoming, Vec<u8>)>,
    done: usize,
}

impl Gateway {
    fn step(&mut self, out: &mut Vec<u8>, most: usize) {
        let Some(hello) = &self.hello else { return };
        while !self.waiting.is_empty()
            && let Some(id) = self.server.begin(out, Role::Responder, true)
        {
            let exchange = self.waiting.pop_front().unwrap();
            let mut writer = ParamsWriter::new(out, id);
            for (name, value) in exchange.params.iter() {
                writer.pair(name, value);
            }
            writer.finish();
            let stdin = Outgoing::new(&exchange.body, hello.stdin_window);
            let stdout = Incoming::new(hello.stdout_window);
            self.active
                .insert(id, (exchange, stdin, stdout, Vec::new()));
        }
        for (id, (_, stdin, ..)) in &mut self.active {
            stdin.send(out, RecordType::Stdin, *id, most);
        }
    }

    fn receive(&mut self, record: Record<'_>, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        match self.server.receive(record)? {
            Some(ServerEvent::Hello(hello)) => self.hello = Some(*hello),
            Some(ServerEvent::Stdout { id, data }) => {
                self.active.get_mut(&id).unwrap().2.receive(out, id, data)?;
            }
            Some(ServerEvent::LogParameter { id, data }) => {
                self.active.get_mut(&id).unwrap().3.extend_from_slice(data);
            }
            Some(ServerEvent::Credit { id, bytes }) => {
                self.active.get_mut(&id).unwrap().1.window.add(bytes)?;
            }
            Some(ServerEvent::StdoutEnd { id }) => {
                let (exchange, _, stdout, _) = &self.active[&id];
                assert!(stdout.bytes == exchange.answer, "answer {id} differs");
            }
            Some(ServerEvent::End {
                id,
                app_status,
                status,
            }) => {
                let (exchange, _, _, log) = self.active.remove(&id).unwrap();
                assert_eq!(log, exchange.log);
                assert_eq!(
                    (app_status, status),
                    (exchange.app_status, ProtocolStatus::RequestComplete)
                );
                self.done += 1;
            }
            other => panic!("{other:?} is not part of the conversation"),
        }
        Ok(())
    }
}

/// The application: knows the answer to each request, and checks what it is asked.
struct Worker {
    application: Application,
    own: Hello,
    hello: Option<Hello>,
    expected: Vec<Exchange>,
    active: BTreeMap<u16, (Exchange, Incoming, Outgoing)>,
}

impl Worker {
    fn step(&mut self, out: &mut Vec<u8>, most: usize) {
        let (active, application) = (&mut self.active, &mut self.application);
        active.retain(|&id, (exchange, stdin, stdout)| {
            // The answer may run ahead of the body, but ends after it.
            if stdin.bytes.len() < exchange.body.len()
                && stdout.sent + most >= exchange.answer.len()
            {
                return true;
            }
            let ended = stdout.send(out, RecordType::Stdout, id, most);
            if ended {
                encode::log_parameter(out, id, &exchange.log);
                encode::end_request(
                    out,
                    id,
                    exchange.app_status,
                    ProtocolStatus::RequestComplete,
                );
                application.finish(id);
            }
            !ended
        });
    }

    fn receive(&mut self, record: Record<'_>, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        match self.application.receive(record, out)? {
            Some(Event::Hello(offer)) => {
                let answer = self.own.clone().limit_to(&offer);
                encode::hello(out, &answer);
                self.hello = Some(answer);
            }
            Some(Event::Request {
                id,
                role,
                keep_conn,
                params,
            }) => {
                assert_eq!((role, keep_conn), (Role::Responder, true));
                let index = self
                    .expected
                    .iter()
                    .position(|e| e.params == params)
                    .unwrap();
                let exchange = self.expected.remove(index);
                let hello = self.hello.as_ref().unwrap();
                let stdin = Incoming::new(hello.stdin_window);
                let stdout = Outgoing::new(&exchange.answer, hello.stdout_window);
                self.active.insert(id, (exchange, stdin, stdout));
            }
            Some(Event::Stdin { id, data }) => {
                self.active.get_mut(&id).unwrap().1.receive(out, id, data)?;
            }
            Some(Event::StdinEnd { id }) => {
                // An answer without a body before it may be complete already.
                if let Some((exchange, stdin, _)) = self.active.get(&id) {
                    assert!(stdin.bytes == exchange.body, "body {id} differs");
                }
            }
            Some(Event::Credit { id, bytes }) => {
                self.active.get_mut(&id).unwrap().2.window.add(bytes)?;
            }
            Some(
                event @ (Event::WholeRequest { .. }
                | Event::Abort { .. }
                | Event::Shared { .. }
                | Event::Released(_)
                | Event::ExecStatus { .. }),
            ) => {
                panic!("{event:?} is not part of the conversation")
            }
            None => {}
        }
        Ok(())
    }
}

/// Delivers up to `most` bytes from the front of a pipe.
fn deliver(
    pipe: &mut Vec<u8>,
    buffer: &mut RecordBuffer,
    most: usize,
    each: impl FnMut(Record<'_>) -> Result<(), ProtocolError>,
) {
    let piece: Vec<u8> = pipe.drain(..most.min(pipe.len())).collect();
    feed(buffer, &piece, each).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_byte_arrives(
        mut exchanges in prop::collection::vec(any_exchange(), 1..8),
        offer in (1_u32..20_000, 1_u32..20_000, 1_u16..5),
        own in (1_u32..20_000, 1_u32..20_000, 1_u16..5),
        mosts in prop::collection::vec((1_usize..9_000, 1_usize..9_000, 1_usize..9_000), 1..6),
    ) {
        for (index, exchange) in exchanges.iter_mut().enumerate() {
            exchange.params.push(b"INDEX", index.to_string().as_bytes());
        }
        let hello = |(stdin_window, stdout_window, max_requests)| Hello {
            version: HELLO_VERSION, stdin_window, stdout_window, max_requests, fields: Params::new(),
        };
        let total = exchanges.len();
        let mut gateway = Gateway {
            server: Server::new(usize::from(offer.2), true),
            hello: None,
            waiting: exchanges.clone().into(),
            active: BTreeMap::new(),
            done: 0,
        };
        let mut worker = Worker {
            application: Application::new(Options {
                max_requests: usize::from(own.2.min(offer.2)),
                multiplex: true,
                private: true,
                ..Options::default()
            }),
            own: hello(own),
            hello: None,
            expected: exchanges,
            active: BTreeMap::new(),
        };
        let (mut up, mut down) = (Vec::new(), Vec::new());
        let (mut at_gateway, mut at_worker) = (RecordBuffer::new(), RecordBuffer::new());
        encode::hello(&mut up, &hello(offer));
        let mut idle = 0;
        for &(step, to_worker, to_gateway) in mosts.iter().cycle() {
            if gateway.done == total {
                break;
            }
            gateway.step(&mut up, step);
            worker.step(&mut down, step);
            // Two rounds with nothing under way: nothing will ever move again.
            idle = if up.is_empty() && down.is_empty() { idle + 1 } else { 0 };
            prop_assert!(idle < 2, "stuck after {} of {}", gateway.done, total);
            let mut credit = Vec::new();
            deliver(&mut up, &mut at_worker, to_worker, |record| worker.receive(record, &mut down));
            deliver(&mut down, &mut at_gateway, to_gateway, |record| gateway.receive(record, &mut credit));
            up.append(&mut mem::take(&mut credit));
        }
        prop_assert_eq!(gateway.server.active(), 0);
        prop_assert_eq!(worker.application.active(), 0);
        prop_assert!(worker.expected.is_empty());
        prop_assert!(at_gateway.is_empty());
    }
}
