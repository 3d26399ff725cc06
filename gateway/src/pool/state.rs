//! The pool as a pure state machine: which worker processes there should be, and what is to be done about it. No I/O
//! and no clock of its own; the supervisor feeds it events and carries its actions out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Names one worker process for the life of the pool; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// What the configuration says about the processes of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Workers that shall be ready.
    pub processes: usize,
    /// How long a worker may take to greet.
    pub startup_timeout: Duration,
    /// How long a worker that takes no new requests may take to finish.
    pub shutdown_timeout: Duration,
}

/// Why workers do not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether the extension's file does not exist (ISAPI.md §1.6: 404 instead of 500).
    pub missing: bool,
    /// In words for the operator.
    pub reason: String,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time has passed; also the first event of a pool.
    Tick,
    /// The worker has loaded the extension.
    Greeted(WorkerId),
    /// The worker could not be started or could not load the extension.
    StartFailed(WorkerId, Failure),
    /// The process has gone, and everything it said has been read.
    Exited(WorkerId, Failure),
    /// The worker must not take new requests any more: a request in it has run too long.
    Condemned(WorkerId),
    /// Nothing is left in a draining worker that is worth waiting for.
    Idle(WorkerId),
    /// The pool shall end; its workers may take `shutdown_timeout` for it, but no longer than this.
    Stop(Duration),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a worker process under this name.
    Spawn(WorkerId),
    /// Give the worker no new requests, and report [`Event::Idle`] when those in it have finished.
    Retire(WorkerId),
    /// Close the worker's connections: it terminates the extension and exits.
    Close(WorkerId),
    /// Kill the worker's process group.
    Kill(WorkerId, Cause),
}

/// Why a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// It said so itself.
    #[error("it could not load the extension")]
    NotLoaded,
    /// It did not greet within `startup_timeout`.
    #[error("it had not loaded the extension in time")]
    LateStart,
    /// Only requests that run too long were left in it.
    #[error("a request in it ran too long")]
    Stuck,
    /// It did not finish within `shutdown_timeout`.
    #[error("it had not finished in time")]
    LateStop,
    /// The pool stopped while it loaded the extension.
    #[error("the gateway is stopping")]
    Stopping,
}

/// The first delay after a start that failed …
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// … doubles with each further one up to this.
const LAST_DELAY: Duration = Duration::from_secs(30);

/// The state of one pool.
#[derive(Debug)]
pub struct State {
    limits: Limits,
    workers: BTreeMap<WorkerId, Phase>,
    next_id: u64,
    /// The last start failed so; cleared by a worker that greets.
    failure: Option<Failure>,
    /// Starts that failed one after the other.
    failures: u32,
    /// No start before this time.
    retry_at: Option<Instant>,
    stopping: bool,
}

/// The life of a worker, in order; each may be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting { deadline: Instant },
    Ready,
    Draining { deadline: Instant, then: Then },
    Closing { deadline: Instant },
    Killed,
}

/// What follows when a draining worker is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Close,
    Kill,
}

