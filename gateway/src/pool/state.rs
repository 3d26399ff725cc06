//! The pool as a pure state machine: which worker processes there should be, and what is to be done about it. No I/O
//! and no clock of its own; the supervisor feeds it events and carries its actions out.
//!
//! A worker that shall be *replaced* goes on until another one is ready, which takes its place. When the extension's
//! file has changed, the first worker of the new *generation* is the canary: if it does not start, the old ones stay.
//! Where clients are bound to workers, one whose place has been taken *lingers* for a time for those of its own.

mod event;
mod failures;
mod member;
mod phase;
mod policy;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub use event::{Action, Cause, Event, Failure, FailureKind, Reason, WorkerId};
pub use phase::Phase;
pub use policy::Policy;

use failures::Failures;
use member::Member;
use phase::Then;

/// The state of one pool.
#[derive(Debug)]
pub struct State {
    policy: Policy,
    workers: BTreeMap<WorkerId, Member>,
    next_id: u64,
    /// Counts the versions of the extension's file.
    generation: u64,
    failures: Failures,
    /// Requests, waiting ones included, when last told.
    load: usize,
    /// Since when there are more workers than the load needs.
    surplus_since: Option<Instant>,
    /// Why the pool takes no requests, when the operator has stopped it.
    paused: Option<Failure>,
    stopping: bool,
}

