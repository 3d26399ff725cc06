//! What is looked at once a second, and what of it is a reason to replace or kill a worker: the extension's file, the
//! memory of the workers, their answers to pings, the time of day; how many requests there are, and which take long. What keeps
//! requests out is forgotten after a time.

mod schedule;
mod slow;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Zoned;
use jiff::civil::DateTime;
use tokio::time::MissedTickBehavior;

use super::Pool;
use super::state::{Cause, Event, Reason};
use super::worker::Worker;
use crate::config::Workers;
use crate::file::{FileWatch, Identity};
use crate::os;

/// How often.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks after a pool until the task is dropped.
pub async fn run(pool: Arc<Pool>) {
    let mut rounds = Rounds::new(&pool);
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let workers: Vec<_> = pool.roster.borrow().serving().cloned().collect();
        let path = pool.extension.clone();
        let config = &pool.config;
        let wants_memory = config.memory_limit > 0 || config.recycle.memory > 0;
        let pids: Vec<u32> = workers
            .iter()
            .filter(|_| wants_memory)
            .map(|worker| worker.pid)
            .collect();
        // Files can make one wait, and requests share this thread.
        let Ok(seen) = tokio::task::spawn_blocking(move || Seen::now(path, &pids)).await else {
            return;
        };
        rounds.judge(&pool, &workers, seen);
        slow::log(&pool, config.slow_request);
        pool.circuits.forget(Instant::now());
    }
}

/// What the system says.
struct Seen {
    file: Option<Identity>,
    /// Private bytes of each worker that was asked about.
    memory: Vec<u64>,
    time: DateTime,
}

impl Seen {
    fn now(extension: PathBuf, pids: &[u32]) -> Self {
        Self {
            file: Identity::of(&extension),
            memory: match pids {
                [] => Vec::new(),
                pids => os::usage(pids).iter().map(|usage| usage.memory).collect(),
            },
            time: Zoned::now().datetime(),
        }
    }
}

struct Rounds {
    file: FileWatch,
    time: DateTime,
    /// Requests that the workers had served.
    served: u64,
}

impl Rounds {
    fn new(pool: &Pool) -> Self {
        Self {
            file: FileWatch::new(Identity::of(&pool.extension)),
            time: Zoned::now().datetime(),
            served: 0,
        }
    }

    fn judge(&mut self, pool: &Pool, workers: &[Arc<Worker>], seen: Seen) {
        let config = &pool.config;
        if self.file.has_changed(seen.file) && config.recycle.file_changed {
            pool.report(Event::RecycleAll(Reason::FileChanged));
        }
        if schedule::is_due(&config.recycle.schedule, self.time, seen.time) {
            pool.report(Event::RecycleAll(Reason::Schedule));
        }
        self.time = seen.time;
        for (worker, memory) in workers.iter().zip(seen.memory) {
            let event = judge_memory(config, worker, memory);
            event.into_iter().for_each(|event| pool.report(event));
        }
        for worker in workers {
            // The worker itself says so once only, and may have had to stay then.
            if worker.is_used_up() {
                pool.report(Event::Recycle(worker.id, Reason::Requests));
            }
            ping(pool, worker);
        }
        if pool.is_elastic() {
            // A worker that was busy and is not any more was needed all the same.
            let served = workers.iter().map(|worker| worker.served()).sum();
            let was_busy = std::mem::replace(&mut self.served, served) != served;
            pool.report(Event::Load(pool.load().max(usize::from(was_busy))));
        }
    }
}

fn judge_memory(config: &Workers, worker: &Worker, bytes: u64) -> Option<Event> {
    let exceeds = |limit: u64| limit > 0 && bytes > limit;
    if exceeds(config.memory_limit) {
        Some(Event::Broken(worker.id, Cause::Memory(bytes)))
    } else if exceeds(config.recycle.memory) {
        Some(Event::Recycle(worker.id, Reason::Memory(bytes)))
    } else {
        None
    }
}

/// A worker answers pings also when all threads of its extension hang: the thread that reads the connection does it.
fn ping(pool: &Pool, worker: &Worker) {
    let config = &pool.config;
    if config.ping_interval.is_zero() {
        return;
    }
    let Some(lane) = worker.lanes.first() else {
        return;
    };
    if lane.ping(Instant::now(), config.ping_interval) > config.ping_timeout {
        pool.report(Event::Broken(worker.id, Cause::NoPong));
    }
}
