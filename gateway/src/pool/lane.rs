//! One multiplexed connection to a worker, without its I/O: requests append records to `out`, and the records that
//! the driver reads are given to their exchanges.
//!
//! Each runtime thread has a lane of its own to each worker, and its requests use that one only: the lock is hardly
//! ever contended, and what many requests have appended in one turn of the runtime leaves in one write.

mod incoming;
mod receive;
mod shared;

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastcgi_protocol::{
    ExecStatus, HELLO_VERSION, Hello, ParamsWriter, RecordType, Role, Server, encode,
};
use tokio::sync::oneshot;

use super::circuits::{Fault, Trial};
use super::crash::Blame;
use super::death::Victim;
use super::entries::{Entries, Entry};
use super::exchange::{Ending, Exchange};
use super::state::WorkerId;
use super::worker::Slot;
use super::{Pool, Token, lock, variables};
use crate::error::Error;
use crate::observe::status::RequestStatus;
use crate::outbox::Outbox;
use crate::request::RequestHead;
use crate::site::Target;

/// Bytes of an answer that a worker may send before the client takes them: enough to keep a stream going, and what
/// a stalled client costs. Four whole pieces (`shared_buffers::SIZE`): workers send no parts of them. With fewer, worker,
/// gateway and client wake each other for every second piece.
const STDOUT_WINDOW: u32 = 4 * 65_528;
/// Bytes of a body that may be sent before the extension takes them. More than the 48 KiB that a worker gathers
/// before it calls the extension (ISAPI.md §2.2), or both would wait for ever. Whole pieces, as of answers.
const STDIN_WINDOW: u32 = 4 * 65_528;
/// Bytes waiting to be written above which the lane takes no more requests and bodies: the worker does not keep up.
const CONGESTED: usize = 256 * 1024;
/// What a worker is told of a child request whose own request has been given up (ERROR_OPERATION_ABORTED).
const ABORTED: ExecStatus = ExecStatus {
    status: 0,
    sub_status: 0,
    error: 995,
};

pub use incoming::Incoming;
pub use shared::{Buffers, Piece};

/// One connection to a worker.
pub struct Lane {
    pool: Arc<Pool>,
    worker: WorkerId,
    /// Process id of the worker, for the log.
    pid: u32,
    /// Greeted, and not yet at its end.
    open: AtomicBool,
    /// More than [`CONGESTED`] bytes wait; cleared by the driver.
    congested: AtomicBool,
    table: Mutex<Table>,
}

/// What the lock guards.
struct Table {
    server: Server,
    /// Records to be written.
    out: Outbox,
    /// Those of the memory that the worker shares.
    buffers: Option<Buffers>,
    entries: Entries,
    stdin_window: u32,
    stdout_window: u32,
    greeting: Option<oneshot::Sender<Result<Hello, String>>>,
    /// Woken when `out` is no longer empty.
    driver: Option<Waker>,
    /// When the worker was asked last whether it lives.
    pinged: Option<Instant>,
    /// It has answered.
    ponged: bool,
    /// Nothing more will be written.
    closing: bool,
}

impl Lane {
    /// A new connection to a worker, with the gateway's greeting in its buffer, and the worker's answer to come.
    pub fn new(
        pool: Arc<Pool>,
        worker: WorkerId,
        pid: u32,
        buffers: Option<Buffers>,
    ) -> (Arc<Self>, oneshot::Receiver<Result<Hello, String>>) {
        let max_requests = u16::try_from(pool.concurrency).unwrap_or(u16::MAX);
        let offer = Hello {
            version: HELLO_VERSION,
            stdin_window: STDIN_WINDOW,
            stdout_window: STDOUT_WINDOW,
            max_requests,
            fields: pool.greeting.clone(),
        };
        let mut out = Outbox::default();
        encode::hello(out.records(), &offer);
        let (greeting, greeted) = oneshot::channel();
        let lane = Self {
            pool,
            worker,
            pid,
            open: AtomicBool::new(false),
            congested: AtomicBool::new(false),
            table: Mutex::new(Table {
                server: Server::new(max_requests.into(), true),
                out,
                buffers,
                entries: Entries::default(),
                stdin_window: STDIN_WINDOW,
                stdout_window: STDOUT_WINDOW,
                greeting: Some(greeting),
                driver: None,
                pinged: None,
                ponged: true,
                closing: false,
            }),
        };
        (Arc::new(lane), greeted)
    }

