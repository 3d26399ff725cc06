//! How the output of a request reaches its link: gathered, in order, as credit allows.

use std::cell::Cell;
use std::sync::{Arc, MutexGuard};

use isapi_abi::error::{ERROR_INVALID_PARAMETER, WSAECONNRESET};
use isapi_abi::status::HSE_STATUS_SUCCESS;

use super::{Answer, End, GATHER, HELD_BACK, Last, Session, State, Win32};
use crate::ecb::Output;
use crate::link::{Before, Gone, Link, Stream};
use crate::response::{Ending, Refused, Response};
use fastcgi_protocol::encode::CHUNK as PIECE;

impl State {
    /// Whether everything that has gathered could be sent now.
    fn fits(&self) -> bool {
        self.room() >= self.gathered.len()
    }

    /// Whether something could be sent, or need not be sent any more.
    pub(super) fn flows(&self) -> bool {
        self.gone || self.room() > 0
    }

    /// Bytes that could be sent now.
    pub(super) fn room(&self) -> usize {
        match &self.credit {
            Some(credit) => credit.stdout.available(),
            None if self.awaits_body() => 0,
            None => usize::MAX,
        }
    }

    /// Of `left` bytes, how many a thread that can wait may send now behind so many others: whole pieces, or all. Where the
    /// window takes two pieces, more credit is sure to come to who has less than one.
    pub(super) fn allowed(&self, before: usize, left: usize) -> usize {
        let allowed = self.room().saturating_sub(before).min(left);
        let window = self
            .credit
            .as_ref()
            .map_or(0, |credit| credit.stdout.size());
        match allowed == left || window < 2 * PIECE {
            true => allowed,
            false => allowed - allowed % PIECE,
        }
    }

    /// Whether the answer waits for the rest of the body. It does not when nobody would read that: the extension is done,
    /// or it sends more than may wait while so much of the body waits for it that no more is taken.
    fn awaits_body(&self) -> bool {
        self.body_first
            && self.answer == Answer::Open
            && !self.gone
            && !self.body.has_ended()
            && !(self.overflows && self.body.is_full())
    }

    /// Of so many bytes that are to be sent behind what has gathered, how many gather for the next ones: those over whole
    /// pieces, if they are as few as gather anyway.
    fn over(&self, more: usize) -> usize {
        let before = if self.begun { self.gathered.len() } else { 0 };
        let over = (before + more) % PIECE;
        let is_long = over < more && before + more > PIECE;
        let gathers = !self.unbuffered && !self.life.is_pending() && self.response.takes_more();
        if is_long && over < GATHER && gathers {
            over
        } else {
            0
        }
    }

    /// Whether what has gathered, and so many bytes more, may wait for the rest of the body while the extension goes on.
    pub(super) fn holds_back(&self, more: usize) -> bool {
        self.awaits_body() && self.gathered.len() + more <= HELD_BACK
    }
}

impl Session {
    /// Sends what has gathered since the tick before, if it needs no waiting. Called a few times a second for requests
    /// that are inside the extension, so that slow writers are seen.
    pub fn tick(&self) {
        let Ok(mut state) = self.state.try_lock() else {
            return;
        };
        if state.gathered.is_empty()
            || state.sending
            || state.gone
            || !state.fits()
            || !self.link.is_ready()
        {
            return;
        }
        if state.stale {
            state.stale = false;
            let _ = self.send(state, &[]);
        } else {
            state.stale = true;
        }
    }

    /// Ends the answer before the extension ends the request: after `HSE_IO_FINAL_SEND` and
    /// `HSE_IO_DISCONNECT_AFTER_SEND` (ISAPI.md §3.2).
    ///
    /// # Errors
    /// 10054 when the client has gone, 87 after the end of the session.
    pub fn finish_early(self: &Arc<Self>, last: Last) -> Result<(), Win32> {
        let state = self.turn()?;
        self.finish_early_in(state, last);
        // The body has ended with the answer: an operation that reads it learns that.
        self.wake(self.lock());
        Ok(())
    }

