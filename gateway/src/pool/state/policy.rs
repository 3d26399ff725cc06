//! How many workers there should be.

use std::time::Duration;

use crate::config::{self, RapidFail, Start};

/// What the configuration says about the processes of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Workers at most, those that finish and those that take the place of others left aside.
    pub processes: usize,
    /// Workers that shall be ready beyond what the load needs …
    pub min_spare: usize,
    /// … and beyond which they are ended when that has lasted for `idle_timeout`.
    pub max_spare: usize,
    /// Zero: never.
    pub idle_timeout: Duration,
    /// Requests that one worker runs at the same time.
    pub threads: usize,
    /// Whether a worker may start while another one finishes.
    pub overlap: bool,
    /// How long a worker that is replaced goes on for the clients that are bound to it; zero: not at all.
    pub sticky_drain: Duration,
    /// How long a worker takes requests; zero: for ever.
    pub max_age: Duration,
    /// How long a worker may take to start.
    pub startup_timeout: Duration,
    /// How long a worker that takes no new requests may take to finish.
    pub shutdown_timeout: Duration,
    /// When workers that die again and again are not replaced at once any more.
    pub rapid_fail: RapidFail,
}

impl Policy {
    /// What the configuration says.
    pub fn new(config: &config::Pool) -> Self {
        let workers = &config.workers;
        let processes = config.processes.max(1);
        let (min_spare, max_spare) = match workers.start {
            Start::Always => (processes, processes),
            Start::Dynamic {
                min_spare,
                max_spare,
            } => (min_spare, max_spare),
            Start::OnDemand => (0, 0),
        };
        Self {
            processes,
            min_spare,
            max_spare,
            idle_timeout: workers.idle_timeout,
            threads: config.threads,
            overlap: workers.overlap,
            sticky_drain: workers.sticky_drain,
            max_age: workers.recycle.age,
            startup_timeout: config.startup_timeout,
            shutdown_timeout: config.shutdown_timeout,
            rapid_fail: workers.rapid_fail,
        }
    }

    /// Workers for this many requests, with so many to spare.
    pub fn wanted(&self, load: usize, spare: usize) -> usize {
        let needed = load.div_ceil(self.threads.max(1));
        needed.saturating_add(spare).min(self.processes)
    }

    /// Processes that may exist, those included that finish or are being killed.
    pub fn most_alive(&self) -> usize {
        match self.overlap {
            true => 2 * self.processes,
            false => self.processes,
        }
    }
}
