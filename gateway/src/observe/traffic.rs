//! Counters of requests, and where they are kept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::metrics::histogram::Histogram;

use super::access_log::AccessLog;
use super::status::TrafficStatus;

/// Upper ends of the histograms' buckets, seconds.
const BUCKETS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// Names of the classes of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Where it is noted what has become of requests.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The access log, if there is one.
    pub log: Option<Arc<AccessLog>>,
    /// All requests of clients.
    pub all: Arc<Traffic>,
    /// Those of each pool, by its name.
    pub pools: BTreeMap<String, Arc<Traffic>>,
}

/// The requests of one pool, or of all clients.
#[derive(Debug)]
pub struct Traffic {
    /// How long answers took, seconds.
    pub duration: Histogram,
    /// How long requests waited for room, seconds.
    pub wait: Histogram,
    active: AtomicU64,
    answered: [AtomicU64; CLASSES.len()],
    sent: AtomicU64,
    received: AtomicU64,
    /// Microseconds of all answers.
    micros: AtomicU64,
    failed: Mutex<BTreeMap<&'static str, u64>>,
}

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub struct Over {
    /// Status of its answer; `None` when its client has gone before there was one.
    pub status: Option<StatusCode>,
    /// Label of its error.
    pub error: Option<&'static str>,
    /// How long its answer took.
    pub taken: Duration,
    /// Bytes of the answer's body.
    pub sent: u64,
    /// Bytes of its own body.
    pub received: u64,
}

impl Ledger {
    /// A ledger for these pools. It goes on with the counters of the one before it.
    pub fn new<'a>(
        log: Option<Arc<AccessLog>>,
        pools: impl Iterator<Item = &'a str>,
        before: &Ledger,
    ) -> Self {
        let traffic = |name: &'a str| {
            let traffic = before.pools.get(name).cloned().unwrap_or_default();
            (name.to_owned(), traffic)
        };
        Self {
            log,
            all: Arc::clone(&before.all),
            pools: pools.map(traffic).collect(),
        }
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            duration: Histogram::new(BUCKETS),
            wait: Histogram::new(BUCKETS),
            active: AtomicU64::new(0),
            answered: Default::default(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            micros: AtomicU64::new(0),
            failed: Mutex::default(),
        }
    }
}

impl Traffic {
    /// A request has come.
    pub fn begin(&self) {
        self.active.fetch_add(1, Relaxed);
    }

    /// A request that has come is over.
    pub fn end(&self, over: &Over) {
        self.active.fetch_sub(1, Relaxed);
        self.sent.fetch_add(over.sent, Relaxed);
        self.received.fetch_add(over.received, Relaxed);
        if let Some(error) = over.error {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            *failed.entry(error).or_default() += 1;
        }
        let Some(status) = over.status else {
            return;
        };
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len());
        self.answered[class - 1].fetch_add(1, Relaxed);
        let micros = u64::try_from(over.taken.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Relaxed);
        self.duration.observe(over.taken.as_secs_f64());
    }

    /// What has been counted.
    pub fn status(&self) -> TrafficStatus {
        let answered = CLASSES.iter().zip(&self.answered);
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        TrafficStatus {
            active: self.active.load(Relaxed),
            answered: answered
                .map(|(class, count)| ((*class).to_owned(), count.load(Relaxed)))
                .collect(),
            failed: failed
                .iter()
                .map(|(label, count)| ((*label).to_owned(), *count))
                .collect(),
            sent_bytes: self.sent.load(Relaxed),
            received_bytes: self.received.load(Relaxed),
            seconds: Duration::from_micros(self.micros.load(Relaxed)).as_secs_f64(),
        }
    }
}