    /// Closes the client's connection at once (code 1017): an operation ends with 64, an answer that is not whole is
    /// cut.
    ///
    /// # Errors
    /// 87 after the end of the session.
    pub fn close(self: &Arc<Self>) -> Result<(), Win32> {
        const CUT: Ending = Ending::Cut("the extension closed the connection");
        let mut state = self.open()?;
        if state.answer == Answer::Open && !state.sending && state.response.has_started() {
            self.finish_early_in(state, Last::Disconnect);
            state = self.lock();
        }
        (state.closed, state.gone) = (true, true);
        state.body.cut();
        self.changed.ring();
        if state.answer != Answer::Over {
            // Whoever is sending stops, and says so when he yields.
            state.answer = Answer::Ending(CUT);
            if !state.sending {
                self.conclude(state, CUT);
                state = self.lock();
            }
        }
        self.wake(state);
        Ok(())
    }

    pub(super) fn finish_early_in(&self, mut state: MutexGuard<'_, State>, last: Last) {
        state.closed |= last == Last::Disconnect;
        if state.answer == Answer::Open {
            self.finish(state, HSE_STATUS_SUCCESS, 200);
        }
    }

    /// Sends what has gathered before a thread waits for the body. An operation that is sending does so anyway.
    pub(super) fn flush(self: &Arc<Self>) -> Result<(), Win32> {
        let state = self.lock();
        if state.gathered.is_empty() || !state.life.is_open() || state.life.has_operation() {
            return Ok(());
        }
        match self.send(self.wait_turn(state), &[]) {
            // A client that has gone may still have sent a body that is worth reading.
            Err(Win32(WSAECONNRESET)) => Ok(()),
            other => other,
        }
    }

