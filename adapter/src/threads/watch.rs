//! The watch: a thread that sees to it that nothing waits for a thread that is held up.

use std::time::{Duration, Instant};

use super::*;

/// How long a request may wait for a thread that is at work before another one is woken, about.
pub(super) const PATIENCE: Duration = Duration::from_micros(200);

/// How long it is between two looks at most while requests come and go, and nobody was at work at the last look.
const LONGEST: Duration = PATIENCE.saturating_mul(4);

/// Looks without anything to be seen until the watch rests.
const CALM: u32 = 3;

/// How often the output of running requests is looked at: what has waited for a whole tick is sent (ISAPI.md §6.5).
const TICK: Duration = Duration::from_millis(50);

/// How often running threads are looked at: whether they are still there. The longest rest.
const LOOK: Duration = Duration::from_secs(1);

impl Threads {
    pub(super) fn watch(self: Arc<Self>) {
        let mut running = Vec::new();
        let (mut ticked, mut looked) = (Instant::now(), Instant::now());
        let (mut calm, mut pace) = (0, PATIENCE);
        loop {
            let now = Instant::now();
            let mut state = self.lock();
            let look = state.look(self.limit);
            for index in &look.held_up {
                self.release_reader(&mut state, *index);
            }
            calm = if look.busy { 0 } else { calm + 1 };
            pace = match look.busy && !state.is_held_up() {
                true => LONGEST.min(pace * 2),
                false => PATIENCE,
            };
            let (watch, rest) = match (calm < CALM, state.inside) {
                (true, _) => (Watch::Looks, pace),
                (false, 0) => (Watch::Rests, LOOK),
                (false, _) => (Watch::Rests, TICK),
            };
            state.watch = watch;
            if now - ticked >= TICK {
                running.extend(state.running.iter().flatten().cloned());
                ticked = now;
            }
            if look.help > 0 || !state.unread.is_empty() {
                self.wake(state, look.help);
            } else {
                drop(state);
            }
            for session in running.drain(..) {
                session.tick();
            }
            if now - looked >= LOOK {
                self.look_after_threads();
                looked = now;
            }
            self.alarm.wait(rest);
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
}