    /// What names its worker to clients.
    pub fn token(&self) -> Token {
        self.pool.token(self.worker)
    }

    /// Whether a request can begin now.
    pub fn has_room(&self) -> bool {
        self.open.load(SeqCst) && !self.congested.load(SeqCst)
    }

    /// Begins a request at the time `begun`, as one record if it has no body.
    /// `None` when the lane has come to its end meanwhile and another must be chosen.
    ///
    /// # Errors
    /// [`Error::BadRequest`] when the request cannot be said in parameters, [`Error::Overloaded`] when the lane has
    /// as many requests as the worker allows.
    pub fn begin(
        &self,
        slot: Slot,
        trial: Option<Trial>,
        begun: Instant,
        head: &RequestHead,
        target: &Target<'_>,
        has_body: bool,
    ) -> Result<Option<Arc<Exchange>>, Error> {
        let mut guard = lock(&self.table);
        let table = &mut *guard;
        if !self.open.load(SeqCst) || table.closing {
            return Ok(None);
        }
        table.wake_driver();
        let Some(id) = table.server.allot() else {
            return Err(Error::Overloaded(
                "the worker takes no more requests".into(),
            ));
        };
        let out = table.out.records();
        let before = out.len();
        let params = if has_body {
            encode::begin_request(out, id, Role::Responder, true);
            ParamsWriter::new(out, id)
        } else {
            ParamsWriter::whole_request(out, id)
        };
        let written = variables::write(params, &self.pool, head, target);
        if written.is_err() {
            // An abort before the end of the parameters: the worker ends the request by itself.
            out.truncate(before);
            encode::begin_request(out, id, Role::Responder, true);
            encode::abort_request(out, id);
        }
        let exchange = Arc::new(Exchange::new(id, table.stdin_window, table.stdout_window));
        if written.is_err() {
            exchange.abandon();
        }
        table.entries.insert(Entry {
            exchange: exchange.clone(),
            slot,
            trial,
            begun,
            method: head.method.clone(),
            uri: head.uri.clone(),
            last_call: None,
            slow: false,
            aborted: written.is_err(),
            late: false,
        });
        self.note_congestion(table.out.len());
        written.map(|()| Some(exchange))
    }

    /// Sends what may be sent now of a piece of a body. `false` when the request has ended.
    pub fn poll_send(
        &self,
        exchange: &Arc<Exchange>,
        body: &mut Bytes,
        context: &mut Context<'_>,
    ) -> Poll<bool> {
        let mut table = lock(&self.table);
        if table.entries.of(exchange).is_none() {
            return Poll::Ready(false);
        }
        let blocked = table.out.len() >= CONGESTED;
        exchange.poll_take(body, blocked, context).map(|mut now| {
            table.wake_driver();
            let Table { out, buffers, .. } = &mut *table;
            if let Some(buffers) = buffers {
                buffers.put(out.records(), exchange.id, &mut now);
            }
            out.stream(RecordType::Stdin, exchange.id, &now);
            self.note_congestion(table.out.len());
            true
        })
    }

    /// The body has ended.
    pub fn end_body(&self, exchange: &Arc<Exchange>) {
        self.append(exchange, |out, id| {
            encode::end_stream(out, RecordType::Stdin, id);
        });
    }

    /// The worker may send so many bytes more of the answer.
    pub fn grant(&self, exchange: &Arc<Exchange>, bytes: u32) {
        self.append(exchange, |out, id| encode::credit(out, id, bytes));
    }

    /// The child request that this request has asked for is over.
    pub fn end_exec(&self, exchange: &Arc<Exchange>, status: ExecStatus) {
        let mut guard = lock(&self.table);
        let table = &mut *guard;
        if table.entries.of(exchange).is_some() {
            table.wake_driver();
            table
                .server
                .end_exec(table.out.records(), exchange.id, status);
        }
    }