    pub(super) fn respond_in<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        call: impl FnOnce(&mut Response, &mut Vec<u8>) -> Result<(), Refused>,
    ) -> Result<(), Win32> {
        let State {
            response, gathered, ..
        } = &mut *state;
        call(response, gathered).map_err(|_| Win32(ERROR_INVALID_PARAMETER))?;
        state.stale = false;
        if state.gathered.len() >= GATHER || state.unbuffered || state.life.is_pending() {
            self.send(state, &[])
        } else {
            Ok(())
        }
    }

    /// Ends the answer: at once if credit allows, otherwise the completion threads do when there is credit.
    pub(super) fn finish<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        status: u32,
        http_status: u32,
    ) {
        let State {
            response, gathered, ..
        } = &mut *state;
        let ending = response.finish(status, http_status, gathered);
        state.answer = Answer::Ending(ending);
        if state.gone || state.fits() {
            self.conclude(state, ending);
        } else {
            drop(self.carry_on(state));
        }
    }

    /// Hands what has gathered, and then `more`, to the link, and waits for credit where it is needed. What may wait for the
    /// rest of the body joins what has gathered, and so do a few bytes over whole pieces.
    pub(super) fn send<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        mut more: &[u8],
    ) -> Result<(), Win32> {
        if state.holds_back(more.len()) {
            state.gathered.extend_from_slice(more);
            state.backlog = true;
            return Ok(());
        }
        state.overflows = true;
        state.sending = true;
        let over = state.over(more.len());
        let over = more.split_off(more.len() - over..).unwrap_or_default();
        let mut gathered = std::mem::take(&mut state.gathered);
        // What has room with it leaves in the same write.
        let first = gathered.len();
        if first > 0 && !more.is_empty() {
            // A head is no part of a piece.
            let head = if state.begun { 0 } else { first };
            let body = first - head + more.len();
            let mut allowed = state.allowed(head, body);
            while allowed == 0 && state.begun && !state.gone {
                state = self.wait(state);
                allowed = state.allowed(head, body);
            }
            if head + allowed > first && !state.gone {
                let (now, later) = more.split_at(head + allowed - first);
                let before = match state.begun {
                    true => Before::Body(&gathered),
                    false => Before::Head(&gathered),
                };
                let count = head + allowed;
                state = self.pass(state, count, |link, id| link.send_behind(id, before, now));
                gathered.clear();
                more = later;
            }
        }
        for part in [&gathered[..], more] {
            state = self
                .hand_over(state, Stream::Stdout, part, Patience::Wait)
                .0;
        }
        gathered.clear();
        state.gathered = gathered;
        let gone = state.gone;
        state = self.yield_turn(state);
        if state.answer == Answer::Open {
            state.gathered.extend_from_slice(over);
            state.stale = false;
        }
        drop(state);
        if gone {
            Err(Win32(WSAECONNRESET))
        } else {
            Ok(())
        }
    }

    /// Sends of what has gathered as much as credit allows. Nobody waits for the rest, which is sent when credit comes.
    pub(super) fn carry_on<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> MutexGuard<'a, State> {
        state.sending = true;
        state = self.drain(state);
        self.yield_turn(state)
    }

    /// The same for who has the turn and keeps it.
    pub(super) fn drain<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let mut gathered = std::mem::take(&mut state.gathered);
        let (mut state, count) = self.hand_over(state, Stream::Stdout, &gathered, Patience::None);
        if state.gone {
            gathered.clear();
        } else {
            gathered.drain(..count);
        }
        state.gathered = gathered;
        state
    }

    /// Hands bytes to the link as credit allows; the caller has the turn. Returns how many: all, unless the client has
    /// gone or credit is out and there is no patience.
    pub(super) fn hand_over<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        stream: Stream,
        bytes: &[u8],
        patience: Patience,
    ) -> (MutexGuard<'a, State>, usize) {
        let (mut done, mut tried_out) = (0, 0);
        while done < bytes.len() && !state.gone {
            let left = &bytes[done..];
            let allowed = match patience {
                Patience::Wait => state.allowed(0, left.len()),
                Patience::None => state.room().min(left.len()),
            };
            match (allowed, patience) {
                (0, Patience::None) => break,
                (0, Patience::Wait) => {
                    if tried_out <= done {
                        tried_out = done + Output::try_out(left);
                    }
                    let now = &bytes[done..tried_out];
                    let (next, count) = self.output.lend(now, || self.wait(state));
                    state = next;
                    done += count;
                }
                _ => {
                    state = self.pass(state, allowed, |link, id| {
                        link.send(id, stream, &left[..allowed])
                    });
                    done += allowed;
                }
            }
        }
        (state, done)
    }

    /// Has `send` hand so many bytes to the link, which credit allows.
    fn pass<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        count: usize,
        send: impl FnOnce(&dyn Link, u16) -> Result<(), Gone>,
    ) -> MutexGuard<'a, State> {
        if let Some(credit) = &mut state.credit {
            credit.stdout.take(count);
        }
        (state.begun, state.body_first) = (true, false);
        drop(state);
        let result = send(&*self.link, self.id);
        state = self.lock();
        state.gone |= result.is_err();
        state
    }

    /// Lets others send. If the answer has ended and nothing of it is left, tells the link.
    pub(super) fn yield_turn<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> MutexGuard<'a, State> {
        state.sending = false;
        state.backlog = !state.gathered.is_empty();
        self.changed.ring();
        match state.answer {
            Answer::Ending(ending) if state.gone || !state.backlog => {
                self.conclude(state, ending);
                self.lock()
            }
            _ => state,
        }
    }

    /// Sends what is left of the answer and its end.
    pub(super) fn conclude(&self, mut state: MutexGuard<'_, State>, ending: Ending) {
        state.answer = Answer::Over;
        state.backlog = false;
        state.body.cut();
        let end = End {
            last: std::mem::take(&mut state.gathered),
            ending,
            log: std::mem::take(&mut state.log),
            gone: state.gone,
        };
        if state.telling > 0 {
            state.end = Some(end);
            return self.changed.ring();
        }
        drop(state);
        self.changed.ring();
        self.tell(end);
    }

    /// Tells the link the end.
    pub(super) fn tell(&self, end: End) {
        let End {
            mut last,
            ending,
            log,
            gone,
        } = end;
        if gone {
            last.clear();
        } else if let Ending::Cut(reason) | Ending::Failed(reason) = ending {
            self.link.report(self.id, reason);
        }
        self.link.finish(self.id, &last, ending, &log);
        if last.capacity() <= SPARE_KEPT {
            last.clear();
            // The thread may be ending.
            let _ = SPARE.try_with(|spare| spare.set(last));
        }
    }
}

/// Capacity of a spare buffer at most, bytes.
const SPARE_KEPT: usize = 4 * 1024;

thread_local! {
    /// An empty buffer that an answer has left behind: mostly the same thread takes in the next request.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer for output.
pub(super) fn buffer() -> Vec<u8> {
    SPARE.try_with(Cell::take).unwrap_or_default()
}

/// Whether a thread waits for credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until there is some, or the client has gone.
    Wait,
    /// Not at all.
    None,
}
