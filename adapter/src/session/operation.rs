//! Asynchronous operations (ISAPI.md §4.3): work that goes on without a thread of the extension, one for each request.
//!
//! Nobody blocks for an operation. The completion threads do what credit and the arrived body allow; then it waits here
//! until the front brings more, which hands the request to those threads again.

use std::sync::{Arc, MutexGuard};

use isapi_abi::error::{
    ERROR_INVALID_PARAMETER, ERROR_NETNAME_DELETED, ERROR_OPERATION_ABORTED, ERROR_SUCCESS,
};

use super::exec::{ErrorPage, Exec};
use super::pieces::Sending;
use super::{Answer, GATHER, Session, State, Win32};
use crate::body::Read;
use crate::life::Event;
use crate::response::{Refused, Response};

/// Called once, on a completion thread, with the bytes that were moved (at most what a DWORD can say) and a Win32 error
/// or 0.
pub type Complete = Box<dyn FnOnce(u32, u32) + Send>;

/// What an operation does.
pub enum Work {
    /// Sends a part of the answer.
    Send(Sending),
    /// Reads some of the body: at least one byte, unless it is at its end.
    Receive(Box<dyn AsMut<[u8]> + Send>),
    /// Has the front run a child request, whose answer becomes a part of this one; [`Session::exec`] makes one.
    Exec(Box<Exec>),
    /// Has the front answer with its own page; [`Session::start_error_page`] makes one.
    ErrorPage(ErrorPage),
}

/// An operation under way.
pub(super) struct Operation {
    work: Work,
    /// Bytes moved so far.
    bytes: u64,
    /// It is over with this error and has given the turn away; its completion function is to be called.
    over: Option<u32>,
    complete: Complete,
}

impl Operation {
    pub(super) fn is_receive(&self) -> bool {
        matches!(self.work, Work::Receive(_))
    }
}

impl State {
    /// Whether the completion threads could do something for this request.
    fn can_go_on(&mut self) -> bool {
        let backlog = self.backlog && !self.sending && self.flows();
        !self.resumed && (backlog || self.operation_can_go_on())
    }

    fn operation_can_go_on(&mut self) -> bool {
        let Some(operation) = &mut self.operation else {
            return false;
        };
        match &mut operation.work {
            _ if operation.over.is_some() || self.cancelled => true,
            Work::Receive(room) => self.body.has_news() || (**room).as_mut().is_empty(),
            Work::Send(_) => self.flows() || self.holds_back(0),
            Work::Exec(exec) => {
                exec.can_go_on() && self.flows() || self.gone || self.child.is_some()
            }
            Work::ErrorPage(_) => true,
        }
    }

    /// What an operation ends with when its connection has gone (ISAPI.md §4.3).
    pub(super) fn lost(&self) -> u32 {
        if self.closed {
            ERROR_NETNAME_DELETED
        } else {
            ERROR_OPERATION_ABORTED
        }
    }
}

/// The lock, and the operation's error if it is over. If it is not, everything that could let it go on has been looked
/// at under this lock.
pub(super) type Step<'a> = (MutexGuard<'a, State>, Option<u32>);

impl Session {
    /// Starts an operation. `head` may begin the answer before what is sent. `complete` is called exactly once if this
    /// succeeds, never from inside this call, and not at all if it fails.
    ///
    /// # Errors
    /// 87 while another operation is outstanding, when `head` is refused and after the end of the session, 10054 when
    /// something is to be sent to a client that has gone.
    pub fn start(
        self: &Arc<Self>,
        head: impl FnOnce(&mut Response, &mut Vec<u8>) -> Result<(), Refused>,
        mut work: Work,
        complete: Complete,
    ) -> Result<(), Win32> {
        let mut state = self.lock();
        let mut bytes = 0;
        if let Work::Send(sending) = &work {
            bytes = sending.head() as u64;
        }
        let sends = !matches!(work, Work::Receive(_));
        if sends {
            while state.sending && !state.life.has_operation() {
                state = self.wait(state);
            }
        }
        if !state.life.may_start() {
            return Err(Win32(ERROR_INVALID_PARAMETER));
        }
        if sends {
            state.writable()?;
            let State {
                response, gathered, ..
            } = &mut *state;
            head(response, gathered).map_err(|_| Win32(ERROR_INVALID_PARAMETER))?;
            if let Work::Send(sending) = &mut work {
                bytes += sending.leave_to_front(response, gathered);
            }
            state.sending = true;
        }
        match &work {
            Work::Receive(_) => state.body_read = true,
            Work::Exec(_) => state.child = None,
            Work::Send(_) | Work::ErrorPage(_) => {}
        }
        state.life.on(Event::Started);
        state.operation = Some(Box::new(Operation {
            work,
            bytes,
            over: None,
            complete,
        }));
        self.wake(state);
        Ok(())
    }

    /// Ends the outstanding operation with 995, if there is one (code 1049).
    pub fn cancel(self: &Arc<Self>) {
        let mut state = self.lock();
        state.cancelled = state.life.has_operation();
        self.changed.ring();
        self.wake(state);
    }

