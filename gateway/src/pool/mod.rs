//! Pools: an extension, its limits and its worker processes.
//!
//! `state` decides which processes there should be, `supervisor` carries it out, `launch` and `process` know how one
//! is started and watched. To a request a pool is a set of workers (`worker`), each with one connection for every
//! runtime thread (`lane`, moved by `driver`); on it the request is an `exchange`, whose body comes from a `pump` and
//! whose answer is a `reply`, with the answers of its `child` requests in it. Requests for which there is no room wait in the `queue`;
//! those of a kind that brings workers down are kept from them by `circuits`.

mod child;
mod circuits;
mod crash;
mod death;
mod driver;
mod entries;
mod exchange;
mod lane;
mod launch;
mod process;
mod pump;
mod queue;
mod repeat;
mod reply;
mod rounds;
mod snapshot;
mod state;
mod supervisor;
mod token;
mod variables;
mod version;
mod warmup;
mod worker;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hash::RandomState;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fastcgi_protocol::Params;
use tokio::sync::{mpsc, oneshot, watch};

pub use exchange::Exchange;
pub use lane::Lane;
pub use launch::Launcher;
pub use pump::Pump;
pub use repeat::{Repeatable, Trials};
pub use reply::{Begun, Reply};
pub use token::Token;
pub use worker::About;

use crate::alarms::timeout;
use crate::config;
use crate::error::Error;
use crate::observe::crash_report::Reports;
use crate::observe::crash_report::content::Limits;
use crate::request::RequestHead;
use crate::runtime::{self, Runtimes};
use crate::site::{Target, Warmup};
use circuits::Circuits;
use launch::Plan;
use queue::{Queue, Ticket};
use snapshot::Member;
use state::{Event, Failure, FailureKind, Policy, State, WorkerId};
use supervisor::Supervisor;
use worker::{Slot, Worker};

/// A pool as its requests see it.
pub struct Pool {
    name: String,
    extension: PathBuf,
    processes: usize,
    /// Requests in one worker at the same time.
    concurrency: usize,
    /// What its workers are told in the greeting.
    greeting: Params,
    /// By which header a request is traced.
    trace_header: Option<config::TraceHeader>,
    /// How long a request may run.
    request_timeout: Option<Duration>,
    /// How long it may wait before.
    queue_timeout: Duration,
    /// How workers are kept.
    config: config::Workers,
    /// The request that a new worker answers before it gets others.
    warmup: Option<Warmup>,
    /// Where deaths of its workers are reported.
    reports: Option<Reports>,
    /// What its workers may have, for the reports.
    allowed: Limits,
    /// Makes tokens that nobody can guess.
    keys: RandomState,
    queue: Queue<Slot>,
    circuits: Arc<Circuits>,
    /// Looked at while lanes are locked, so no lane may be locked while it is.
    roster: watch::Sender<Roster>,
    /// The supervisor has been told of the load and has not looked yet.
    load_told: AtomicBool,
    /// Workers that have gone, by the reason.
    exits: Mutex<BTreeMap<&'static str, u64>>,
    /// The level of the trace that the operator has chosen: one more than its index; 0: none.
    trace: AtomicU8,
    /// To the supervisor: a few events in the life of a worker.
    events: mpsc::UnboundedSender<Event>,
}

/// Pools that must have ended before another one starts a worker, because their extension must not run twice.
#[derive(Default)]
pub struct Predecessors(Vec<oneshot::Receiver<Infallible>>);

impl Predecessors {
    /// Adds one: it has ended when what this returns is dropped.
    pub fn add(&mut self) -> oneshot::Sender<Infallible> {
        let (running, ended) = oneshot::channel();
        self.0.push(ended);
        running
    }

    async fn ended(self) {
        for pool in self.0 {
            // Nothing is ever sent.
            let _ = pool.await;
        }
    }
}

/// What requests can have now.
#[derive(Clone, Default)]
struct Roster {
    ready: Vec<Arc<Worker>>,
    /// Those that go on for the clients that are bound to them alone.
    lingering: Vec<Arc<Worker>>,
    /// Those included that start and that finish.
    members: Vec<Member>,
    generation: u64,
    failure: Option<Failure>,
    stopping: bool,
    finished: bool,
}

impl Roster {
    /// The workers that take requests, of everybody or of some.
    fn serving(&self) -> impl Iterator<Item = &Arc<Worker>> {
        self.ready.iter().chain(&self.lingering)
    }
}

