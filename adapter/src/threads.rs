//! The threads that run `HttpExtensionProc`, and the one that looks after slow writers (ISAPI.md §7.3).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::crash;
use crate::ecb;
use crate::extension::Extension;
use crate::os;
use crate::session::Session;

/// Stack of a thread, bytes. At least 1 MB (ISAPI.md §7.3); only what is used takes memory.
const STACK: usize = 2 * 1024 * 1024;

/// How often the output of running requests is looked at: what has waited for a whole tick is sent (ISAPI.md §6.5).
const TICK: Duration = Duration::from_millis(50);

/// How often running threads are looked at: whether they are still there.
const LOOK: Duration = Duration::from_secs(1);

/// A pool of threads that grows with need.
pub struct Threads {
    extension: Arc<Extension>,
    limit: usize,
    state: Mutex<State>,
    /// A request waits, or the end has come.
    work: Condvar,
    /// A request is over.
    quiet: Condvar,
    ticker: OnceLock<Thread>,
    ticker_sleeps: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<Session>>,
    idle: usize,
    /// What each thread is running: index is the thread's number.
    running: Vec<Option<Arc<Session>>>,
    /// The threads themselves.
    handles: Vec<JoinHandle<()>>,
}

impl State {
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
            state: Mutex::default(),
            work: Condvar::new(),
            quiet: Condvar::new(),
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

    /// Hands requests over. A thread that waits takes them; if all are busy and there may be more, one more is started.
    pub fn submit(self: &Arc<Self>, sessions: &mut Vec<Arc<Session>>) {
        if sessions.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.waiting.extend(sessions.drain(..));
        let waiting = state.waiting.len();
        let wake = waiting.min(state.idle);
        for _ in state.idle..waiting {
            if state.running.len() == self.limit || self.spawn(&mut state).is_err() {
                break;
            }
        }
        drop(state);
        for _ in 0..wake {
            self.work.notify_one();
        }
        if self.ticker_sleeps.load(Ordering::Relaxed)
            && let Some(ticker) = self.ticker.get()
        {
            ticker.unpark();
        }
    }

    /// Waits until no request is waiting or running. Returns whether that came true in time.
    pub fn wait_until_quiet(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while !state.is_quiet() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .quiet
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
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
            let Some(session) = state.waiting.pop_front() else {
                if state.is_quiet() {
                    self.quiet.notify_all();
                }
                state.idle += 1;
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            state.running[number] = Some(Arc::clone(&session));
            drop(state);
            let variables = session.variables();
            crash::request_begins(
                number,
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
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
