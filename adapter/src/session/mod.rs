//! One request inside the worker: its body, its answer and its life, shared by the thread that reads the connection
//! and the threads of the extension.

mod front;
mod output;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastcgi_protocol::{Grant, Window};
use isapi_abi::error::{ERROR_INVALID_PARAMETER, ERROR_SEM_TIMEOUT, WSAECONNRESET};

use crate::bell::Bell;
use crate::body::{Body, Read};
use crate::life::{Action, Event, Life};
use crate::link::Link;
use crate::response::{Refused, Response};
use crate::variables::Variables;

/// Output gathers up to this many bytes before it is sent (ISAPI.md §6.5).
const GATHER: usize = 16 * 1024;

/// A read that gets nothing fails after this time (ISAPI.md §3.3).
const READ_TIMEOUT: Duration = Duration::from_secs(60);

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
}

struct State {
    life: Life,
    body: Body,
    /// The request has been handed to the threads; that happens once.
    handed: bool,
    response: Response,
    credit: Option<Credit>,
    /// Output that has not been handed to the link yet.
    gathered: Vec<u8>,
    /// A thread is handing output to the link; others wait for their turn, so that bytes keep their order.
    sending: bool,
    /// The client has gone.
    gone: bool,
    /// Gathered output was already there at the last tick.
    stale: bool,
    log: Vec<u8>,
}

impl State {
    /// Whether the extension can be called now, and could not before.
    fn becomes_ready(&mut self) -> bool {
        let now = !self.handed && self.body.is_ready();
        self.handed |= now;
        now
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
        let response = Response::new(variables.param("REQUEST_METHOD"), credit.is_some());
        let state = State {
            life: Life::default(),
            body: Body::new(length),
            handed: false,
            response,
            credit,
            gathered: Vec::new(),
            sending: false,
            gone: false,
            stale: false,
            log: Vec::new(),
        };
        Self {
            id,
            link,
            variables,
            state: Mutex::new(state),
            changed: Bell::default(),
        }
    }

    /// The request's server variables.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The extension is about to be called: gives it the first part of the body and `cbTotalBytes`.
    pub fn begin(&self) -> (Vec<u8>, u32) {
        let mut state = self.lock();
        state.life.on(Event::Called);
        let data = state.body.take_read_ahead();
        let total = state.body.total_bytes(data.len());
        drop(self.consumed(state, data.len()));
        (data, total)
    }

    /// ReadClient: fills the buffer, or as much of it as the body still has (ISAPI.md §3.3).
    ///
    /// # Errors
    /// 10054 when the body was cut short, 121 when nothing came in time, 87 after the end of the session.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Win32> {
        self.flush()?;
        let mut state = self.open()?;
        let mut filled = 0;
        while filled < buffer.len() {
            match state.body.read(&mut buffer[filled..]) {
                Read::Bytes(count) => {
                    filled += count;
                    self.changed.ring();
                    state = self.consumed(state, count);
                }
                Read::End => break,
                Read::Wait if !state.life.is_open() => return Err(Win32(ERROR_INVALID_PARAMETER)),
                Read::Wait if !state.gone => {
                    let (next, timed_out) = self.changed.wait_timeout(state, READ_TIMEOUT);
                    state = next;
                    if timed_out
                        && state.body.buffered() == 0
                        && !state.gone
                        && !state.body.is_ready()
                    {
                        return if filled > 0 {
                            Ok(filled)
                        } else {
                            Err(Win32(ERROR_SEM_TIMEOUT))
                        };
                    }
                }
                Read::Short | Read::Wait if filled > 0 => break,
                Read::Short | Read::Wait => return Err(Win32(WSAECONNRESET)),
            }
        }
        Ok(filled)
    }

    /// WriteClient: gathers small writes, sends large ones at once.
    ///
    /// # Errors
    /// 10054 when the client has gone, 87 when the answer takes nothing more.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Win32> {
        let mut state = self.turn()?;
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
        &self,
        call: impl FnOnce(&mut Response, &mut Vec<u8>) -> Result<(), Refused>,
    ) -> Result<(), Win32> {
        let state = self.turn()?;
        self.respond_in(state, call)
    }

    /// Whether the client is still there (code 1018).
    pub fn is_connected(&self) -> bool {
        !self.lock().gone
    }

    /// Adds to the text for the access log (code 1003), up to 4 KiB.
    pub fn append_log(&self, text: &[u8]) {
        let mut state = self.lock();
        let room = LOG_LIMIT - state.log.len().min(LOG_LIMIT);
        state.log.extend_from_slice(&text[..text.len().min(room)]);
    }

    /// `HttpExtensionProc` returned, or the extension called DONE. `http_status` and `log_data` are what the ECB holds
    /// now. Returns whether the ECB is free.
    pub fn end(&self, event: Event, http_status: u32, log_data: &[u8]) -> bool {
        let mut state = self.wait_turn(self.lock());
        let Action { finish, release } = state.life.on(event);
        if let Some(status) = finish {
            if !log_data.is_empty() {
                state.log.extend_from_slice(log_data);
            }
            self.finish(state, status, http_status);
        } else if state.life == Life::Pending {
            // Nobody flushes for a request that has no thread. A client that has gone shows at the next call.
            let _ = self.send(state, &[]);
        }
        release
    }

    /// The extension took bytes of the body: the front may send as many again. It is told without the lock: whoever
    /// sends may have to wait for a peer that does not read, and the connection's reader must not wait for us then.
    fn consumed<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        count: usize,
    ) -> MutexGuard<'a, State> {
        let credit = state.credit.as_mut();
        let Some(bytes) = credit.and_then(|credit| credit.stdin.consumed(count)) else {
            return state;
        };
        drop(state);
        self.link.grant(self.id, bytes);
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

    /// The state, when no other thread is sending and the client is there.
    fn turn(&self) -> Result<MutexGuard<'_, State>, Win32> {
        let state = self.wait_turn(self.open()?);
        match (state.life.is_open(), state.gone) {
            (false, _) => Err(Win32(ERROR_INVALID_PARAMETER)),
            (_, true) => Err(Win32(WSAECONNRESET)),
            _ => Ok(state),
        }
    }

    fn wait_turn<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait_while(state, |state| state.sending)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
