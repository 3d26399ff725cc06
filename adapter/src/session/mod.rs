//! One request inside the worker: its body, its answer and its life, shared by the thread that reads the connection,
//! the threads of the extension and those of its completion functions.

mod exec;
mod front;
mod input;
mod operation;
mod output;
mod pieces;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fastcgi_protocol::{ExecStatus, Grant, Window, is_idempotent};
use isapi_abi::error::{ERROR_INVALID_PARAMETER, WSAECONNRESET};

use crate::bell::Bell;
use crate::body::Body;
use crate::ecb::{Output, Room};
use crate::life::{Action, Event, Life};
use crate::link::Link;
use crate::response::{Ending, Refused, Response};
use crate::threads::MOMENT;
use crate::trace;
use crate::variables::Variables;

pub use exec::{Entity, ErrorPage};
use operation::Operation;
pub use operation::{Complete, Work};
pub use pieces::{Piece, ReadAt, Sending};

/// Output gathers up to this many bytes before it is sent (ISAPI.md §6.5).
const GATHER: usize = 16 * 1024;
/// The most of an answer that waits in memory for the end of its request's body, bytes.
const HELD_BACK: usize = 64 * 1024;

/// Text for the access log that is kept for one request, bytes.
const LOG_LIMIT: usize = 4_096;

/// A Win32 error number, for `SetLastError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Win32(pub u32);

/// Flow control of one request on a connection that has it.
#[derive(Debug)]
pub struct Credit {
    /// What the front may still send.
    pub stdin: Grant,
    /// What we may still send.
    pub stdout: Window,
}

/// One request.
pub struct Session {
    id: u16,
    link: Arc<dyn Link>,
    variables: Variables,
    state: Mutex<State>,
    /// Body, credit, life or client's presence changed.
    changed: Bell,
    /// The buffer of a thread that waits for the body.
    room: Room,
    /// What a thread sends that waits for credit.
    output: Output,
}

struct State {
    life: Life,
    body: Body,
    /// The request has been handed to the threads; that happens once.
    handed: bool,
    response: Response,
    credit: Option<Credit>,
    /// The front sends no more of the body once the answer has begun, which therefore waits for it.
    body_first: bool,
    /// The extension has more to send than may wait for that.
    overflows: bool,
    /// Output that has not been handed to the link yet.
    gathered: Vec<u8>,
    /// A thread or an operation is handing output to the link; others wait for their turn, so that bytes keep their
    /// order.
    sending: bool,
    /// Gathered output waits for credit or for the end of the body, and no thread waits with it: the completion threads
    /// carry it on.
    backlog: bool,
    answer: Answer,
    /// Threads that are telling the front of credit or of calls.
    telling: u32,
    /// The end of the answer, which they tell it behind that: what came later would be another request's.
    end: Option<End>,
    /// The outstanding operation, while no thread works on it.
    operation: Option<Box<Operation>>,
    /// The outstanding operation is to end at once.
    cancelled: bool,
    /// Some of the body has been read, or given to a child request.
    body_read: bool,
    /// How the last child request ended; `None` while it runs.
    child: Option<ExecStatus>,
    /// Its method is (RFC 9110 §9.2.2).
    idempotent: bool,
    /// Some of the answer has been handed to the link.
    begun: bool,
    /// The extension has said that it is unhealthy.
    unhealthy: bool,
    /// The completion threads were asked to carry this request on and have not begun.
    resumed: bool,
    /// The client has gone.
    gone: bool,
    /// The extension has closed the connection.
    closed: bool,
    /// Every write is sent at once (code 1043).
    unbuffered: bool,
    /// Gathered output was already there at the last tick.
    stale: bool,
    /// Since when nothing has come for the request, while a thread that waits for it reads the connection.
    reading: Option<Instant>,
    /// Since when a thread waits for what another one reads, which may then leave it the connection.
    expected: Option<Instant>,
    log: Vec<u8>,
}

/// How far the end of the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The extension may add to it.
    Open,
    /// It ends like this when what has gathered is sent.
    Ending(Ending),
    /// The link was told its end, or is told as soon as it knows of all credit: the request's number may belong to
    /// another one now.
    Over,
}

/// What the link is told at the end.
struct End {
    last: Vec<u8>,
    ending: Ending,
    log: Vec<u8>,
    /// Nobody is left who would ask why it was cut.
    gone: bool,
}

