//! Carries out what the state machine decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::crash::CrashReport;
use super::driver::drive;
use super::lane::Lane;
use super::launch::Plan;
use super::process::{self, Process};
use super::state::{Action, Event, Failure, State, WorkerId};
use super::worker::Worker;
use super::{Pool, Roster};
use crate::process::stderr;

/// Runs the processes of one pool.
pub struct Supervisor {
    pool: Arc<Pool>,
    plan: Plan,
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
            plan,
            state,
            events,
            threads,
            workers: HashMap::new(),
        }
    }

    /// Runs until the pool has been stopped and its last process has gone.
    pub async fn run(mut self) {
        let mut event = Event::Tick;
        loop {
            if let Event::Exited(id, _) = &event {
                self.workers.remove(id);
            }
            for action in self.state.step(Instant::now(), event) {
                self.act(action).await;
            }
            self.publish();
            if self.state.is_finished() {
                return;
            }
            event = self.next_event().await;
        }
    }

    async fn next_event(&mut self) -> Event {
        let tick = self.state.next_tick();
        let far = Instant::now() + Duration::from_secs(3600);
        let due = tokio::time::sleep_until(tick.unwrap_or(far).into());
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
            Action::Retire(id) => self.with(id, Worker::retire),
            Action::Close(id) => self.with(id, |worker| {
                for lane in &worker.lanes {
                    lane.close();
                }
            }),
            Action::Kill(id, cause) => self.with(id, |worker| worker.kill(cause)),
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
        let spawned = self.plan.spawn(self.threads.len()).await;
        let (mut child, group, streams) = spawned.map_err(|error| {
            let worker = self.plan.worker().display();
            let reason = format!("the worker {worker} cannot be started: {error}");
            Failure::new(extension, reason)
        })?;
        let pid = child.id().unwrap_or_default();
        tracing::debug!(pool = self.pool.name, pid, "worker started");
        let mut lanes = Vec::new();
        let mut greetings = Vec::new();
        let mut drivers = JoinSet::new();
        for (thread, stream) in self.threads.iter().zip(streams) {
            let (lane, greeting) = Lane::new(self.pool.clone(), pid);
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
                report.into_crash()
            }),
            is_windows: self.plan.is_windows(),
        };
        let limit = self.pool.concurrency;
        let worker = Arc::new(Worker::new(self.pool.clone(), id, pid, lanes, limit));
        self.workers.insert(id, worker.clone());
        tokio::spawn(process::watch(self.pool.clone(), worker, process));
        Ok(())
    }

    /// Tells the requests what there is now.
    fn publish(&self) {
        let ready = self.state.ready();
        self.pool.publish(Roster {
            ready: ready
                .filter_map(|id| self.workers.get(&id).cloned())
                .collect(),
            failure: self.state.failure().cloned(),
            stopping: self.state.is_stopping(),
            finished: self.state.is_finished(),
        });
    }
}