    /// Nobody reads the entity of its child request any more.
    pub fn leave_entity(&self, exchange: &Arc<Exchange>) {
        if let Some(credit) = exchange.leave_entity() {
            self.grant(exchange, credit);
        }
    }

    /// Nobody wants the answer any more. Its number and its room stay taken until the worker has ended it.
    pub fn abort(&self, exchange: &Arc<Exchange>) {
        let credit = exchange.abandon();
        let mut guard = lock(&self.table);
        let table = &mut *guard;
        let Some(entry) = table.entries.of(exchange) else {
            return;
        };
        if !std::mem::replace(&mut entry.aborted, true) {
            table.wake_driver();
            encode::abort_request(table.out.records(), exchange.id);
            table
                .server
                .end_exec(table.out.records(), exchange.id, ABORTED);
        }
        if let Some(bytes) = credit {
            table.wake_driver();
            encode::credit(table.out.records(), exchange.id, bytes);
        }
    }

    /// Asks the worker whether it lives, when it has been `interval` since it was asked last and has answered. Returns
    /// for how long it has not answered.
    pub fn ping(&self, now: Instant, interval: Duration) -> Duration {
        let mut table = lock(&self.table);
        match table.pinged {
            Some(at) if !table.ponged => now.saturating_duration_since(at),
            Some(at) if now < at + interval => Duration::ZERO,
            _ => {
                table.pinged = Some(now);
                table.ponged = false;
                table.wake_driver();
                encode::get_values(table.out.records(), [&b"FCGI_MAX_REQS"[..]]);
                Duration::ZERO
            }
        }
    }

    /// Takes no more requests and, when everything has been written, ends the sending side of the connection.
    pub fn close(&self) {
        self.open.store(false, SeqCst);
        let mut table = lock(&self.table);
        table.closing = true;
        table.wake_driver();
    }