impl Pool {
    /// Starts the pool: its supervisor runs on the calling thread, which must be none of the `runtimes`, since workers may
    /// run where it may. It starts them when `before` has come to its end.
    pub fn start(
        config: &config::Pool,
        extension: &Path,
        launcher: Launcher,
        warmup: Option<Warmup>,
        reports: Option<Reports>,
        before: Predecessors,
        runtimes: &Runtimes,
    ) -> Arc<Self> {
        let (pool, events) = Self::new(config, extension, warmup, reports);
        let state = State::new(Policy::new(config));
        let plan = Plan::new(config, extension, launcher, runtimes.processors());
        let threads = runtimes.handles().to_vec();
        let supervisor = Supervisor::new(pool.clone(), plan, state, events, threads);
        tokio::spawn(async move {
            before.ended().await;
            supervisor.run().await;
        });
        pool
    }

    /// Name of the pool in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many requests may be in its workers at the same time.
    pub fn room(&self) -> usize {
        self.processes * self.concurrency
    }

    /// Begins a request on a worker with room, as soon as there is one; on that to which the client is bound, if it still
    /// takes requests. Says also how long the request has waited for that.
    ///
    /// # Errors
    /// Why no worker takes the request.
    pub async fn begin(
        &self,
        head: &RequestHead,
        target: &Target<'_>,
        has_body: bool,
        bound: Option<Token>,
    ) -> Result<(Arc<Lane>, Arc<Exchange>, Duration), Error> {
        let lane = runtime::current_index().unwrap_or(0);
        let mut gate = self.circuits.gate(&head.method, &head.uri);
        let asked = Instant::now();
        let mut begun = asked;
        loop {
            gate.check()?;
            let bound = bound.and_then(|token| self.named_by(token));
            let ticket = Ticket { lane, bound };
            let slot = match self.take(ticket)? {
                Some(slot) => slot,
                None => {
                    // In a box: most requests need not wait.
                    let slot = Box::pin(self.wait(ticket)).await?;
                    begun = Instant::now();
                    slot
                }
            };
            // Requests that waited with it may have brought workers down meanwhile.
            let trial = gate.admit()?;
            // There is none only when the worker has ended meanwhile.
            if let Some(lane) = slot.lane(lane).cloned()
                && let Some(exchange) = lane.begin(slot, trial, begun, head, target, has_body)?
            {
                return Ok((lane, exchange, begun.saturating_duration_since(asked)));
            }
        }
    }

    /// Bytes of a body that are kept so that its request can run again.
    pub fn retry_body(&self) -> usize {
        usize::try_from(self.config.retry_body).unwrap_or(usize::MAX)
    }

    /// Waits until the first worker is ready; not where there is none without requests.
    ///
    /// # Errors
    /// Why it could not be started, in words for the operator.
    pub async fn ready(&self) -> Result<(), String> {
        if !self.config.start.is_eager() {
            return Ok(());
        }
        let mut roster = self.roster.subscribe();
        let settled = |roster: &Roster| {
            !roster.ready.is_empty() || roster.failure.is_some() || roster.stopping
        };
        match roster.wait_for(settled).await {
            Ok(roster) if !roster.ready.is_empty() => Ok(()),
            Ok(roster) => Err(match &roster.failure {
                Some(failure) => failure.reason.clone(),
                None => Error::Stopping.to_string(),
            }),
            Err(_) => Err(Error::Stopping.to_string()),
        }
    }

    /// Waits until the first worker is ready; returns what it says of the extension.
    ///
    /// # Errors
    /// As [`Self::ready`].
    pub async fn about(&self) -> Result<About, String> {
        self.ready().await?;
        let roster = self.roster.borrow();
        let about = roster.ready.first().and_then(|worker| worker.about());
        about
            .cloned()
            .ok_or_else(|| "its worker has just ended".into())
    }

    /// Ends the pool, its workers at the latest after `limit`; returns when its last process has gone.
    pub async fn stop(&self, limit: Duration) {
        self.report(Event::Stop(limit));
        // The sender is our own, so there is no error.
        let _ = self
            .roster
            .subscribe()
            .wait_for(|roster| roster.finished)
            .await;
    }

    fn new(
        config: &config::Pool,
        extension: &Path,
        warmup: Option<Warmup>,
        reports: Option<Reports>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Event>) {
        let (events, receiver) = mpsc::unbounded_channel();
        let limited = |limit: Duration| (!limit.is_zero()).then_some(limit);
        let pool = Self {
            name: config.name.clone(),
            extension: extension.to_owned(),
            processes: config.processes.max(1),
            concurrency: config.concurrency.max(1),
            greeting: variables::greeting(config),
            trace_header: config.trace_header.clone(),
            request_timeout: limited(config.request_timeout),
            queue_timeout: config.queue_timeout,
            config: config.workers.clone(),
            warmup,
            reports,
            allowed: Limits::new(config),
            keys: RandomState::new(),
            queue: Queue::new(config.queue_length),
            circuits: Circuits::new(&config.name, config.workers.circuit),
            roster: watch::Sender::default(),
            load_told: AtomicBool::new(false),
            exits: Mutex::default(),
            trace: AtomicU8::new(0),
            events,
        };
        (Arc::new(pool), receiver)
    }