/// How an answer ends before its request (ISAPI.md §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// `HSE_IO_FINAL_SEND`: the answer is whole, more output is refused with 87.
    Final,
    /// `HSE_IO_DISCONNECT_AFTER_SEND`: for the extension the client is gone, writes fail with 10054.
    Disconnect,
}

impl State {
    /// Whether the extension can be called now, and could not before.
    fn becomes_ready(&mut self) -> bool {
        let now = !self.handed && self.body.is_ready();
        self.handed |= now;
        now
    }

    /// Whether somebody may still want more of the body.
    fn takes_body(&self) -> bool {
        !self.gone && self.answer != Answer::Over && !self.life.has_ended()
    }

    /// What a synchronous call fails with when the answer takes nothing more.
    fn writable(&self) -> Result<(), Win32> {
        if !self.life.is_open() {
            Err(Win32(ERROR_INVALID_PARAMETER))
        } else if self.gone || self.closed {
            Err(Win32(WSAECONNRESET))
        } else {
            Ok(())
        }
    }
}

impl Session {
    /// A request whose parameters are complete. Without `credit` the link itself holds senders back.
    pub fn new(
        id: u16,
        link: Arc<dyn Link>,
        variables: Variables,
        length: Option<u64>,
        credit: Option<Credit>,
    ) -> Self {
        // Only the gateway gives credit.
        let method = variables.param("REQUEST_METHOD");
        let response = Response::new(method, credit.is_some());
        let body_first = credit.is_none() && link.wants_body_first();
        let state = State {
            life: Life::default(),
            body: Body::new(length),
            handed: false,
            response,
            credit,
            body_first,
            overflows: false,
            gathered: output::buffer(),
            sending: false,
            backlog: false,
            answer: Answer::Open,
            telling: 0,
            end: None,
            operation: None,
            cancelled: false,
            body_read: false,
            child: Some(ExecStatus::default()),
            idempotent: is_idempotent(method),
            begun: false,
            unhealthy: false,
            resumed: false,
            gone: false,
            closed: false,
            unbuffered: false,
            stale: false,
            reading: None,
            expected: None,
            log: Vec::new(),
        };
        Self {
            id,
            link,
            variables,
            state: Mutex::new(state),
            changed: Bell::default(),
            room: Room::default(),
            output: Output::default(),
        }
    }

    /// By which the gateway knows the request: number of its connection, number on it. `None` without a gateway.
    pub fn name(&self) -> Option<(u16, u16)> {
        self.link.lane().map(|lane| (lane, self.id))
    }

    /// The request's server variables.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Whether the gateway would run the request again if this process died: it has no body, its method is idempotent,
    /// and nothing of its answer has been sent.
    pub fn may_run_again(&self) -> bool {
        let state = self.lock();
        state.idempotent && !state.begun && !state.body.has_begun()
    }

    /// The extension is about to be called: gives it the first part of the body and `cbTotalBytes`.
    pub fn begin(&self) -> (Vec<u8>, u32) {
        let mut state = self.lock();
        state.life.on(Event::Called);
        let data = state.body.take_read_ahead();
        let total = state.body.total_bytes(data.len());
        if total as usize == data.len() {
            self.variables.set_body_length(data.len());
        }
        drop(self.consumed(state, data.len()));
        (data, total)
    }

    /// WriteClient: gathers small writes, sends large ones at once. An empty one sends what has gathered.
    ///
    /// # Errors
    /// 10054 when the client has gone, 87 when the answer takes nothing more.
    pub fn write(self: &Arc<Self>, bytes: &[u8]) -> Result<(), Win32> {
        let mut state = self.turn()?;
        if bytes.is_empty() {
            return self.send(state, &[]);
        }
        match state.response.passes(bytes) {
            Some(count) if state.gathered.len() + count >= GATHER => {
                state.response.passed(count);
                self.send(state, &bytes[..count])
            }
            _ => self.respond_in(state, |response, out| response.write(bytes, out)),
        }
    }

    /// A call that starts the answer or adds to it.
    ///
    /// # Errors
    /// 10054 when the client has gone, 87 when it is refused.
    pub fn respond(
        self: &Arc<Self>,
        call: impl FnOnce(&mut Response, &mut Vec<u8>) -> Result<(), Refused>,
    ) -> Result<(), Win32> {
        let state = self.turn()?;
        self.respond_in(state, call)
    }