    /// Lets the driver write. `write` takes what it can from the front of the buffers and says how much, or that the connection
    /// takes nothing any more. Returns whether the sending side shall now be ended.
    pub fn poll_write(
        &self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&mut Context<'_>, &[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> bool {
        let mut table = lock(&self.table);
        table.release(context.waker());
        if !table
            .driver
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            table.driver = Some(context.waker().clone());
        }
        while !table.out.is_empty() {
            match table.out.poll_write(context, &mut write) {
                Poll::Ready(Ok(())) => {}
                // The worker does not read any more: it is dying, and the reading side will say so.
                Poll::Ready(Err(_)) => table.out.clear(),
                Poll::Pending => break,
            }
        }
        let relieved = table.out.len() < CONGESTED && self.congested.swap(false, SeqCst);
        if relieved {
            for entry in table.entries.iter() {
                entry.exchange.wake_pump();
            }
        }
        let end = table.closing && table.out.is_empty();
        drop(table);
        if relieved {
            self.pool.serve_queue();
        }
        end
    }

    /// Ends the requests that have run for `limit`, gives up those that do not end a grace later, and says when the next
    /// of the others will be due.
    pub fn expire(&self, now: Instant, limit: Duration) -> Option<Instant> {
        let mut guard = lock(&self.table);
        let table = &mut *guard;
        let grace = self.pool.config.request_grace;
        let mut next: Option<Instant> = None;
        for entry in table.entries.iter_mut() {
            if entry.slot.is_stuck() {
                continue;
            }
            let limited = entry.begun + limit;
            let due = if entry.late { limited + grace } else { limited };
            if due > now {
                next = Some(next.map_or(due, |other| other.min(due)));
                continue;
            }
            if std::mem::replace(&mut entry.late, true) {
                entry.slot.give_up();
                let circuits = &self.pool.circuits;
                circuits.blame(&entry.method, &entry.uri, Fault::Hang);
                continue;
            }
            let (pool, extension) = (&self.pool.name, self.pool.extension.display());
            let (request, pid) = (entry.describe(), self.pid);
            tracing::error!(
                pool,
                "request {request} ran longer than {limit:?} in worker {pid} (extension {extension})"
            );
            entry.exchange.end(Ending::TimedOut(limit));
            if !std::mem::replace(&mut entry.aborted, true) {
                // The driver, which calls this, writes afterwards.
                let id = entry.exchange.id;
                encode::abort_request(table.out.records(), id);
                table.server.end_exec(table.out.records(), id, ABORTED);
            }
            let due = limited + grace;
            next = Some(next.map_or(due, |other| other.min(due)));
        }
        next
    }

    /// The connection has ended: no new requests. Those in it wait for [`fail`](Self::fail), which knows the reason.
    pub fn end(&self) {
        self.open.store(false, SeqCst);
        lock(&self.table).greeting = None;
    }

    /// Requests in the lane, for the log: adds up to `limit` of them, "METHOD /path", and returns how many there are.
    pub fn describe(&self, limit: usize, into: &mut Vec<String>) -> usize {
        let table = lock(&self.table);
        let active = || table.entries.iter();
        into.extend(active().take(limit).map(Entry::describe));
        active().count()
    }

    /// Adds the requests in the lane, for the status.
    pub fn running(&self, now: Instant, into: &mut Vec<RequestStatus>) {
        let table = lock(&self.table);
        into.extend(table.entries.iter().map(|entry| entry.status(now)));
    }

    /// The requests that have been in the lane for `limit`; each is told once.
    pub fn slow(&self, now: Instant, limit: Duration) -> Vec<RequestStatus> {
        let mut table = lock(&self.table);
        let late = table.entries.iter_mut().filter_map(|entry| {
            let is_late = now.saturating_duration_since(entry.begun) >= limit;
            let is_new = is_late && !std::mem::replace(&mut entry.slow, true);
            is_new.then(|| entry.status(now))
        });
        late.collect()
    }

    /// The request with this number has brought the worker down: its circuit is told. Returns whether that counts as a
    /// failure of the pool.
    pub fn blame(&self, id: u16) -> bool {
        let request = {
            let mut table = lock(&self.table);
            let entry = table.entries.get(id);
            entry.map(|entry| (entry.method.clone(), entry.uri.clone()))
        };
        request.is_none_or(|(method, uri)| self.pool.circuits.blame(&method, &uri, Fault::Crash))
    }

    /// Ends all requests that are still in the lane, with this reason: one of them may be to blame for it, the others
    /// may try again. Returns who they were.
    pub fn fail(&self, reason: &str, blame: Blame) -> Vec<Victim> {
        self.open.store(false, SeqCst);
        let entries = {
            let mut table = lock(&self.table);
            table.out.clear();
            std::mem::take(&mut table.entries)
        };
        let now = Instant::now();
        let fail = |entry: &Entry| {
            let reason = reason.to_owned();
            let is_culprit = blame == Blame::Request(entry.exchange.id);
            entry.exchange.end(match is_culprit {
                true => Ending::Cut(reason),
                false => Ending::Lost {
                    reason,
                    innocent: blame != Blame::Unknown,
                },
            });
            let circuit = self.pool.circuits.state(&entry.method, &entry.uri);
            Victim::new(entry, is_culprit, circuit, now)
        };
        entries.iter().map(fail).collect()
    }

    fn append(&self, exchange: &Arc<Exchange>, encode: impl FnOnce(&mut Vec<u8>, u16)) {
        let mut table = lock(&self.table);
        if table.entries.of(exchange).is_some() {
            table.wake_driver();
            encode(table.out.records(), exchange.id);
        }
    }

    fn note_congestion(&self, waiting: usize) {
        if waiting >= CONGESTED {
            self.congested.store(true, SeqCst);
        }
    }
}

impl Table {
    /// Tells the worker which buffers nobody holds any more, and lets the requests that they were for send more.
    fn release(&mut self, driver: &Waker) {
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        let released = buffers.released(driver);
        if released == 0 {
            return;
        }
        let out = self.out.records();
        encode::released(out, released);
        for (exchange, length) in buffers.give_back(released) {
            if self.entries.of(&exchange).is_some()
                && let Some(bytes) = exchange.consumed(length)
            {
                encode::credit(out, exchange.id, bytes);
            }
        }
    }

    /// To be called before something is appended. A driver that has something to write has been woken already.
    fn wake_driver(&mut self) {
        if self.out.is_empty()
            && let Some(driver) = self.driver.take()
        {
            driver.wake();
        }
    }
}
