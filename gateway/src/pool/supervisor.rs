//! Carries out what the state machine decides.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::crash::CrashReport;
use super::death::{self, Birth};
use super::driver::drive;
use super::lane::{Buffers, Lane};
use super::launch::{Plan, Scene};
use super::process::{self, Process};
use super::snapshot::Member;
use super::state::{Action, Event, Failure, Reason, State, WorkerId};
use super::version::Versions;
use super::worker::Worker;
use super::{Pool, Roster, rounds};
use crate::alarms::sleep_until;
use crate::process::stderr;

/// Runs the processes of one pool.
pub struct Supervisor {
    pool: Arc<Pool>,
    plan: Plan,
    /// For reports.
    scene: Arc<Scene>,
    versions: Versions,
    state: State,
    events: mpsc::UnboundedReceiver<Event>,
    /// The runtime threads; each drives its lane of every worker.
    threads: Vec<Handle>,
    /// Workers whose process has not gone.
    workers: HashMap<WorkerId, Arc<Worker>>,
}

impl Supervisor {
    /// A supervisor for a pool that has no workers yet.
    pub fn new(
        pool: Arc<Pool>,
        plan: Plan,
        state: State,
        events: mpsc::UnboundedReceiver<Event>,
        threads: Vec<Handle>,
    ) -> Self {
        Self {
            pool,
            scene: Arc::new(plan.scene()),
            versions: Versions::default(),
            plan,
            state,
            events,
            threads,
            workers: HashMap::new(),
        }
    }

    /// Runs until the pool has been stopped and its last process has gone.
    pub async fn run(mut self) {
        let mut watching = JoinSet::new();
        watching.spawn(rounds::run(self.pool.clone()));
        let told = std::iter::from_fn(|| self.events.try_recv().ok());
        let mut told: Vec<Event> = told.collect();
        // A pool that was stopped while it waited for its predecessors starts nothing.
        told.sort_by_key(|event| !matches!(event, Event::Stop(_)));
        let mut told = told.into_iter();
        let mut event = told.next().unwrap_or(Event::Tick);
        loop {
            match &mut event {
                Event::Exited(id, _) | Event::Felled(id) => {
                    if let Some(worker) = self.workers.remove(id) {
                        self.pool.count_exit(worker.end_reason());
                    }
                }
                Event::Resume | Event::RecycleAll(Reason::FileChanged) => {
                    self.pool.circuits.forgive();
                }
                Event::Load(load) => {
                    self.pool.load_told.store(false, SeqCst);
                    *load = self.pool.load().max(*load);
                }
                _ => {}
            }
            for action in self.state.step(Instant::now(), event) {
                self.act(action).await;
            }
            self.publish();
            if self.state.is_finished() {
                return;
            }
            event = match told.next() {
                Some(event) => event,
                None => self.next_event().await,
            };
        }
    }

    async fn next_event(&mut self) -> Event {
        let tick = self.state.next_tick();
        let far = Instant::now() + Duration::from_secs(3600);
        let due = sleep_until(tick.unwrap_or(far).into());
        tokio::select! {
            event = self.events.recv() => event.unwrap_or(Event::Stop(Duration::ZERO)),
            () = due => Event::Tick,
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Spawn(id) => {
                if let Err(failure) = self.spawn(id).await {
                    let reason = &failure.reason;
                    tracing::error!(pool = self.pool.name, "{reason}");
                    // Never started and already gone.
                    self.pool.report(Event::StartFailed(id, failure.clone()));
                    self.pool.report(Event::Exited(id, failure));
                }
            }
            Action::Retire(id, reason) => self.with(id, |worker| {
                let (pool, pid) = (&self.pool.name, worker.pid);
                tracing::info!(pool, pid, "worker {pid} takes no more requests: {reason}");
                worker.retire(reason.label());
            }),
            Action::Linger(id, reason) => self.with(id, |worker| {
                let (pool, pid) = (&self.pool.name, worker.pid);
                let limit = self.pool.config.sticky_drain;
                tracing::info!(
                    pool,
                    pid,
                    "worker {pid} goes on for up to {limit:?} for clients that are bound to it: {reason}"
                );
            }),
            Action::Close(id) => self.with(id, |worker| {
                for lane in &worker.lanes {
                    lane.close();
                }
            }),
            Action::Kill(id, cause) => self.with(id, |worker| worker.kill(cause)),
            Action::KeepOld => {
                let (pool, extension) = (&self.pool.name, self.pool.extension.display());
                tracing::error!(
                    pool,
                    "the new version of {extension} does not start; the one that runs goes on until the file changes again"
                );
            }
            Action::Hold(delay) => {
                let (pool, extension) = (&self.pool.name, self.pool.extension.display());
                tracing::error!(
                    pool,
                    "workers of {extension} fail too often; the next one is tried in {delay:?}"
                );
            }
        }
    }

