//! The threads that run `HttpExtensionProc`, and the one that looks after slow writers (ISAPI.md §7.3).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::bell::Bell;
use crate::completions::Completions;
use crate::crash;
use crate::ecb;
use crate::extension::Extension;
use crate::os;
use crate::session::Session;

/// Threads at most, as many as IIS's PoolThreadLimit (ISAPI.md §7.3).
pub const MOST_THREADS: usize = 256;

/// Stack of a thread, bytes. At least 1 MB (ISAPI.md §7.3); only what is used takes memory.
pub const STACK: usize = 2 * 1024 * 1024;

/// How often the output of running requests is looked at: what has waited for a whole tick is sent (ISAPI.md §6.5).
const TICK: Duration = Duration::from_millis(50);

/// How long a request may wait for a thread that is at work before another one is woken.
pub const PATIENCE: Duration = Duration::from_micros(200);

/// How often running threads are looked at: whether they are still there.
const LOOK: Duration = Duration::from_secs(1);

/// A pool of threads that grows with need.
pub struct Threads {
    extension: Arc<Extension>,
    limit: usize,
    completions: Arc<Completions>,
    state: Mutex<State>,
    /// A request waits, or the end has come.
    work: Bell,
    /// A request is over.
    quiet: Bell,
    ticker: OnceLock<Thread>,
    ticker_sleeps: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Requests that no thread has taken, and since when.
    waiting: VecDeque<(Instant, Arc<Session>)>,
    idle: usize,
    /// Threads that were woken last because requests still waited.
    help: usize,
    /// What each thread is running: index is the thread's number.
    running: Vec<Option<Arc<Session>>>,
    /// The threads themselves.
    handles: Vec<JoinHandle<()>>,
}

impl State {
    fn add(&mut self, sessions: &mut Vec<Arc<Session>>) {
        let now = Instant::now();
        self.waiting
            .extend(sessions.drain(..).map(|session| (now, session)));
    }

    fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.running.iter().all(Option::is_none)
    }
}

impl Threads {
    /// A pool of at most `limit` threads for this extension.
    ///
    /// # Errors
    /// When the first threads cannot be started.
    pub fn start(extension: Arc<Extension>, limit: usize) -> std::io::Result<Arc<Self>> {
        let threads = Arc::new(Self {
            extension,
            limit: limit.max(1),
            completions: Completions::new(limit),
            state: Mutex::default(),
            work: Bell::default(),
            quiet: Bell::default(),
            ticker: OnceLock::new(),
            ticker_sleeps: AtomicBool::new(false),
        });
        let shared = Arc::clone(&threads);
        let ticker = Builder::new()
            .name("ticker".into())
            .spawn(move || shared.tick())?;
        // Set once, here.
        let _ = threads.ticker.set(ticker.thread().clone());
        threads.spawn(&mut threads.lock())?;
        Ok(threads)
    }

    /// Threads at most.
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

    /// Hands requests over to be run at once: threads that wait take them, and more are started if there may be more.
    pub fn submit(self: &Arc<Self>, sessions: &mut Vec<Arc<Session>>) {
        if !sessions.is_empty() {
            let mut state = self.lock();
            state.add(sessions);
            self.wake(state, usize::MAX);
        }
    }

    /// Hands requests over to a thread that is at work anyway and comes back for them, if there is one: most requests
    /// take less time than it takes to wake a thread. As long as this returns true, requests may be waiting for one
    /// that is held up: the caller must come back within [`PATIENCE`], with or without further requests.
    pub fn submit_to_running(self: &Arc<Self>, sessions: &mut Vec<Arc<Session>>) -> bool {
        let mut state = self.lock();
        state.add(sessions);
        let Some((since, _)) = state.waiting.front() else {
            state.help = 0;
            return false;
        };
        if !os::CAN_WATCH {
            self.wake(state, usize::MAX);
        } else if state.running.iter().all(Option::is_none) {
            // The one that is woken has nothing else to do: only what comes behind may have to wait for it.
            let behind = state.waiting.len() > 1;
            self.wake(state, 1);
            return behind;
        } else if since.elapsed() >= PATIENCE {
            // Twice as many each time, or a hundred slow requests would start one after the other.
            state.help = (state.help * 2).clamp(1, self.limit);
            let help = state.help;
            self.wake(state, help);
        }
        os::CAN_WATCH
    }

    /// Wakes or starts threads for waiting requests, so many at most.
    fn wake(self: &Arc<Self>, mut state: MutexGuard<'_, State>, most: usize) {
        let wanted = state.waiting.len().min(most);
        let wake = wanted.min(state.idle);
        for _ in wake..wanted {
            if state.running.len() == self.limit || self.spawn(&mut state).is_err() {
                break;
            }
        }
        drop(state);
        for _ in 0..wake {
            self.work.ring_one();
        }
        if self.ticker_sleeps.load(Ordering::Relaxed)
            && let Some(ticker) = self.ticker.get()
        {
            ticker.unpark();
        }
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
        let mut state = self.lock();
        loop {
            let Some((_, session)) = state.waiting.pop_front() else {
                if state.is_quiet() {
                    self.quiet.ring();
                }
                state.idle += 1;
                state = self.work.wait(state);
                state.idle -= 1;
                continue;
            };
            state.running[number] = Some(Arc::clone(&session));
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
            drop(session);
            state = self.lock();
            state.running[number] = None;
        }
    }

    /// Sees to it that what a slow extension has written does not wait for more.
    fn tick(&self) {
        let mut running = Vec::new();
        let mut looked = Instant::now();
        loop {
            if looked.elapsed() > LOOK {
                self.look_after_threads();
                looked = Instant::now();
            }
            running.extend(self.lock().running.iter().flatten().cloned());
            if running.is_empty() {
                self.ticker_sleeps.store(true, Ordering::Relaxed);
                // A request that comes between the look and the sleep unparks, or is seen a tick later.
                std::thread::park_timeout(Duration::from_secs(1));
                self.ticker_sleeps.store(false, Ordering::Relaxed);
            }
            for session in running.drain(..) {
                session.tick();
            }
            std::thread::sleep(TICK);
        }
    }

    /// An extension that ends its thread takes the request with it.
    fn look_after_threads(&self) {
        let state = self.lock();
        let threads = state.running.iter().zip(&state.handles).enumerate();
        for (number, (session, handle)) in threads {
            if session.is_some() {
                crash::check_thread(number, handle);
            }
        }
        drop(state);
        self.completions.look_after_threads();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
