//! What the extension takes of a request's body.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use isapi_abi::error::{ERROR_INVALID_PARAMETER, ERROR_SEM_TIMEOUT, WSAECONNRESET};

use super::{Answer, Session, State, Win32};
use crate::body::Read;
use crate::ecb::Room;

/// A read that gets nothing fails after this time (ISAPI.md §3.3).
const READ_TIMEOUT: Duration = Duration::from_secs(60);

impl Session {
    /// ReadClient: fills the buffer, or as much of it as the body still has (ISAPI.md §3.3).
    ///
    /// # Errors
    /// 10054 when the body was cut short, 121 when nothing came in time, 87 after the end of the session and while an
    /// asynchronous read is outstanding.
    pub fn read(self: &Arc<Self>, buffer: &mut [u8]) -> Result<usize, Win32> {
        self.flush()?;
        let mut state = self.open()?;
        if state.operation.as_ref().is_some_and(|it| it.is_receive()) {
            return Err(Win32(ERROR_INVALID_PARAMETER));
        }
        state.body_read = true;
        let (mut filled, mut tried_out) = (0, 0);
        while filled < buffer.len() {
            match state.body.read(&mut buffer[filled..]) {
                Read::Bytes(count) => {
                    filled += count;
                    self.changed.ring();
                    state = self.consumed(state, count);
                }
                Read::End => break,
                Read::Wait if !state.life.is_open() => return Err(Win32(ERROR_INVALID_PARAMETER)),
                Read::Wait => {
                    if tried_out <= filled {
                        tried_out = filled + try_out(&state, &mut buffer[filled..]);
                    }
                    let (next, count, timed_out) =
                        self.wait_for_body(state, &mut buffer[filled..tried_out]);
                    state = next;
                    filled += count;
                    if timed_out && count == 0 && !state.body.has_news() {
                        return match filled {
                            0 => Err(Win32(ERROR_SEM_TIMEOUT)),
                            _ => Ok(filled),
                        };
                    }
                }
                Read::Short if filled > 0 => break,
                Read::Short => return Err(Win32(WSAECONNRESET)),
            }
        }
        Ok(filled)
    }

    /// Waits for more of the body, at most [`READ_TIMEOUT`] for what another thread reads, with this buffer lent to who reads
    /// it. Returns how many bytes are in it then, and whether the time is over.
    fn wait_for_body<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        buffer: &mut [u8],
    ) -> (MutexGuard<'a, State>, usize, bool) {
        let mut timed_out = false;
        let (state, count) = self.room.lend(buffer, || {
            if self.link.is_read_here() {
                return self.read_on(state);
            }
            self.expect(&mut state);
            (state, timed_out) = self.changed.wait_timeout(state, READ_TIMEOUT);
            state.expected = None;
            state
        });
        (state, count, timed_out)
    }

    /// The extension took bytes of the body: the front may send as many again. It is told without the lock: whoever
    /// sends may have to wait for a peer that does not read, and the connection's reader must not wait for us then. An
    /// end that comes meanwhile is told behind it, or the credit might be taken for the next request of that number.
    pub(super) fn consumed<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        count: usize,
    ) -> MutexGuard<'a, State> {
        let over = state.answer == Answer::Over;
        let credit = state.credit.as_mut().filter(|_| !over);
        let Some(bytes) = credit.and_then(|credit| credit.stdin.consumed(count)) else {
            return state;
        };
        state.telling += 1;
        drop(state);
        self.link.grant(self.id, bytes);
        self.told()
    }
}

/// How many bytes of this buffer are to be lent to who reads the body. It may be smaller than is said, if only the body
/// fits.
fn try_out(state: &State, buffer: &mut [u8]) -> usize {
    let left = state.body.remaining().map(usize::try_from);
    let left = left.and_then(Result::ok).unwrap_or(usize::MAX);
    let end = buffer.len().min(left);
    Room::try_out(&mut buffer[..end])
}
