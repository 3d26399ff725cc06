//! The threads that run `HttpExtensionProc` (ISAPI.md §7.3), and read the gateway's connections.
//!
//! To wake a thread costs more than most requests. So a thread that has read requests from a connection runs them itself,
//! and meanwhile nobody reads there. If it is held up, the watch gives the connection to another thread, and what has not
//! been run yet to all. A thread that has to wait for what may come by its connection reads it meanwhile, and gives it away
//! itself when that takes long.

mod state;
mod watch;

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crate::bell::Bell;
use crate::completions::Completions;
use crate::crash;
use crate::ecb;
use crate::extension::Extension;
use crate::log;
use crate::os::{self, Place, ThreadId};
use crate::session::Session;
use state::{State, Turn, Watch};
use watch::PATIENCE;

/// Threads at most, as many as IIS's PoolThreadLimit (ISAPI.md §7.3).
pub const MOST_THREADS: usize = 256;

/// Connections of the gateway at most, each of which has a thread to read it.
pub const MOST_SOURCES: usize = 256;

/// Stack of a thread, bytes. At least 1 MB (ISAPI.md §7.3); only what is used takes memory.
pub const STACK: usize = 2 * 1024 * 1024;

/// How long a thread that waits for something reads its connection itself. Other threads of the extension may end its
/// waiting, too, which it notices only then.
pub const MOMENT: Duration = Duration::from_millis(10);

thread_local! {
    /// When this thread has stopped reading which connection, to run what has come.
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };

    /// Whether this thread runs requests here, and so may read.
    static IS_OURS: Cell<bool> = const { Cell::new(false) };

    /// Whether it has waited for what another thread has read, which may have left it the connection.
    static MAY_INHERIT: Cell<bool> = const { Cell::new(false) };
}

/// A connection that brings requests.
pub trait Source: Send + Sync {
    /// Waits for something to read, and takes it in. Requests that the extension can be called for now go to `ready`.
    /// `false` at the end of the connection.
    fn read(&self, ready: &mut Vec<Arc<Session>>) -> bool;

    /// Answers may be held back until [`Self::release`]: for as long as it takes to run what has been read, unless that
    /// takes long.
    fn hold(&self);

    /// Sends what was held back.
    fn release(&self);

    /// Waits until there is something to read, but no longer than `limit`. Returns whether there is; `false` also where
    /// that cannot be told.
    fn wait(&self, _limit: Duration) -> bool {
        false
    }

    /// Whether the last read has brought what one of the threads has waited for, not long: that one is to read from now
    /// on, or two threads would have to wake each time.
    fn is_left(&self) -> bool {
        false
    }
}

/// A pool of threads that grows with need.
pub struct Threads {
    extension: Arc<Extension>,
    limit: usize,
    completions: Arc<Completions>,
    state: Mutex<State>,
    /// A request or a connection waits for a thread.
    work: Bell,
    /// A request is over.
    quiet: Bell,
    /// Wakes the thread that watches over the others.
    alarm: os::Alarm,
    /// The last thread that was wanted could not be started, which has been told.
    cannot_spawn: AtomicBool,
    /// Where threads may run that read no connection.
    everywhere: Place,
}

impl Threads {
    /// A pool that runs at most `limit` requests at a time, for this extension.
    ///
    /// # Errors
    /// When the first threads cannot be started.
    pub fn start(extension: Arc<Extension>, limit: usize) -> std::io::Result<Arc<Self>> {
        let threads = Arc::new(Self {
            extension,
            limit: limit.clamp(1, MOST_THREADS),
            completions: Completions::new(limit),
            state: Mutex::default(),
            work: Bell::default(),
            quiet: Bell::default(),
            cannot_spawn: AtomicBool::new(false),
            alarm: os::Alarm::new()?,
            everywhere: Place::everywhere(),
        });
        let shared = Arc::clone(&threads);
        Builder::new()
            .name("watch".into())
            .spawn(move || shared.watch())?;
        threads.spawn(&mut threads.lock())?;
        Ok(threads)
    }

    /// Requests that run at a time, at most.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The extension that they run.
    pub fn extension(&self) -> &Extension {
        &self.extension
    }

    /// Has a request's operation carried on.
    pub fn resume(&self, session: Arc<Session>) {
        self.completions.submit(session);
    }

