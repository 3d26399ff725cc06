//! What the load generator has seen.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Longest latency that is told apart from longer ones, ns.
const LONGEST: u64 = 100_000_000_000;

/// The figures of one run.
#[derive(Debug)]
pub struct Tally {
    /// Answers that came whole while it counted.
    pub completed: u64,
    /// Bytes of bodies that came while it counted.
    pub bytes: u64,
    /// Requests that failed at any time, the warm-up included.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
    /// From when a request was due until its answer was whole, ns.
    pub latency: Histogram<u64>,
    /// How late the generator itself sent requests for which a connection was free, ns.
    pub lateness: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            completed: 0,
            bytes: 0,
            errors: 0,
            first_error: None,
            latency: histogram(),
            lateness: histogram(),
        }
    }
}

impl Tally {
    /// Adds what another thread has seen.
    pub fn add(&mut self, other: Self) {
        self.completed += other.completed;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        // Both have the same bounds, so that it cannot fail.
        let _ = self.latency.add(&other.latency);
        let _ = self.lateness.add(&other.lateness);
    }

    /// The latency that this part of the requests did not exceed, µs.
    pub fn latency_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// Three digits from 1 ns to 100 s, in a fixed amount of memory.
#[allow(clippy::expect_used, reason = "the bounds are constants")]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are valid")
}

/// Counts what happens between two moments; shared by the connections of a thread.
pub struct Recorder {
    begin: Instant,
    end: Instant,
    tally: RefCell<Tally>,
}

impl Recorder {
    /// Counts from `begin` to `end`.
    pub fn new(begin: Instant, end: Instant) -> Self {
        Self {
            begin,
            end,
            tally: RefCell::default(),
        }
    }

    /// An answer that was due at `due` is whole. A closed loop counts what is completed in time.
    pub fn completed(&self, due: Instant) {
        let now = Instant::now();
        if self.counts(now) {
            self.record(now - due);
        }
    }

    /// The same for an open loop, which counts what was due in time: late answers must not drop out.
    pub fn answered(&self, due: Instant) {
        if self.counts(due) {
            self.record(due.elapsed());
        }
    }

    /// A request was sent so much later than it was due, though a connection was free.
    pub fn late(&self, by: Duration) {
        let _ = self.tally.borrow_mut().lateness.record(nanoseconds(by));
    }

    /// Bytes of a body have come.
    pub fn received(&self, bytes: u64) {
        if bytes > 0 && self.counts(Instant::now()) {
            self.tally.borrow_mut().bytes += bytes;
        }
    }

    /// A request has failed.
    pub fn error(&self, text: impl FnOnce() -> String) {
        let mut tally = self.tally.borrow_mut();
        tally.errors += 1;
        tally.first_error.get_or_insert_with(text);
    }

    /// What was counted.
    pub fn tally(&self) -> Tally {
        self.tally.take()
    }

    fn counts(&self, moment: Instant) -> bool {
        (self.begin..self.end).contains(&moment)
    }

    fn record(&self, latency: Duration) {
        let mut tally = self.tally.borrow_mut();
        tally.completed += 1;
        // Within the bounds, so that it cannot fail.
        let _ = tally.latency.record(nanoseconds(latency));
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos())
        .unwrap_or(LONGEST)
        .clamp(1, LONGEST)
}