    /// Whether the client is still there (code 1018).
    pub fn is_connected(&self) -> bool {
        let state = self.lock();
        !state.gone && !state.closed
    }

    /// Whether every write is sent at once from now on, or gathered again (code 1043).
    ///
    /// # Errors
    /// 87 after the end of the session.
    pub fn set_unbuffered(self: &Arc<Self>, unbuffered: bool) -> Result<(), Win32> {
        self.open()?.unbuffered = unbuffered;
        if unbuffered { self.flush() } else { Ok(()) }
    }

    /// Adds to the text for the access log (code 1003), up to 4 KiB.
    pub fn append_log(&self, text: &[u8]) {
        let mut state = self.lock();
        let room = LOG_LIMIT - state.log.len().min(LOG_LIMIT);
        state.log.extend_from_slice(&text[..text.len().min(room)]);
    }

    /// Tells a call of the trace to whoever wants it. Waits until it is told: there is no credit for it.
    pub fn trace(&self, mut event: trace::Event) {
        let mut state = self.lock();
        if state.answer == Answer::Over {
            drop(state);
            event.request = Some(self.to_string());
            return self.link.trace(0, &event);
        }
        state.telling += 1;
        drop(state);
        self.link.trace(self.id, &event);
        drop(self.told());
    }

    /// The extension has ended something: its call, its session, a completion function. `http_status` and `log_data` are
    /// what the ECB holds now. What is left to do is the ECB's part. Never waits for the client where there is credit.
    pub fn end(self: &Arc<Self>, event: Event, http_status: u32, log_data: &[u8]) -> Action {
        let mut state = self.lock();
        let action = state.life.on(event);
        if let Some(status) = action.finish {
            state = self.wait_turn(state);
            if state.answer == Answer::Open {
                state.log.extend_from_slice(log_data);
                self.finish(state, status, http_status);
            }
        } else if state.life.has_ended() {
            // An answer that waits for its operation must not wait for a body that nobody wants any more.
            state.cancelled |= state.operation.as_ref().is_some_and(|it| it.is_receive());
            self.wake(state);
        } else if state.life.is_pending() && !state.sending && !state.gathered.is_empty() {
            // Nobody flushes for a request that has no thread.
            drop(self.carry_on(state));
        }
        action
    }

    /// The calling thread has told the front something of this request. The last one that does tells an end that has come
    /// meanwhile.
    fn told(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.telling -= 1;
        if state.telling == 0
            && let Some(end) = state.end.take()
        {
            drop(state);
            self.tell(end);
            state = self.lock();
        }
        state
    }

    /// Waits for what the front or another thread does, or by chance less long.
    fn wait<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if self.link.is_read_here() {
            return self.read_on(state);
        }
        self.expect(&mut state);
        state = self.changed.wait(state);
        state.expected = None;
        state
    }

    /// The calling thread is about to wait for what another one reads.
    fn expect(&self, state: &mut State) {
        state.expected = self.link.expect().then(Instant::now);
    }

    /// Whether the calling thread has the connection, and has to read it.
    pub fn is_read_here(&self) -> bool {
        self.link.is_read_here()
    }

    /// Reads the connection, since nobody else does: for a moment in which nothing comes for this request.
    fn read_on<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let since = *state.reading.get_or_insert_with(Instant::now);
        drop(state);
        self.link.read_on(MOMENT.saturating_sub(since.elapsed()));
        self.lock()
    }

    /// The state, if the extension may still use the request.
    fn open(&self) -> Result<MutexGuard<'_, State>, Win32> {
        let state = self.lock();
        if state.life.is_open() {
            Ok(state)
        } else {
            Err(Win32(ERROR_INVALID_PARAMETER))
        }
    }

    /// The state, when nobody else is sending and the client is there.
    fn turn(self: &Arc<Self>) -> Result<MutexGuard<'_, State>, Win32> {
        let state = self.wait_turn(self.open()?);
        state.writable()?;
        Ok(state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Most bytes of a path in the log.
const SHOWN: usize = 200;

/// Method and path, printable, without the query: that may be secret.
impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.variables.url_path();
        let path = &path[..path.len().min(SHOWN)];
        let method = self.variables.param("REQUEST_METHOD");
        write!(f, "{} {}", method.escape_ascii(), path.escape_ascii())
    }
}