impl State {
    /// A pool without workers; its first event is [`Event::Tick`].
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            workers: BTreeMap::new(),
            next_id: 0,
            failure: None,
            failures: 0,
            retry_at: None,
            stopping: false,
        }
    }

    /// Takes an event that happened at `now` and says what to do, in this order.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.take(now, event, &mut actions);
        self.expire(now, &mut actions);
        self.fill(now, &mut actions);
        actions
    }

    /// When [`Event::Tick`] is due, if nothing else happens before.
    pub fn next_tick(&self) -> Option<Instant> {
        let deadlines = self.workers.values().filter_map(Phase::deadline);
        let retry = self.retry_at.filter(|_| self.wants_more());
        deadlines.chain(retry).min()
    }

    /// The workers that take requests.
    pub fn ready(&self) -> impl Iterator<Item = WorkerId> {
        let ready = self
            .workers
            .iter()
            .filter(|(_, phase)| **phase == Phase::Ready);
        ready.map(|(id, _)| *id)
    }

    /// Why workers do not start; `None` as soon as one did, and before the first has tried.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Whether the pool takes no more requests.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether the pool has stopped and no process of it is left.
    pub fn is_finished(&self) -> bool {
        self.stopping && self.workers.is_empty()
    }

    fn take(&mut self, now: Instant, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Tick => {}
            Event::Greeted(id) => {
                if let Some(phase @ Phase::Starting { .. }) = self.workers.get_mut(&id) {
                    *phase = Phase::Ready;
                    self.failure = None;
                    self.failures = 0;
                    self.retry_at = None;
                }
            }
            Event::StartFailed(id, failure) => {
                if let Some(phase @ Phase::Starting { .. }) = self.workers.get_mut(&id) {
                    *phase = Phase::Killed;
                    actions.push(Action::Kill(id, Cause::NotLoaded));
                    self.fail(now, failure);
                }
            }
            Event::Exited(id, failure) => {
                if let Some(Phase::Starting { .. }) = self.workers.remove(&id) {
                    self.fail(now, failure);
                }
            }
            Event::Condemned(id) => match self.workers.get_mut(&id) {
                Some(phase @ Phase::Ready) => {
                    *phase = Phase::Draining {
                        deadline: now + self.limits.shutdown_timeout,
                        then: Then::Kill,
                    };
                    actions.push(Action::Retire(id));
                }
                Some(Phase::Draining { then, .. }) => *then = Then::Kill,
                _ => {}
            },
            Event::Idle(id) => match self.workers.get_mut(&id) {
                Some(
                    phase @ Phase::Draining {
                        then: Then::Kill, ..
                    },
                ) => {
                    *phase = Phase::Killed;
                    actions.push(Action::Kill(id, Cause::Stuck));
                }
                Some(phase) => {
                    if let Phase::Draining { deadline, .. } = *phase {
                        *phase = Phase::Closing { deadline };
                        actions.push(Action::Close(id));
                    }
                }
                None => {}
            },
            Event::Stop(limit) => self.stop(now, limit, actions),
        }
    }

    fn stop(&mut self, now: Instant, limit: Duration, actions: &mut Vec<Action>) {
        self.stopping = true;
        let last = now + limit.min(self.limits.shutdown_timeout);
        for (id, phase) in &mut self.workers {
            match phase {
                Phase::Starting { .. } => {
                    *phase = Phase::Killed;
                    actions.push(Action::Kill(*id, Cause::Stopping));
                }
                Phase::Ready => {
                    *phase = Phase::Draining {
                        deadline: last,
                        then: Then::Close,
                    };
                    actions.push(Action::Retire(*id));
                }
                Phase::Draining { deadline, .. } | Phase::Closing { deadline } => {
                    *deadline = last.min(*deadline);
                }
                Phase::Killed => {}
            }
        }
    }

    /// Kills the workers whose time is up.
    fn expire(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let mut late_start = false;
        for (id, phase) in &mut self.workers {
            if phase.deadline().is_none_or(|deadline| deadline > now) {
                continue;
            }
            let cause = match phase {
                Phase::Starting { .. } => Cause::LateStart,
                Phase::Draining {
                    then: Then::Kill, ..
                } => Cause::Stuck,
                _ => Cause::LateStop,
            };
            late_start |= cause == Cause::LateStart;
            *phase = Phase::Killed;
            actions.push(Action::Kill(*id, cause));
        }
        if late_start {
            let limit = self.limits.startup_timeout;
            let reason = format!("the worker had not loaded the extension after {limit:?}");
            self.fail(
                now,
                Failure {
                    missing: false,
                    reason,
                },
            );
        }
    }

    /// A start failed. Workers that fail together count once.
    fn fail(&mut self, now: Instant, failure: Failure) {
        self.failure = Some(failure);
        if self.retry_at.is_none_or(|at| at <= now) {
            let delay = FIRST_DELAY.saturating_mul(1 << self.failures.min(16));
            self.retry_at = Some(now + delay.min(LAST_DELAY));
            self.failures += 1;
        }
    }

    /// Starts the workers that are missing; after a failure one at a time, until one succeeds.
    fn fill(&mut self, now: Instant, actions: &mut Vec<Action>) {
        while self.wants_more() && self.retry_at.is_none_or(|at| at <= now) {
            let id = WorkerId(self.next_id);
            self.next_id += 1;
            let deadline = now + self.limits.startup_timeout;
            self.workers.insert(id, Phase::Starting { deadline });
            actions.push(Action::Spawn(id));
        }
    }

    fn wants_more(&self) -> bool {
        let counted = self.workers.values().filter(|phase| phase.counts()).count();
        let starting = self
            .workers
            .values()
            .any(|phase| matches!(phase, Phase::Starting { .. }));
        !self.stopping && counted < self.limits.processes && !(self.failures > 0 && starting)
    }
}

impl Phase {
    fn counts(&self) -> bool {
        matches!(self, Phase::Starting { .. } | Phase::Ready)
    }

    fn deadline(&self) -> Option<Instant> {
        match *self {
            Phase::Starting { deadline }
            | Phase::Draining { deadline, .. }
            | Phase::Closing { deadline } => Some(deadline),
            Phase::Ready | Phase::Killed => None,
        }
    }
}

#[cfg(test)]
mod tests;