    /// Has the completion threads carry this request on, if they can.
    pub(super) fn wake(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.can_go_on() {
            state.resumed = true;
            drop(state);
            self.link.resume(Arc::clone(self));
        }
    }

    /// Carries this request's output and operation on as far as they go, and calls the completion function if the
    /// operation is over. Runs on the completion threads.
    pub fn advance(&self) {
        let mut state = self.lock();
        state.resumed = false;
        if state.backlog && !state.sending {
            state = self.carry_on(state);
        }
        let Some(mut operation) = state.operation.take() else {
            return;
        };
        state = self.step(state, &mut operation);
        match operation.over {
            None => state.operation = Some(operation),
            Some(error) => self.complete(state, *operation, error),
        }
    }

    /// Waits until nobody else is sending. If it is an operation, this thread carries it on: the completion threads may
    /// all be waiting like this, in completion functions. The function of this one is left to them.
    pub(super) fn wait_turn<'a>(
        self: &'a Arc<Self>,
        mut state: MutexGuard<'a, State>,
    ) -> MutexGuard<'a, State> {
        while state.sending {
            if state.operation_can_go_on()
                && let Some(mut operation) = state.operation.take()
            {
                state = self.step(state, &mut operation);
                let is_over = operation.over.is_some();
                state.operation = Some(operation);
                if is_over {
                    self.wake(state);
                    state = self.lock();
                }
            }
            if state.sending {
                state = self.wait(state);
            }
        }
        state
    }

    /// Carries an operation on as far as it goes. One that is over ends the answer if it was the last part, and gives the
    /// turn away.
    fn step<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        operation: &mut Operation,
    ) -> MutexGuard<'a, State> {
        if operation.over.is_some() {
            return state;
        }
        let (mut state, error) = match &mut operation.work {
            Work::Send(sending) => self.advance_sending(state, sending, &mut operation.bytes),
            Work::Receive(room) => {
                self.advance_receiving(state, (**room).as_mut(), &mut operation.bytes)
            }
            Work::Exec(exec) => self.advance_exec(state, exec),
            Work::ErrorPage(page) => self.advance_error_page(state, page),
        };
        let Some(error) = error else {
            return state;
        };
        operation.over = Some(error);
        match &operation.work {
            Work::Receive(_) => state,
            Work::Exec(_) => {
                state.end_child(error);
                self.yield_turn(state)
            }
            Work::ErrorPage(_) => self.yield_turn(state),
            Work::Send(sending) => match (sending.last(), error, state.answer) {
                (Some(last), ERROR_SUCCESS, Answer::Open) => {
                    state.sending = false;
                    self.finish_early_in(state, last);
                    self.lock()
                }
                _ => self.yield_turn(state),
            },
        }
    }

    /// The operation is over: calls its completion function.
    fn complete(&self, mut state: MutexGuard<'_, State>, operation: Operation, error: u32) {
        let Operation {
            work,
            bytes,
            complete,
            ..
        } = operation;
        state.cancelled = false;
        state.life.on(Event::Completing);
        drop(state);
        drop(work);
        complete(u32::try_from(bytes).unwrap_or(u32::MAX), error);
    }

    fn advance_sending<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        sending: &mut Sending,
        sent: &mut u64,
    ) -> Step<'a> {
        let mut buffer = Vec::new();
        let mut ended = false;
        loop {
            if state.gone {
                // A web server that sends the file by itself need not wait for the end of our answer.
                let error = match sending.is_left_to_front() {
                    true => ERROR_SUCCESS,
                    false => state.lost(),
                };
                return (state, Some(error));
            }
            if state.cancelled {
                return (state, Some(ERROR_OPERATION_ABORTED));
            }
            if state.holds_back(0) {
                if ended {
                    return (state, Some(ERROR_SUCCESS));
                }
            } else if ended || state.gathered.len() >= GATHER {
                state.overflows = true;
                state = self.drain(state);
                match state.gathered.is_empty() {
                    true if ended && !state.gone => return (state, Some(ERROR_SUCCESS)),
                    false if !state.cancelled => return (state, None),
                    _ => continue,
                }
            }
            // Files may be slow.
            drop(state);
            let next = sending.next(&mut buffer);
            state = self.lock();
            match next {
                Ok(None) => ended = true,
                Ok(Some(chunk)) => {
                    let State {
                        response, gathered, ..
                    } = &mut *state;
                    if response.write(chunk, gathered).is_err() {
                        return (state, Some(ERROR_INVALID_PARAMETER));
                    }
                    *sent += chunk.len() as u64;
                }
                Err(Win32(error)) => return (state, Some(error)),
            }
        }
    }

    fn advance_receiving<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        room: &mut [u8],
        received: &mut u64,
    ) -> Step<'a> {
        if state.cancelled {
            return (state, Some(ERROR_OPERATION_ABORTED));
        }
        match state.body.read(room) {
            Read::Wait => (state, None),
            Read::End => (state, Some(ERROR_SUCCESS)),
            Read::Short => {
                let error = state.lost();
                (state, Some(error))
            }
            Read::Bytes(count) => {
                *received = count as u64;
                self.changed.ring();
                (self.consumed(state, count), Some(ERROR_SUCCESS))
            }
        }
    }
}
