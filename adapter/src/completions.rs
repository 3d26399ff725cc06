//! The threads that call completion functions (ISAPI.md §4.3, §7.3). They are others than those that run
//! `HttpExtensionProc`, so that calls which block there cannot hold up what they wait for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::bell::Bell;
use crate::crash;
use crate::log;
use crate::os;
use crate::session::Session;
use crate::threads::STACK;

/// Threads for completion functions. The first one starts when it is needed, further ones when requests wait and none is
/// idle. They stay.
pub struct Completions {
    limit: usize,
    state: Mutex<State>,
    /// A request waits.
    work: Bell,
}

#[derive(Default)]
struct State {
    /// Requests that can be carried on, each at most once.
    waiting: VecDeque<Arc<Session>>,
    idle: usize,
    /// Whether each thread is busy, by its number.
    busy: Vec<bool>,
    handles: Vec<JoinHandle<()>>,
}

impl Completions {
    /// At most `limit` threads.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.max(1),
            state: Mutex::default(),
            work: Bell::default(),
        })
    }

    /// Has a request carried on by [`Session::advance`].
    pub fn submit(self: &Arc<Self>, session: Arc<Session>) {
        let mut state = self.lock();
        state.waiting.push_back(session);
        if state.waiting.len() <= state.idle {
            drop(state);
            self.work.ring_one();
        } else if state.busy.len() < self.limit
            && let Err(error) = self.spawn(&mut state)
            && state.busy.is_empty()
        {
            // The next request tries again.
            log::line(format_args!(
                "cannot start a thread for completion functions: {error}"
            ));
        }
    }

    /// An extension that ends its thread takes the request with it.
    pub fn look_after_threads(&self) {
        let state = self.lock();
        for (number, (busy, handle)) in state.busy.iter().zip(&state.handles).enumerate() {
            if *busy {
                crash::check_thread(crash::COMPLETIONS + number, handle);
            }
        }
    }

    fn spawn(self: &Arc<Self>, state: &mut State) -> std::io::Result<()> {
        let number = state.busy.len();
        let shared = Arc::clone(self);
        let handle = Builder::new()
            .name(format!("completion-{number}"))
            .stack_size(STACK)
            .spawn(move || shared.run(number))?;
        state.busy.push(false);
        state.handles.push(handle);
        Ok(())
    }

    fn run(&self, number: usize) {
        os::prepare_thread();
        // Behind those of the threads that run `HttpExtensionProc`.
        let note = crash::COMPLETIONS + number;
        crash::watch_thread(note);
        let mut state = self.lock();
        loop {
            let Some(session) = state.waiting.pop_front() else {
                state.idle += 1;
                state = self.work.wait(state);
                state.idle -= 1;
                continue;
            };
            state.busy[number] = true;
            drop(state);
            let variables = session.variables();
            crash::request_begins(
                note,
                session.name(),
                variables.param("REQUEST_METHOD"),
                variables.url_path(),
            );
            session.advance();
            crash::request_ends(note);
            drop(session);
            state = self.lock();
            state.busy[number] = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
