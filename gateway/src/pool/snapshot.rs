//! What a pool tells of itself, and what the operator can have it do.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::state::{Event, FailureKind, Phase, Reason};
use super::worker::Worker;
use super::{Pool, Roster, lock};
use crate::config::TraceLevel;
use crate::observe::status::{PoolState, PoolStatus, WorkerStatus};

/// Most requests of one worker that are told one by one.
const SHOWN: usize = 20;

/// A worker whose process has not gone, and what the state machine says of it.
#[derive(Clone)]
pub struct Member {
    /// The worker.
    pub worker: Arc<Worker>,
    /// What it does.
    pub phase: Phase,
    /// Which version of the file it runs.
    pub generation: u64,
}

impl Pool {
    /// What there is to tell, but for the counters of its requests and what its processes take. Never waits.
    pub fn status(&self) -> PoolStatus {
        // A copy: who gives room back looks at the roster while a lane is locked, and to tell of workers locks their lanes.
        let roster = self.roster.borrow().clone();
        let exits = lock(&self.exits);
        PoolStatus {
            program: self.extension.display().to_string(),
            state: state(&roster),
            reason: roster
                .failure
                .as_ref()
                .map(|failure| failure.reason.clone()),
            generation: roster.generation,
            queued: self.queued(),
            trace: self.trace().map(|level| level.name().to_owned()),
            exits: exits
                .iter()
                .map(|(reason, count)| ((*reason).to_owned(), *count))
                .collect(),
            circuits: self.circuits.status(),
            circuit_openings: self.circuits.openings(),
            workers: roster.members.iter().map(worker_status).collect(),
            ..PoolStatus::new(&self.name, "extension")
        }
    }

    /// Whether it serves, as the status tells it.
    pub fn state(&self) -> PoolState {
        state(&self.roster.borrow())
    }

    /// Requests for which no worker has room.
    pub fn queued(&self) -> usize {
        self.queue.count()
    }

    /// Has all workers replaced, because the operator wants it.
    pub fn recycle(&self) {
        self.report(Event::RecycleAll(Reason::Operator));
    }

    /// Has the pool take no more requests; those in its workers finish.
    pub fn pause(&self) {
        self.report(Event::Pause);
    }

    /// Has the pool take requests again, as if nothing had failed.
    pub fn resume(&self) {
        self.report(Event::Resume);
    }

    /// The level at which every request is traced from now on; `None`: that of the configuration.
    pub fn set_trace(&self, level: Option<TraceLevel>) {
        let index = level.and_then(|level| TraceLevel::ALL.iter().position(|one| *one == level));
        let code = index.and_then(|index| u8::try_from(index + 1).ok());
        self.trace.store(code.unwrap_or(0), Relaxed);
    }

    /// The level that [`Self::set_trace`] has set.
    pub fn trace(&self) -> Option<TraceLevel> {
        let code = usize::from(self.trace.load(Relaxed));
        TraceLevel::ALL.get(code.checked_sub(1)?).copied()
    }

    /// A worker has gone.
    pub(super) fn count_exit(&self, reason: &'static str) {
        *lock(&self.exits).entry(reason).or_default() += 1;
    }
}

fn state(roster: &Roster) -> PoolState {
    let is_starting = || {
        let mut members = roster.members.iter();
        members.any(|member| member.phase.is_starting())
    };
    match &roster.failure {
        _ if roster.stopping => PoolState::Stopping,
        _ if !roster.ready.is_empty() => PoolState::Running,
        Some(failure) => match failure.kind {
            FailureKind::Paused => PoolState::Stopped,
            FailureKind::Off(_) => PoolState::Off,
            FailureKind::Missing | FailureKind::NotStarted => PoolState::Failed,
        },
        None if is_starting() => PoolState::Starting,
        None => PoolState::Idle,
    }
}

fn worker_status(member: &Member) -> WorkerStatus {
    let worker = &member.worker;
    let now = Instant::now();
    let mut requests = Vec::new();
    for lane in &worker.lanes {
        lane.running(now, &mut requests);
    }
    requests.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    requests.truncate(SHOWN);
    WorkerStatus {
        pid: worker.pid,
        state: member.phase.name().to_owned(),
        generation: member.generation,
        uptime_seconds: now.saturating_duration_since(worker.started).as_secs_f64(),
        busy: worker.taken(),
        served: worker.served(),
        memory_bytes: 0,
        cpu_seconds: 0.0,
        description: worker
            .about()
            .map_or_else(String::new, |about| about.description.clone()),
        requests,
    }
}