    /// Room on a worker, where nobody waits for it.
    fn take(&self, ticket: Ticket) -> Result<Option<Slot>, Error> {
        match self.queue.is_empty() {
            true => self.try_take(ticket),
            false => Ok(None),
        }
    }

    /// Room on a worker, after those who wait already.
    async fn wait(&self, ticket: Ticket) -> Result<Slot, Error> {
        let Some(answer) = self.queue.join(ticket) else {
            // Those who wait may all be bound to workers without room.
            let slot = self.try_take(ticket)?;
            return slot.ok_or_else(|| Error::Overloaded("as many requests wait as may".into()));
        };
        if self.is_elastic() && !self.load_told.swap(true, SeqCst) {
            self.report(Event::Load(1));
        }
        self.serve_queue();
        match timeout(self.queue_timeout, answer).await {
            Ok(answer) => answer.unwrap_or(Err(Error::Stopping)),
            Err(_) => {
                let limit = self.queue_timeout;
                Err(Error::Overloaded(format!(
                    "no worker had room for {limit:?}"
                )))
            }
        }
    }

    /// Room on the worker that the client is bound to if it takes requests, else on the ready worker that has the fewest;
    /// `None` when there is none.
    fn try_take(&self, Ticket { lane, bound }: Ticket) -> Result<Option<Slot>, Error> {
        let roster = self.roster.borrow();
        if roster.stopping {
            return Err(Error::Stopping);
        }
        let mut serving = roster.serving();
        if let Some(worker) = serving.find(|worker| bound == Some(worker.id))
            && !worker.is_retiring()
        {
            let has_room = worker.has_room(lane);
            return Ok(has_room.then(|| worker.reserve()).flatten());
        }
        if roster.ready.is_empty()
            && let Some(failure) = &roster.failure
        {
            return Err(failure.to_error());
        }
        loop {
            let with_room = roster.ready.iter().filter(|worker| worker.has_room(lane));
            let Some(worker) = with_room.min_by_key(|worker| worker.taken()) else {
                return Ok(None);
            };
            if let Some(slot) = worker.reserve() {
                return Ok(Some(slot));
            }
        }
    }

    /// Gives the room that there is to those who wait. To be called when room has become free.
    fn serve_queue(&self) {
        if !self.queue.is_empty() {
            self.queue.serve(|ticket| self.try_take(ticket));
        }
    }

    /// The worker that a client names.
    fn named_by(&self, token: Token) -> Option<WorkerId> {
        let roster = self.roster.borrow();
        let mut ids = roster.serving().map(|worker| worker.id);
        ids.find(|id| self.token(*id) == token)
    }

    /// What names a worker to clients.
    fn token(&self, id: WorkerId) -> Token {
        Token::of(&self.keys, id)
    }

    /// What binds clients to workers, if anything does.
    pub fn sticky(&self) -> Option<&config::Sticky> {
        self.config.sticky.as_ref()
    }

    /// Whether the number of workers depends on that of the requests.
    fn is_elastic(&self) -> bool {
        self.config.start != config::Start::Always
    }

    /// Requests that there are, waiting ones included.
    fn load(&self) -> usize {
        let roster = self.roster.borrow();
        let taken = roster.ready.iter().map(|worker| worker.taken());
        taken.sum::<usize>() + self.queue.len()
    }

    fn report(&self, event: Event) {
        // Without a supervisor the pool has ended, and nothing matters any more.
        let _ = self.events.send(event);
    }

    fn publish(&self, roster: Roster) {
        self.roster.send_replace(roster);
        self.serve_queue();
    }
}

impl Failure {
    /// A worker of this extension could not be started.
    fn new(extension: &Path, reason: String) -> Self {
        let kind = match Self::is_missing(extension) {
            true => FailureKind::Missing,
            false => FailureKind::NotStarted,
        };
        Self { kind, reason }
    }

    fn is_missing(extension: &Path) -> bool {
        matches!(extension.try_exists(), Ok(false))
    }

    fn to_error(&self) -> Error {
        let reason = self.reason.clone();
        match self.kind {
            FailureKind::Missing => Error::FileMissing(reason),
            FailureKind::NotStarted => Error::CannotStart(reason),
            FailureKind::Paused => Error::PoolStopped(reason),
            FailureKind::Off(until) => Error::PoolOff {
                reason,
                left: until.saturating_duration_since(Instant::now()),
            },
        }
    }
}

/// A delay that doubles each time, up to the longest.
fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(most)
}

/// Locks, also after a panic of another holder: what the pool guards is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
