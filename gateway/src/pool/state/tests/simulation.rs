//! A pool with its requests, simulated from a seed: requests come, finish and leave, workers start, die, hang and are
//! replaced, in any order. Every request ends once, and none because of a planned replacement.
//!
//! `POOL_SIMULATIONS=N` runs N histories instead of the usual number; a failure names its seed.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::*;
use crate::error::Error;
use crate::pool::queue::{Queue, Ticket};
use crate::pool::repeat::Trials;

const SIMULATIONS: u64 = 100_000;
/// Events of one history at most, its end left aside.
const EVENTS: usize = 40;

#[test]
fn every_request_ends_once_whatever_happens() {
    let count = std::env::var("POOL_SIMULATIONS");
    let count = count.map_or(SIMULATIONS, |count| count.parse().unwrap());
    for seed in 0..count {
        let run = std::panic::catch_unwind(|| Simulation::new(seed).run());
        assert!(run.is_ok(), "seed {seed}");
    }
}

struct Simulation {
    random: Random,
    state: State,
    policy: Policy,
    now: Instant,
    workers: BTreeMap<WorkerId, Process>,
    /// Requests in one worker at the same time.
    room: usize,
    queue: Queue<WorkerId>,
    queue_length: usize,
    requests: Vec<Request>,
    holds: Vec<Duration>,
    paused: bool,
}

#[derive(Debug, Default)]
struct Process {
    ready: bool,
    lingering: bool,
    retiring: bool,
    closed: bool,
    killed: bool,
    requests: Vec<usize>,
}

#[derive(Default)]
struct Request {
    place: Place,
    trials: Trials,
    repeatable: bool,
    /// The worker that its client is bound to.
    bound: Option<WorkerId>,
}

