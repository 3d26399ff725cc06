//! The sending side of a connection. Whoever has something to send appends it; one of them writes, for all, everything
//! that has gathered by then: under load many answers leave in one system call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bell::Bell;
use crate::link::Gone;
use crate::os::Transport;

/// Bytes on their way out. Their number is bounded by the credit of the requests, or by [`Wait::Written`].
pub struct Outgoing {
    transport: Arc<dyn Transport>,
    state: Mutex<State>,
    written: Bell,
}

/// Whether a sender waits until its bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// No: credit bounds what gathers.
    No,
    /// Yes: there is no credit on this connection.
    Written,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    /// An empty buffer to swap with, so that none is allocated for each write.
    spare: Vec<u8>,
    /// Somebody is writing.
    writing: bool,
    /// Bytes appended and written since the start.
    appended: u64,
    done: u64,
    broken: bool,
}

impl Outgoing {
    /// Sends over `transport`.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            state: Mutex::default(),
            written: Bell::default(),
        }
    }

    /// Appends what `fill` writes, and sees to it that it is written.
    ///
    /// # Errors
    /// When the other end does not read any more.
    pub fn send(&self, wait: Wait, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), Gone> {
        let mut state = self.lock();
        let before = state.pending.len();
        fill(&mut state.pending);
        state.appended += (state.pending.len() - before) as u64;
        let mine = state.appended;
        if state.writing {
            while wait == Wait::Written && state.done < mine && !state.broken {
                state = self.written.wait(state);
            }
        } else {
            state = self.write_pending(state);
        }
        if state.broken { Err(Gone) } else { Ok(()) }
    }

    /// Whether a few kilobytes would be written at once.
    pub fn is_ready(&self) -> bool {
        !self.lock().writing && self.transport.is_writable()
    }

    /// Says to the other end that nothing more comes.
    pub fn close(&self) {
        self.transport.finish();
    }

    fn write_pending<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.writing = true;
        while !state.pending.is_empty() && !state.broken {
            let spare = std::mem::take(&mut state.spare);
            let mut batch = std::mem::replace(&mut state.pending, spare);
            drop(state);
            let result = self.transport.write_all(&batch);
            state = self.lock();
            state.done += batch.len() as u64;
            state.broken |= result.is_err();
            batch.clear();
            batch.shrink_to(BATCH_KEPT);
            state.spare = batch;
            self.written.ring();
        }
        if state.broken {
            state.pending = Vec::new();
            state.done = state.appended;
        }
        state.writing = false;
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Capacity that a buffer keeps between writes, bytes.
const BATCH_KEPT: usize = 256 * 1024;