    fn with(&self, id: WorkerId, act: impl FnOnce(&Worker)) {
        if let Some(worker) = self.workers.get(&id) {
            act(worker);
        }
    }

    async fn spawn(&mut self, id: WorkerId) -> Result<(), Failure> {
        let extension = &self.pool.extension;
        if Failure::is_missing(extension) {
            let reason = format!("the extension {} does not exist", extension.display());
            return Err(Failure::new(extension, reason));
        }
        let birth = Birth {
            time: Timestamp::now(),
            generation: self.state.generation_of(id),
            version: self.versions.now(extension),
        };
        let spawned = self.plan.spawn(self.threads.len()).await;
        let (mut child, group, connections) = match spawned {
            Ok(spawned) => spawned,
            Err(error) => {
                let worker = self.plan.worker().display();
                let reason = format!("the worker {worker} cannot be started: {error}");
                death::never_started(&self.pool, birth, reason.clone(), self.scene.clone());
                return Err(Failure::new(extension, reason));
            }
        };
        let pid = child.id().unwrap_or_default();
        tracing::debug!(pool = self.pool.name, pid, "worker started");
        let mut lanes = Vec::new();
        let mut greetings = Vec::new();
        let mut drivers = JoinSet::new();
        for (number, (thread, stream)) in self.threads.iter().zip(connections.lanes).enumerate() {
            let share = connections
                .memory
                .as_ref()
                .map(|memory| memory.share(number));
            let buffers = share.map(Buffers::new);
            let (lane, greeting) = Lane::new(self.pool.clone(), id, pid, buffers);
            let driver = drive(lane.clone(), stream, self.pool.request_timeout);
            drivers.spawn_on(driver, thread);
            lanes.push(lane);
            greetings.push(greeting);
        }
        let pipe = child.stderr.take();
        let name = self.pool.name.clone();
        let process = Process {
            child,
            group,
            drivers,
            greetings,
            stderr: tokio::spawn(async move {
                let mut report = CrashReport::new(name, pid);
                if let Some(pipe) = pipe {
                    stderr::read(pipe, |line| report.take(line)).await;
                }
                report.finish()
            }),
            is_windows: self.plan.is_windows(),
            scene: self.scene.clone(),
        };
        let limit = self.pool.concurrency;
        let quota = quota(self.pool.config.recycle.requests);
        let worker = Worker::new(self.pool.clone(), id, pid, lanes, limit, quota, birth);
        let worker = Arc::new(worker);
        self.workers.insert(id, worker.clone());
        tokio::spawn(process::watch(self.pool.clone(), worker, process));
        Ok(())
    }

    /// Tells the requests what there is now.
    fn publish(&self) {
        let (ready, lingering) = (self.state.ready(), self.state.lingering());
        let member = |(id, phase, generation)| {
            let worker = self.workers.get(&id)?.clone();
            Some(Member {
                worker,
                phase,
                generation,
            })
        };
        self.pool.publish(Roster {
            members: self.state.members().filter_map(member).collect(),
            generation: self.state.generation(),
            ready: ready
                .filter_map(|id| self.workers.get(&id).cloned())
                .collect(),
            lingering: lingering
                .filter_map(|id| self.workers.get(&id).cloned())
                .collect(),
            failure: self.state.failure().cloned(),
            stopping: self.state.is_stopping(),
            finished: self.state.is_finished(),
        });
    }
}

/// How many requests one worker serves: the number that is configured, give or take a tenth, so that workers which were
/// started together do not end together.
fn quota(requests: u64) -> u64 {
    let spread = requests / 10;
    // Each state of the standard library's hash tables begins with other random keys.
    let random = RandomState::new().build_hasher().finish();
    requests - spread + random % (2 * spread + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_differ_by_a_tenth() {
        assert_eq!((quota(0), quota(9)), (0, 9));
        let mut quotas: Vec<u64> = (0..1000).map(|_| quota(1000)).collect();
        assert!(quotas.iter().all(|quota| (900..=1100).contains(quota)));
        quotas.sort_unstable();
        quotas.dedup();
        assert!(quotas.len() > 50, "{}", quotas.len());
    }
}