#[derive(Default)]
enum Place {
    /// On its way to a worker or into the queue.
    #[default]
    Nowhere,
    Queue(oneshot::Receiver<Result<WorkerId, Error>>),
    Worker,
    Ended,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let processes = random.below(3) + 1;
        let overlap = processes > 1 || random.one_in(2);
        let min_spare = random.below(processes + 1);
        let policy = Policy {
            processes,
            min_spare,
            max_spare: min_spare + random.below(2),
            idle_timeout: Duration::from_secs(random.below(2) as u64 * 30),
            overlap,
            sticky_drain: Duration::from_secs(match overlap {
                true => random.below(2) as u64 * 60,
                false => 0,
            }),
            max_age: Duration::from_secs(random.below(2) as u64 * 100),
            rapid_fail: RapidFail {
                failures: random.below(4),
                ..POLICY.rapid_fail
            },
            ..POLICY
        };
        let queue_length = random.below(4);
        Self {
            state: State::new(policy),
            policy,
            now: Instant::now(),
            workers: BTreeMap::new(),
            room: random.below(3) + 1,
            queue: Queue::new(queue_length),
            queue_length,
            requests: Vec::new(),
            holds: Vec::new(),
            paused: false,
            random,
        }
    }

    fn run(mut self) {
        self.step(Event::Tick);
        for _ in 0..self.random.below(EVENTS) {
            self.happen();
        }
        self.step(Event::Stop(HOUR));
        // Requests that wait are told; those in workers finish or are killed with them.
        for _ in 0..100 {
            if self.state.is_finished() {
                break;
            }
            self.wind_down();
        }
        assert!(self.state.is_finished());
        assert!(
            self.requests
                .iter()
                .all(|request| matches!(request.place, Place::Ended))
        );
    }

    fn happen(&mut self) {
        match self.random.below(16) {
            0..5 => self.arrive(),
            5 | 6 => self.finish(),
            7 | 8 => self.start(),
            9 => self.leave(),
            10 => self.exit(),
            11 => self.pass_time(),
            12 => self.recycle(),
            13 => self.die(),
            14 => self.stick(),
            _ => self.step(Event::Load(self.load())),
        }
    }

    fn wind_down(&mut self) {
        self.pass_time();
        self.finish();
        self.exit();
    }

    /// A request comes.
    fn arrive(&mut self) {
        let repeatable = self.random.one_in(2);
        let is_bound = !self.policy.sticky_drain.is_zero() && self.random.one_in(2);
        let bound = is_bound.then(|| self.some_worker(|_| true)).flatten();
        self.requests.push(Request {
            repeatable,
            bound,
            ..Request::default()
        });
        self.place(self.requests.len() - 1);
    }

    /// As `Pool::take` does it.
    fn place(&mut self, request: usize) {
        let bound = self.requests[request].bound;
        if self.queue.is_empty() {
            match self.take(bound) {
                Ok(Some(id)) => return self.enter(request, id),
                Ok(None) => {}
                Err(_) => return self.end(request),
            }
        }
        match self.queue.join(Ticket { lane: 0, bound }) {
            Some(answer) => {
                self.requests[request].place = Place::Queue(answer);
                self.step(Event::Load(self.load()));
            }
            None => self.end(request),
        }
    }

    /// As `Pool::try_take` does it.
    fn take(&self, bound: Option<WorkerId>) -> Result<Option<WorkerId>, Error> {
        let candidates = self.candidates(bound)?;
        let with_room = candidates.into_iter().filter(|id| self.has_room(*id));
        Ok(with_room.min_by_key(|id| self.workers[id].requests.len()))
    }

    /// The workers that may take a request, room or not.
    fn candidates(&self, bound: Option<WorkerId>) -> Result<Vec<WorkerId>, Error> {
        if self.state.is_stopping() {
            return Err(Error::Stopping);
        }
        let mut serving = self.state.ready().chain(self.state.lingering());
        if let Some(id) = serving.find(|id| bound == Some(*id))
            && !self.workers[&id].retiring
        {
            return Ok(vec![id]);
        }
        let ready: Vec<WorkerId> = self.state.ready().collect();
        if ready.is_empty() && self.state.failure().is_some() {
            return Err(Error::CannotStart(String::new()));
        }
        Ok(ready)
    }

    fn has_room(&self, id: WorkerId) -> bool {
        let worker = &self.workers[&id];
        let alive = worker.ready && !worker.retiring && !worker.killed;
        alive && worker.requests.len() < self.room
    }

    fn enter(&mut self, request: usize, id: WorkerId) {
        assert!(
            self.has_room(id),
            "{id:?} gets a request that it has no room for"
        );
        let worker = self.workers.get_mut(&id).unwrap();
        let is_bound = self.requests[request].bound == Some(id);
        assert!(is_bound || !worker.lingering, "{id:?} gets a new client");
        worker.requests.push(request);
        self.requests[request].place = Place::Worker;
    }

    fn end(&mut self, request: usize) {
        let place = std::mem::replace(&mut self.requests[request].place, Place::Ended);
        assert!(!matches!(place, Place::Ended), "a request ended twice");
    }

    /// A request in a worker is answered.
    fn finish(&mut self) {
        let busy = self.some_worker(|worker| !worker.requests.is_empty());
        if let Some(id) = busy {
            let request = self.workers.get_mut(&id).unwrap().requests.remove(0);
            self.end(request);
            self.report_idle(id);
            self.serve();
        }
    }

    /// The client of a request that waits goes away.
    fn leave(&mut self) {
        let waits = |request: &Request| matches!(request.place, Place::Queue(_));
        if let Some(request) = self.requests.iter().position(waits) {
            self.end(request);
        }
    }

    /// A worker starts, or does not.
    fn start(&mut self) {
        if let Some(id) = self.some_worker(|worker| !worker.ready && !worker.killed) {
            if self.random.one_in(4) {
                self.step(Event::StartFailed(id, failure("failed")));
            } else {
                self.workers.get_mut(&id).unwrap().ready = true;
                self.step(Event::Started(id));
            }
        }
    }

    /// A process goes that was told to.
    fn exit(&mut self) {
        if let Some(id) = self.some_worker(|worker| worker.killed || worker.closed) {
            self.bury(id);
        }
    }

    /// A process goes that was not told to.
    fn die(&mut self) {
        if let Some(id) = self.some_worker(|_| true) {
            self.bury(id);
        }
    }

    /// What happens to the requests of a worker that has gone.
    fn bury(&mut self, id: WorkerId) {
        let worker = self.workers.remove(&id).unwrap();
        let culprit_is_known = self.random.one_in(2);
        let mut again = Vec::new();
        for (index, request) in worker.requests.into_iter().enumerate() {
            let is_culprit = culprit_is_known && index == 0;
            let Request {
                trials,
                repeatable,
                place,
                ..
            } = &mut self.requests[request];
            if *repeatable && !is_culprit && trials.lost(culprit_is_known) {
                *place = Place::Nowhere;
                again.push(request);
            } else {
                self.end(request);
            }
        }
        let is_felled = culprit_is_known && worker.ready && self.random.one_in(2);
        self.step(match is_felled {
            true => Event::Felled(id),
            false => Event::Exited(id, failure("died")),
        });
        for request in again {
            self.place(request);
        }
    }

    fn pass_time(&mut self) {
        match self.state.next_tick() {
            Some(due) if self.random.one_in(2) => self.now = self.now.max(due),
            _ => self.now += Duration::from_secs(self.random.below(20) as u64),
        }
        self.step(Event::Tick);
    }

    fn recycle(&mut self) {
        let event = match (self.some_worker(|_| true), self.random.below(8)) {
            (_, 4) => Event::Pause,
            (_, 5..) => Event::Resume,
            (_, 0) => Event::RecycleAll(Reason::FileChanged),
            (None, _) | (_, 1) => Event::RecycleAll(Reason::Schedule),
            (Some(worker), 2) => Event::Unhealthy {
                worker,
                reason: String::new(),
            },
            (Some(id), _) => Event::Recycle(id, Reason::Requests),
        };
        self.step(event);
    }

    /// A worker hangs, with one of its requests or altogether.
    fn stick(&mut self) {
        if let Some(id) = self.some_worker(|worker| worker.ready) {
            let event = match self.random.below(3) {
                0 => Event::Condemned(id),
                1 => Event::Broken(id, Cause::NoPong),
                _ => Event::Broken(id, Cause::Memory(1)),
            };
            self.step(event);
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Pause => self.paused = true,
            Event::Resume => self.paused = false,
            _ => {}
        }
        for action in self.state.step(self.now, event) {
            match action {
                Action::Spawn(id) => {
                    let before = self.workers.insert(id, Process::default());
                    assert!(before.is_none() && !self.paused);
                }
                Action::Linger(id, _) => {
                    let worker = self.workers.get_mut(&id).unwrap();
                    assert!(worker.ready && !worker.lingering);
                    assert!(!worker.retiring && !worker.killed);
                    worker.lingering = true;
                }
                Action::Retire(id, _) => {
                    let worker = self.workers.get_mut(&id).unwrap();
                    assert!(worker.ready && !worker.retiring && !worker.killed);
                    worker.retiring = true;
                }
                Action::Close(id) => {
                    let worker = self.workers.get_mut(&id).unwrap();
                    assert!(worker.requests.is_empty(), "a planned end loses a request");
                    worker.closed = true;
                }
                Action::Kill(id, cause) => {
                    let late = [
                        Cause::LateStop,
                        Cause::Stuck,
                        Cause::NoPong,
                        Cause::Memory(1),
                    ];
                    let worker = self.workers.get_mut(&id).unwrap();
                    assert!(
                        worker.requests.is_empty() || late.contains(&cause),
                        "{cause}"
                    );
                    worker.killed = true;
                }
                Action::Hold(delay) => self.holds.push(delay),
                Action::KeepOld => assert!(self.state.ready().next().is_some()),
            }
        }
        let most = self.policy.processes * if self.policy.overlap { 2 } else { 1 };
        assert!(self.workers.len() <= most, "{:?}", self.workers);
        assert!(
            self.holds
                .iter()
                .all(|hold| *hold <= self.policy.rapid_fail.max_delay)
        );
        self.serve();
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            self.report_idle(id);
        }
    }

    /// As `Worker` does it.
    fn report_idle(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get(&id)
            && worker.retiring
            && worker.requests.is_empty()
            && !worker.closed
            && !worker.killed
        {
            self.step(Event::Idle(id));
        }
    }

    /// Those who wait get what there is, the first first.
    fn serve(&mut self) {
        // The slot that the queue hands out takes room at once, as a real one does.
        let taken = std::cell::RefCell::new(BTreeMap::<WorkerId, usize>::new());
        self.queue.serve(|ticket| {
            let mut ready = self.candidates(ticket.bound)?;
            ready.retain(|id| self.has_room(*id));
            let mut taken = taken.borrow_mut();
            let used = |id: &WorkerId, taken: &BTreeMap<WorkerId, usize>| {
                self.workers[id].requests.len() + taken.get(id).copied().unwrap_or(0)
            };
            let found = ready.into_iter().find(|id| used(id, &taken) < self.room);
            if let Some(id) = found {
                *taken.entry(id).or_default() += 1;
            }
            Ok(found)
        });
        let mut waiting = 0;
        for request in 0..self.requests.len() {
            if let Place::Queue(answer) = &mut self.requests[request].place {
                match answer.try_recv() {
                    Ok(Ok(id)) => self.enter(request, id),
                    Ok(Err(_)) => self.end(request),
                    Err(oneshot::error::TryRecvError::Empty) => waiting += 1,
                    Err(oneshot::error::TryRecvError::Closed) => panic!("a request was forgotten"),
                }
            }
        }
        assert!(waiting <= self.queue_length);
    }

    fn load(&self) -> usize {
        let in_workers = self
            .state
            .ready()
            .map(|id| self.workers[&id].requests.len());
        in_workers.sum::<usize>() + self.queue.len()
    }

    fn some_worker(&mut self, fits: impl Fn(&Process) -> bool) -> Option<WorkerId> {
        let fitting = self.workers.iter().filter(|(_, worker)| fits(worker));
        let ids: Vec<WorkerId> = fitting.map(|(id, _)| *id).collect();
        (!ids.is_empty()).then(|| ids[self.random.below(ids.len())])
    }
}

/// SplitMix64: the same numbers for the same seed, on every system.
struct Random(u64);

impl Random {
    /// A number less than `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((number ^ (number >> 31)) % end as u64).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}
