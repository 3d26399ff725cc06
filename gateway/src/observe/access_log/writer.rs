//! The thread that writes the lines, and the buffer that they wait in.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config;

/// How long the writer waits before it tries again to write what could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// What the threads of the requests and the writer share.
#[derive(Debug)]
pub struct Shared {
    /// Most bytes that wait.
    limit: usize,
    /// Lines that were dropped so far.
    lost: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) lines: Vec<u8>,
    /// Lines for which there was no room.
    pub(super) dropped: u64,
    reopen: bool,
    stop: bool,
}

impl Shared {
    /// A buffer for so many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            lost: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Adds a line, or counts it as dropped.
    pub fn add(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.lines.len() + line.len() > self.limit {
            state.dropped += 1;
            self.lost.fetch_add(1, Relaxed);
            return;
        }
        let before = state.lines.len();
        state.lines.extend_from_slice(line);
        // To wake a thread costs more than the line: the first one does, and the one that makes it urgent.
        let is_urgent = before < self.urgent() && state.lines.len() >= self.urgent();
        drop(state);
        if before == 0 || is_urgent {
            self.changed.notify_one();
        }
    }

    /// Lines that were dropped so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Has the writer open the file again under its name, when everything so far has been written to the old one.
    pub fn reopen(&self) {
        self.order(|state| state.reopen = true);
    }

    /// Has the writer end when it has written what there is.
    pub fn stop(&self) {
        self.order(|state| state.stop = true);
    }

    fn order(&self, order: impl FnOnce(&mut State)) {
        order(&mut self.lock());
        self.changed.notify_one();
    }

    /// Waits until there is something to do: for lines, and then until they are many or `gather` is over.
    pub(super) fn next(&self, gather: Duration) -> State {
        let is_idle = |state: &mut State| state.lines.is_empty() && !state.is_order();
        let state = self.changed.wait_while(self.lock(), is_idle);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let may_wait = |state: &mut State| state.lines.len() < self.urgent() && !state.is_order();
        let waited = self.changed.wait_timeout_while(state, gather, may_wait);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *state)
    }

    /// Waits until it is time to try again what has failed.
    fn retry(&self) -> State {
        let may_wait = |state: &mut State| !state.is_order();
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), RETRY, may_wait);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        State {
            // They go on waiting, so that there are never more than the limit.
            lines: Vec::new(),
            dropped: std::mem::take(&mut state.dropped),
            reopen: std::mem::take(&mut state.reopen),
            stop: state.stop,
        }
    }

    fn urgent(&self) -> usize {
        self.limit / 2
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_order(&self) -> bool {
        self.reopen || self.stop
    }
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    /// Ends when the thread does.
    done: Receiver<()>,
}

impl Writer {
    /// Opens the file of the configuration and starts. `preamble` comes before the first line: a log that is not used
    /// after all leaves nothing in the file.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub fn start(
        config: &config::AccessLog,
        preamble: fn() -> String,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let (alive, done) = channel();
        let thread = Thread {
            output: open(&config.file)?,
            path: config.file.clone(),
            gather: config.flush_interval,
            preamble,
            is_begun: false,
            pending: Vec::new(),
            failing: false,
            shared: Arc::clone(&shared),
            _alive: alive,
        };
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || thread.run())?;
        Ok(Self { shared, done })
    }

    /// Whether the last line has been written.
    pub fn has_ended(&self) -> bool {
        matches!(self.done.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Waits until the last line has been written, but no longer than `limit` for those who may still add one. Returns
    /// whether they left in time.
    pub fn finish(self, limit: Duration) -> bool {
        let has_ended = || self.done.recv_timeout(limit) == Err(RecvTimeoutError::Disconnected);
        let left = has_ended();
        if !left {
            self.shared.stop();
            // A file that takes nothing any more must not keep the gateway from ending.
            has_ended();
        }
        left
    }
}

struct Thread {
    output: File,
    path: PathBuf,
    gather: Duration,
    preamble: fn() -> String,
    /// The preamble has been written.
    is_begun: bool,
    /// What could not be written yet.
    pending: Vec<u8>,
    /// That has been said.
    failing: bool,
    shared: Arc<Shared>,
    _alive: Sender<()>,
}

impl Thread {
    fn run(mut self) {
        loop {
            let order = match self.pending.is_empty() {
                true => self.shared.next(self.gather),
                false => self.shared.retry(),
            };
            self.take(&order.lines);
            self.write();
            if order.dropped > 0 {
                let (path, dropped) = (self.path.display(), order.dropped);
                tracing::error!(
                    "{dropped} lines of the access log {path} were lost: it is not written fast enough"
                );
            }
            if order.reopen {
                self.reopen();
            }
            if order.stop {
                return self.end();
            }
        }
    }

    fn take(&mut self, lines: &[u8]) {
        if !lines.is_empty() && !std::mem::replace(&mut self.is_begun, true) {
            self.pending.extend((self.preamble)().into_bytes());
        }
        self.pending.extend_from_slice(lines);
    }

    /// Writes what can be written; the rest stays pending.
    fn write(&mut self) {
        let mut written = 0;
        let mut result = Ok(());
        while written < self.pending.len() && result.is_ok() {
            match self.output.write(&self.pending[written..]) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => result = Err(error),
            }
        }
        self.pending.drain(..written);
        let path = self.path.display();
        match result {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!(
                    "the access log {path} cannot be written ({error}); lines wait until it can"
                );
            }
            Err(_) => {}
        }
    }

    fn reopen(&mut self) {
        let path = self.path.display();
        match open(&self.path) {
            Ok(output) => {
                tracing::info!("the access log {path} has been opened again");
                self.output = output;
                // What the old file did not take goes to the new one.
                let preamble = (self.preamble)();
                self.pending.splice(..0, preamble.into_bytes());
                self.is_begun = true;
                self.write();
            }
            Err(error) => {
                tracing::error!(
                    "the access log {path} cannot be opened again ({error}); lines go to the old file"
                );
            }
        }
    }

    fn end(mut self) {
        // Lines that have waited for those before them.
        let left = std::mem::take(&mut *self.shared.lock());
        self.take(&left.lines);
        self.write();
        if !self.pending.is_empty() {
            let (path, left) = (self.path.display(), self.pending.len());
            tracing::error!("{left} bytes of the access log {path} could not be written");
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}