impl State {
    /// A pool without workers; its first event is [`Event::Tick`].
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            workers: BTreeMap::new(),
            next_id: 0,
            generation: 0,
            failures: Failures::new(policy.rapid_fail),
            load: 0,
            surplus_since: None,
            paused: None,
            stopping: false,
        }
    }

    /// Takes an event that happened at `now` and says what to do, in this order.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.take(now, event, &mut actions);
        self.expire(now, &mut actions);
        if !self.stopping {
            self.retire_replaced(now, &mut actions);
            self.retire_surplus(now, &mut actions);
            self.fill(now, &mut actions);
        }
        actions
    }

    /// When [`Event::Tick`] is due, if nothing else happens before.
    pub fn next_tick(&self) -> Option<Instant> {
        let workers = self.workers.values();
        let due = workers.filter_map(|worker| match worker.phase {
            Phase::Ready { expires } => expires.filter(|_| worker.replace.is_none()),
            Phase::Lingering { until } => Some(until),
            phase => phase.deadline(),
        });
        let retry = self.failures.retry_at().filter(|_| self.wants_more());
        due.chain(retry).chain(self.surplus_due()).min()
    }

    /// The workers that take requests.
    pub fn ready(&self) -> impl Iterator<Item = WorkerId> {
        let ready = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.phase.is_ready());
        ready.map(|(id, _)| *id)
    }

    /// The workers that take requests of the clients that are bound to them alone.
    pub fn lingering(&self) -> impl Iterator<Item = WorkerId> {
        let lingering = self
            .workers
            .iter()
            .filter(|(_, worker)| matches!(worker.phase, Phase::Lingering { .. }));
        lingering.map(|(id, _)| *id)
    }

    /// Why there is no worker; `None` as soon as one has started, before the first has tried, and while none is wanted:
    /// then the next request has one tried again.
    pub fn failure(&self) -> Option<&Failure> {
        let is_missing = self.ready().next().is_none() && self.wanted_at_least() > 0;
        let last = self.failures.last().filter(|_| is_missing);
        self.paused.as_ref().or(last)
    }

    /// The workers whose process has not gone, with their generation.
    pub fn members(&self) -> impl Iterator<Item = (WorkerId, Phase, u64)> {
        let members = self.workers.iter();
        members.map(|(id, worker)| (*id, worker.phase, worker.generation))
    }

    /// The generation of a worker.
    pub fn generation_of(&self, id: WorkerId) -> u64 {
        let worker = self.workers.get(&id);
        worker.map_or(self.generation, |worker| worker.generation)
    }

    /// Counts the versions of the extension's file.
    pub fn generation(&self) -> u64 {
        self.generation
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
            Event::Started(id) => {
                if let Some(worker) = self.workers.get_mut(&id)
                    && let Phase::Starting { .. } = worker.phase
                {
                    let age = self.policy.max_age;
                    let expires = (!age.is_zero()).then(|| now + age);
                    worker.phase = Phase::Ready { expires };
                    self.failures.started();
                }
            }
            Event::StartFailed(id, failure) => {
                if let Some(worker) = self.workers.get_mut(&id)
                    && let Phase::Starting { .. } = worker.phase
                {
                    worker.phase = Phase::Killed;
                    actions.push(Action::Kill(id, Cause::NotLoaded));
                    self.start_failed(now, failure, actions);
                }
            }
            Event::Exited(id, failure) => match self.workers.remove(&id).map(|gone| gone.phase) {
                Some(Phase::Starting { .. }) => self.start_failed(now, failure, actions),
                Some(Phase::Ready { .. } | Phase::Lingering { .. } | Phase::Draining { .. }) => {
                    self.died(now, failure.reason, actions);
                }
                Some(Phase::Closing { .. } | Phase::Killed) | None => {}
            },
            Event::Felled(id) => {
                self.workers.remove(&id);
            }
            Event::Condemned(id) => self.condemn(now, id, actions),
            Event::Broken(id, cause) => {
                if let Some(worker) = self.workers.get_mut(&id)
                    && worker.phase != Phase::Killed
                {
                    worker.phase = Phase::Killed;
                    actions.push(Action::Kill(id, cause));
                    if cause == Cause::NoPong {
                        self.died(now, cause.to_string(), actions);
                    }
                }
            }
            Event::Unhealthy { worker, reason } => {
                self.replace(now, worker, Reason::Unhealthy(reason), actions);
            }
            Event::Recycle(id, reason) => self.replace(now, id, reason, actions),
            Event::RecycleAll(reason) => {
                if reason == Reason::FileChanged {
                    self.generation += 1;
                    self.failures.forgive();
                }
                let all: Vec<WorkerId> = self.workers.keys().copied().collect();
                for id in all {
                    self.replace(now, id, reason.clone(), actions);
                }
            }
            Event::Pause => {
                self.paused = Some(Failure {
                    kind: FailureKind::Paused,
                    reason: "the operator has stopped the pool".into(),
                });
                let last = now + self.policy.shutdown_timeout;
                self.retire_all(last, &Reason::Operator, actions);
            }
            Event::Resume => {
                self.paused = None;
                self.failures.forgive();
            }
            Event::Idle(id) => self.close(id, actions),
            Event::Load(load) => {
                self.load = load;
                let is_surplus = self.fresh() > self.wanted_at_most();
                self.surplus_since = is_surplus.then(|| self.surplus_since.unwrap_or(now));
            }
            Event::Stop(limit) => self.stop(now, limit, actions),
        }
    }

    /// The first reason counts, but for one that does not spare the clients that are bound to the worker.
    fn replace(&mut self, now: Instant, id: WorkerId, reason: Reason, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let is_first = worker.replace.is_none();
        let is_graver = || {
            let spares = worker.replace.as_ref().is_some_and(Reason::spares_sessions);
            spares && !reason.spares_sessions()
        };
        if worker.phase.serves() && (is_first || is_graver()) {
            worker.replace = Some(reason);
        } else if matches!(worker.phase, Phase::Lingering { .. }) && is_graver() {
            worker.replace = Some(reason);
            worker.drain(id, now + self.policy.shutdown_timeout, actions);
        }
    }

    fn condemn(&mut self, now: Instant, id: WorkerId, actions: &mut Vec<Action>) {
        match self.workers.get_mut(&id).map(|worker| &mut worker.phase) {
            Some(phase @ (Phase::Ready { .. } | Phase::Lingering { .. })) => {
                *phase = Phase::Draining {
                    deadline: now + self.policy.shutdown_timeout,
                    then: Then::Kill,
                };
                actions.push(Action::Retire(id, Reason::RequestTimeout));
            }
            Some(Phase::Draining { then, .. }) => *then = Then::Kill,
            _ => {}
        }
    }

    fn close(&mut self, id: WorkerId, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        match worker.phase {
            Phase::Draining {
                then: Then::Kill, ..
            } => {
                worker.phase = Phase::Killed;
                actions.push(Action::Kill(id, Cause::Stuck));
            }
            Phase::Draining { deadline, .. } => {
                worker.phase = Phase::Closing { deadline };
                actions.push(Action::Close(id));
            }
            _ => {}
        }
    }

    fn stop(&mut self, now: Instant, limit: Duration, actions: &mut Vec<Action>) {
        self.stopping = true;
        let limit = limit.min(self.policy.shutdown_timeout);
        self.retire_all(now + limit, &Reason::Stopping, actions);
    }

    /// Has all workers finish until `last`.
    fn retire_all(&mut self, last: Instant, reason: &Reason, actions: &mut Vec<Action>) {
        for (id, worker) in &mut self.workers {
            match &mut worker.phase {
                phase @ Phase::Starting { .. } => {
                    *phase = Phase::Killed;
                    actions.push(Action::Kill(*id, Cause::Stopping));
                }
                phase @ (Phase::Ready { .. } | Phase::Lingering { .. }) => {
                    *phase = Phase::draining(last);
                    actions.push(Action::Retire(*id, reason.clone()));
                }
                Phase::Draining { deadline, .. } | Phase::Closing { deadline } => {
                    *deadline = last.min(*deadline);
                }
                Phase::Killed => {}
            }
        }
    }

    /// Kills the workers whose time is up, marks those that have reached their age, and has those end that have gone on
    /// long enough for the clients that are bound to them.
    fn expire(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let mut late_start = false;
        for (id, worker) in &mut self.workers {
            if let Phase::Ready { expires: Some(at) } = worker.phase
                && at <= now
            {
                worker.replace.get_or_insert(Reason::Age);
            }
            if let Phase::Lingering { until } = worker.phase
                && until <= now
            {
                worker.drain(*id, now + self.policy.shutdown_timeout, actions);
            }
            if worker.phase.deadline().is_none_or(|at| at > now) {
                continue;
            }
            let cause = match worker.phase {
                Phase::Starting { .. } => Cause::LateStart,
                Phase::Draining {
                    then: Then::Kill, ..
                } => Cause::Stuck,
                _ => Cause::LateStop,
            };
            late_start |= cause == Cause::LateStart;
            worker.phase = Phase::Killed;
            actions.push(Action::Kill(*id, cause));
        }
        if late_start {
            let limit = self.policy.startup_timeout;
            let failure = Failure {
                kind: FailureKind::NotStarted,
                reason: format!("the worker had not loaded the extension after {limit:?}"),
            };
            self.start_failed(now, failure, actions);
        }
    }

    /// A start failed. If it was the canary of a new generation, the old one stays.
    fn start_failed(&mut self, now: Instant, failure: Failure, actions: &mut Vec<Action>) {
        let hold = self.failures.start_failed(now, failure);
        actions.extend(hold.map(Action::Hold));
        let is_proven = self
            .workers
            .values()
            .any(|worker| worker.phase.is_ready() && worker.generation == self.generation);
        let mut kept = false;
        for worker in self.workers.values_mut() {
            if !is_proven && worker.phase.is_ready() && worker.replace == Some(Reason::FileChanged)
            {
                worker.replace = None;
                kept = true;
            }
        }
        if kept {
            actions.push(Action::KeepOld);
        }
    }

    fn died(&mut self, now: Instant, reason: String, actions: &mut Vec<Action>) {
        let hold = self.failures.died(now, reason);
        actions.extend(hold.map(Action::Hold));
    }

    /// Retires workers whose place has been taken, and those that are more than the load wants; where none may overlap,
    /// before that.
    fn retire_replaced(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let is_fresh = |worker: &Member| worker.phase.is_ready() && worker.replace.is_none();
        let has_fresh = self.workers.values().any(is_fresh);
        let mut ready = self.ready().count();
        // Without a fresh one, one must stay that serves: no other may start.
        let wanted = self.wanted_at_least().max(usize::from(!has_fresh));
        for (id, worker) in &mut self.workers {
            if self.policy.overlap && ready <= wanted {
                return;
            }
            if worker.phase.is_ready() && worker.replace.is_some() {
                worker.leave(*id, now, &self.policy, actions);
                ready -= 1;
            }
        }
    }

    /// Ends the workers that the load has not needed for long, the youngest first.
    fn retire_surplus(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.surplus_due().is_none_or(|due| due > now) {
            return;
        }
        self.surplus_since = None;
        let mut surplus = self.fresh().saturating_sub(self.wanted_at_most());
        for (id, worker) in self.workers.iter_mut().rev() {
            if surplus > 0 && worker.phase.is_ready() && worker.replace.is_none() {
                worker.replace = Some(Reason::Idle);
                worker.leave(*id, now, &self.policy, actions);
                surplus -= 1;
            }
        }
    }

    fn surplus_due(&self) -> Option<Instant> {
        let limit = self.policy.idle_timeout;
        let since = self
            .surplus_since
            .filter(|_| !limit.is_zero() && !self.stopping);
        since.map(|since| since + limit)
    }

    /// Starts the workers that are missing.
    fn fill(&mut self, now: Instant, actions: &mut Vec<Action>) {
        while self.wants_more() && self.failures.retry_at().is_none_or(|at| at <= now) {
            if !self.has_room() {
                let deadline = now + self.policy.shutdown_timeout;
                if let Some(id) = self.dispensable()
                    && let Some(worker) = self.workers.get_mut(&id)
                {
                    worker.drain(id, deadline, actions);
                }
                return;
            }
            let id = WorkerId(self.next_id);
            self.next_id += 1;
            let deadline = now + self.policy.startup_timeout;
            let worker = Member {
                phase: Phase::Starting { deadline },
                generation: self.generation,
                replace: None,
            };
            self.workers.insert(id, worker);
            actions.push(Action::Spawn(id));
        }
    }

    /// The worker that can make room for another one: the first of those that go on for some clients alone, unless one
    /// ends anyway.
    fn dispensable(&self) -> Option<WorkerId> {
        let mut workers = self.workers.values();
        let ends_anyway = workers.any(|worker| worker.phase.is_ending());
        self.lingering().next().filter(|_| !ends_anyway)
    }

    /// Whether one more process may be.
    fn has_room(&self) -> bool {
        self.workers.len() < self.policy.most_alive()
    }

    /// Whether a worker is missing and there is room for it, or can be made. One at a time after a failure, and to replace others.
    fn wants_more(&self) -> bool {
        let mut workers = self.workers.values();
        let starting = workers.any(|worker| worker.phase.is_starting());
        let is_old = |worker: &Member| worker.phase.is_ready() && worker.replace.is_some();
        let replacing = self.workers.values().any(is_old);
        let wanted = self.wanted_at_least().max(usize::from(replacing));
        !self.stopping
            && self.paused.is_none()
            && self.fresh() < wanted
            && (self.has_room() || self.dispensable().is_some())
            && !(starting && (replacing || self.failures.is_trying()))
    }

    /// Workers that serve, or will, and need not be replaced.
    fn fresh(&self) -> usize {
        let workers = self.workers.values();
        workers
            .filter(|worker| worker.phase.serves() && worker.replace.is_none())
            .count()
    }

    fn wanted_at_least(&self) -> usize {
        self.policy.wanted(self.load, self.policy.min_spare)
    }

    fn wanted_at_most(&self) -> usize {
        self.policy.wanted(self.load, self.policy.max_spare)
    }
}

#[cfg(test)]
mod tests;