    /// Has a connection read until its end, on that processor if one is given: by what is written there the reader is woken
    /// soonest. It runs there what is soon over; a thread that is held up may go elsewhere.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn attend_to(
        self: &Arc<Self>,
        source: Arc<dyn Source>,
        processor: Option<usize>,
    ) -> std::io::Result<()> {
        let mut state = self.lock();
        state.add_source(source, processor);
        self.spawn(&mut state)
    }

    /// Hands requests over to be run at once: threads that wait take them, and more are started if there may be more.
    pub fn submit(self: &Arc<Self>, sessions: &mut Vec<Arc<Session>>) {
        if !sessions.is_empty() {
            let mut state = self.lock();
            state.waiting.extend(sessions.drain(..));
            self.wake(state, usize::MAX);
        }
    }

    /// Whether the calling thread has stopped reading a connection, which nobody else reads as far as it knows, or has
    /// been left `own`.
    pub fn has_connection(&self, own: &dyn Source) -> bool {
        if TURN.get().is_none() && MAY_INHERIT.take() {
            let mut state = self.lock();
            let turn = state.inherit(own);
            if let Some(turn) = turn {
                self.bind_reader(&mut state, turn.station());
            }
            TURN.set(turn);
        }
        TURN.get().is_some()
    }

    /// The calling thread is about to wait for what another one reads. Returns whether that one may leave it the
    /// connection.
    pub fn expect(&self) -> bool {
        MAY_INHERIT.set(IS_OURS.get());
        IS_OURS.get()
    }

    /// The calling thread has to wait for something that may come by `own`. If that is the connection that it reads, it
    /// does that meanwhile. When nothing comes within `patience`, or a request for others, another thread reads from then
    /// on.
    pub fn read_on(self: &Arc<Self>, own: &dyn Source, patience: Duration) {
        let Some(turn) = TURN.take() else {
            return;
        };
        let mut state = self.lock();
        let Some(source) = state.source(turn) else {
            return;
        };
        if !std::ptr::addr_eq(Arc::as_ptr(&source), own) {
            state.hand_over(turn);
            self.release_reader(&mut state, turn.station());
            return self.wake(state, 1);
        }
        state.come_back(turn);
        match state.waiting.is_empty() {
            true => drop(state),
            false => self.wake(state, 1),
        }
        source.release();
        let mut ready = Vec::new();
        if patience.is_zero() || !source.wait(patience) {
            let mut state = self.lock();
            self.release_reader(&mut state, turn.station());
            state.unread.push_back(turn.station());
            return self.wake(state, 1);
        }
        let open = source.read(&mut ready);
        // It is not left: it stays here.
        source.is_left();
        let mut state = self.lock();
        if open && ready.is_empty() {
            TURN.set(Some(state.leave(turn.station(), &mut ready)));
            return self.wake(state, 0);
        }
        self.release_reader(&mut state, turn.station());
        state.waiting.extend(ready);
        if open {
            state.unread.push_back(turn.station());
        }
        self.wake(state, usize::MAX);
    }

    /// Waits until no request is waiting, running or pending. Returns whether that came true in time.
    pub fn wait_until_quiet(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while !state.is_quiet() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.quiet.wait_timeout(state, left).0;
        }
        drop(state);
        ecb::wait_until_none(deadline)
    }

    /// Wakes or starts threads for connections that nobody reads and for waiting requests, so many of these at most.
    fn wake(self: &Arc<Self>, mut state: MutexGuard<'_, State>, most: usize) {
        let room = self.limit.saturating_sub(state.inside);
        let wanted = state.unread.len() + state.waiting.len().min(room).min(most);
        let wake = wanted.min(state.idle);
        let mut spawned = None;
        for _ in wake..wanted {
            // All that may run, and all that may read meanwhile.
            let most = self.limit + state.stations.len();
            if state.running.len() >= most {
                break;
            }
            let result = self.spawn(&mut state);
            let failed = result.is_err();
            spawned = Some(result);
            if failed {
                break;
            }
        }
        self.rouse(&mut state);
        drop(state);
        for _ in 0..wake {
            self.work.ring_one();
        }
        if let Some(result) = spawned
            && let told = self.cannot_spawn.swap(result.is_err(), Relaxed)
            && let (Err(error), false) = (result, told)
        {
            log::line(format_args!(
                "no further thread can be started, requests wait for those that run: {error}"
            ));
        }
    }

    /// Has the watch look before long.
    fn rouse(&self, state: &mut State) {
        if state.watch == Watch::Rests {
            state.watch = Watch::Alarmed;
            self.alarm.set(PATIENCE);
        }
    }

    /// Spares the watch a look that would find nothing. Where requests follow each other closely, it looks by itself: to
    /// set an alarm for each would cost more.
    fn calm(&self, state: &mut State) {
        if state.watch == Watch::Alarmed
            && state.is_calm(Instant::now(), PATIENCE)
            && self.alarm.clear()
        {
            state.watch = Watch::Rests;
        }
    }

    fn spawn(self: &Arc<Self>, state: &mut State) -> std::io::Result<()> {
        let number = state.running.len();
        let shared = Arc::clone(self);
        let handle = Builder::new()
            .name(format!("extension-{number}"))
            .stack_size(STACK)
            .spawn(move || shared.run(number))?;
        state.running.push(None);
        state.handles.push(handle);
        Ok(())
    }

    fn run(&self, number: usize) {
        os::prepare_thread();
        crash::watch_thread(number);
        IS_OURS.set(true);
        let mut state = self.lock();
        loop {
            state = if let Some(index) = state.unread.pop_front() {
                self.attend(number, index, state)
            } else if let Some(session) = state.next(self.limit) {
                state = self.execute(number, session, state);
                match TURN.take() {
                    Some(turn) if state.come_back(turn) => {
                        self.attend(number, turn.station(), state)
                    }
                    _ => state,
                }
            } else {
                state.idle += 1;
                let mut state = self.work.wait(state);
                state.idle -= 1;
                state
            }
        }
    }

    /// Reads a connection and runs what it brings, until its end or until another thread has to read it.
    fn attend<'a>(
        &'a self,
        number: usize,
        mut index: usize,
        mut state: MutexGuard<'a, State>,
    ) -> MutexGuard<'a, State> {
        self.bind_reader(&mut state, index);
        let mut ready = Vec::new();
        // Whoever read it before may have left something.
        let mut holds = true;
        loop {
            let source = Arc::clone(&state.stations[index].source);
            let is_alarmed = state.watch == Watch::Alarmed;
            drop(state);
            if holds {
                source.release();
            }
            if is_alarmed {
                self.calm(&mut self.lock());
            }
            let open = source.read(&mut ready);
            let left = source.is_left();
            // What is alone need not wait for others.
            holds = open && ready.len() > 1;
            if holds {
                source.hold();
            }
            state = self.lock();
            if !open {
                self.release_reader(&mut state, index);
                return state;
            }
            if ready.is_empty() && left {
                state.leave_to_heir(index);
                self.release_reader(&mut state, index);
                self.rouse(&mut state);
                return state;
            }
            if ready.is_empty() {
                continue;
            }
            let turn = state.leave(index, &mut ready);
            self.rouse(&mut state);
            TURN.set(Some(turn));
            while let Some(session) = TURN.get().and_then(|turn| state.next_in(turn, self.limit)) {
                state = self.execute(number, session, state);
            }
            // By now it may be another connection.
            match TURN.take() {
                Some(turn) if state.come_back(turn) => {
                    holds |= index != turn.station();
                    index = turn.station();
                }
                _ => return state,
            }
        }
    }

    /// The calling thread reads this connection from now on.
    fn bind_reader(&self, state: &mut State, index: usize) {
        let station = &mut state.stations[index];
        if let Some(processor) = station.processor {
            let reader = ThreadId::own();
            Place::at(processor).take(reader);
            station.bound = Some(reader);
        }
    }

    /// The reader of this connection reads it no longer.
    fn release_reader(&self, state: &mut State, index: usize) {
        if let Some(reader) = state.stations[index].bound.take() {
            self.everywhere.take(reader);
        }
    }

    fn execute<'a>(
        &'a self,
        number: usize,
        session: Arc<Session>,
        mut state: MutexGuard<'a, State>,
    ) -> MutexGuard<'a, State> {
        state.running[number] = Some(Arc::clone(&session));
        state.inside += 1;
        drop(state);
        let variables = session.variables();
        crash::request_begins(
            number,
            session.name(),
            variables.param("REQUEST_METHOD"),
            variables.url_path(),
        );
        ecb::call(&self.extension, &session);
        crash::request_ends(number);
        // It may be left to this thread still.
        session.is_read_here();
        drop(session);
        let mut state = self.lock();
        state.running[number] = None;
        state.inside -= 1;
        if state.is_quiet() {
            self.quiet.ring();
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
