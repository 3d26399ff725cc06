//! What the front does to a request: body, credit, the client's end.

use std::sync::{Arc, MutexGuard};

use fastcgi_protocol::{ExecStatus, ProtocolError};

use super::{Answer, Session, State};
use crate::life::Event;
use crate::link::Stream;
use crate::threads::MOMENT;

impl Session {
    /// Bytes of the body have come. Returns whether the extension can be called now for the first time.
    ///
    /// # Errors
    /// When the front sends more than it was granted.
    pub fn push_body(self: &Arc<Self>, bytes: &[u8]) -> Result<bool, ProtocolError> {
        let mut state = self.lock();
        if let Some(credit) = &mut state.credit {
            credit.stdin.received(bytes.len())?;
        }
        let mut fills = false;
        let waiting = if state.takes_body() {
            state.body.push(bytes, |bytes| match self.room.put(bytes) {
                Some(put) => {
                    fills = !put.is_full;
                    put.count
                }
                None => 0,
            })
        } else {
            0
        };
        if fills && !state.body.has_ended() {
            // Who waits with that buffer need not know yet.
            state.reading = None;
        } else {
            self.tell_of_news(&mut state);
        }
        let ready = state.becomes_ready();
        let state = self.consumed(state, bytes.len() - waiting);
        self.wake(state);
        Ok(ready)
    }

    /// The body is over. Returns whether the extension can be called now for the first time.
    pub fn end_body(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        state.body.end();
        self.tell_of_news(&mut state);
        let ready = state.becomes_ready();
        self.wake(state);
        ready
    }

    /// Whether the extension can be called at once, before any of the body has come. Says so once.
    pub fn becomes_ready(&self) -> bool {
        self.lock().becomes_ready()
    }

    /// Whether more bytes of the body wait for the extension, which may still take them.
    pub fn holds_more_than(&self, limit: usize) -> bool {
        let state = self.lock();
        state.body.holds_more_than(limit) && state.takes_body()
    }

    /// Blocks a reader without flow control until the body has room again.
    pub fn wait_for_room(&self) {
        let state = self.lock();
        let full = |state: &mut State| state.body.is_full() && state.takes_body();
        drop(self.changed.wait_while(state, full));
    }

    /// The front lets us send so many more bytes.
    ///
    /// # Errors
    /// When credit exceeds what a window can hold.
    pub fn add_credit(self: &Arc<Self>, bytes: u32) -> Result<(), ProtocolError> {
        let mut state = self.lock();
        if let Some(credit) = &mut state.credit {
            credit.stdout.add(bytes)?;
        }
        let (mut state, lasts) = self.send_lent(state);
        if lasts {
            state.reading = None;
        } else {
            self.tell_of_news(&mut state);
        }
        self.wake(state);
        Ok(())
    }

    /// Sends what credit allows of what a thread waits to send. Returns whether it has to wait for more credit.
    fn send_lent<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        let output = self.output.held().filter(|_| !state.gone);
        let Some(mut output) = output else {
            return (state, false);
        };
        let count = state.allowed(0, output.rest().len());
        if count == 0 {
            return (state, true);
        }
        if let Some(credit) = &mut state.credit {
            credit.stdout.take(count);
        }
        state.begun = true;
        drop(state);
        let result = self
            .link
            .send(self.id, Stream::Stdout, &output.rest()[..count]);
        output.take(count);
        let is_over = output.rest().is_empty() || result.is_err();
        // Who has lent it waits for it with the state locked.
        drop(output);
        let mut state = self.lock();
        state.gone |= result.is_err();
        (state, !is_over)
    }

    /// The child request that this request has asked for is over.
    pub fn child_over(self: &Arc<Self>, status: ExecStatus) {
        let mut state = self.lock();
        state.child.get_or_insert(status);
        self.tell_of_news(&mut state);
        self.wake(state);
    }

    /// The client has gone: reads and writes of the extension fail from now on. Returns whether the extension can be
    /// called now for the first time, so that it learns of it.
    pub fn abort(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        state.gone = true;
        state.body.cut();
        self.tell_of_news(&mut state);
        let ready = state.becomes_ready();
        self.wake(state);
        ready
    }

    /// Answers the request without the extension, which never sees it.
    pub fn refuse(&self, code: u16, reason: &'static str) {
        let mut state = self.lock();
        state.life.on(Event::Refused);
        state.answer = Answer::Over;
        let State {
            response, gathered, ..
        } = &mut *state;
        let ending = response.error_page(code, reason, gathered);
        let last = std::mem::take(gathered);
        drop(state);
        self.link.report(self.id, reason);
        self.link.finish(self.id, &last, ending, &[]);
    }

    /// What came by the connection may be what threads have waited for.
    fn tell_of_news(&self, state: &mut State) {
        state.reading = None;
        let since = state.expected.take();
        if since.is_some_and(|since| since.elapsed() < MOMENT) {
            self.link.leave();
        }
        self.changed.ring();
    }
}
