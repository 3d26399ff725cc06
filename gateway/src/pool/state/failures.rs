//! Rapid-fail protection (ISAPI.md §7.4): what failed lately, and how long no worker is started because of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::event::{Failure, FailureKind};
use crate::config::RapidFail;
use crate::pool::doubled;

/// The first delay after a start that failed …
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// … doubles with each further one up to this.
const LAST_DELAY: Duration = Duration::from_secs(30);
/// So many starts in a row may fail of an extension that has loaded before until requests are told; they wait for the
/// next one instead.
const PATIENCE: u32 = 3;

/// The failures of one pool.
#[derive(Debug)]
pub struct Failures {
    policy: RapidFail,
    /// The last ones, not more than the policy wants to know.
    recent: VecDeque<Instant>,
    /// How often the pool has been turned off without a quiet interval between.
    trips: u32,
    /// Starts that failed one after the other.
    failed_starts: u32,
    /// Whether a worker has ever started.
    has_loaded: bool,
    /// No start before this time.
    retry_at: Option<Instant>,
    /// From here an interval without failures counts.
    quiet_since: Option<Instant>,
    /// Why there is no worker; cleared by one that starts.
    last: Option<Failure>,
}

impl Failures {
    /// Nothing has failed.
    pub fn new(policy: RapidFail) -> Self {
        Self {
            policy,
            recent: VecDeque::new(),
            trips: 0,
            failed_starts: 0,
            has_loaded: false,
            retry_at: None,
            quiet_since: None,
            last: None,
        }
    }

    /// Why there is no worker; `None` before the first has tried, as soon as one has started, and while it may be a
    /// passing failure of an extension that is known to load.
    pub fn last(&self) -> Option<&Failure> {
        let may_pass = self.has_loaded && self.trips == 0 && self.failed_starts <= PATIENCE;
        self.last.as_ref().filter(|_| !may_pass)
    }

    /// When the next worker may be started, if not at once.
    pub fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Whether the next start is a trial: others wait for its outcome.
    pub fn is_trying(&self) -> bool {
        self.failed_starts > 0 || self.trips > 0
    }

    /// A worker has started.
    pub fn started(&mut self) {
        self.failed_starts = 0;
        self.has_loaded = true;
        self.retry_at = None;
        self.last = None;
    }

    /// A start failed. Returns how long the pool is off, if this turned it off.
    pub fn start_failed(&mut self, now: Instant, failure: Failure) -> Option<Duration> {
        self.last = Some(failure);
        if self.is_holding(now) {
            return None;
        }
        let off = self.count(now);
        let delay = doubled(FIRST_DELAY, self.failed_starts, LAST_DELAY);
        self.failed_starts += 1;
        self.hold(now + delay.max(off.unwrap_or_default()));
        off
    }

    /// A worker died in service. Returns how long the pool is off, if this turned it off.
    pub fn died(&mut self, now: Instant, reason: String) -> Option<Duration> {
        if self.is_holding(now) {
            return None;
        }
        let off = self.count(now)?;
        self.hold(now + off);
        self.last = Some(Failure {
            kind: FailureKind::Off(now + off),
            reason,
        });
        Some(off)
    }

    /// Something has changed that may make workers start: they are tried at once, as if nothing had failed.
    pub fn forgive(&mut self) {
        *self = Self::new(self.policy);
    }

    /// Workers that fail while no other is started have failed together with those that brought it about.
    fn is_holding(&self, now: Instant) -> bool {
        self.retry_at.is_some_and(|at| at > now)
    }

    fn hold(&mut self, until: Instant) {
        self.retry_at = Some(until);
        self.quiet_since = Some(until);
    }

    /// Counts one more; returns how long the pool is off if it is one too many.
    fn count(&mut self, now: Instant) -> Option<Duration> {
        let RapidFail {
            failures,
            interval,
            delay,
            max_delay,
        } = self.policy;
        if self
            .quiet_since
            .is_some_and(|since| now >= since + interval)
        {
            self.trips = 0;
            self.recent.clear();
        }
        self.quiet_since = Some(now);
        while self.recent.len() >= failures.max(1)
            || self.recent.front().is_some_and(|at| *at + interval <= now)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        if failures == 0 || (self.trips == 0 && self.recent.len() < failures) {
            return None;
        }
        let off = doubled(delay, self.trips, max_delay);
        self.trips += 1;
        Some(off)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const POLICY: RapidFail = RapidFail {
        failures: 3,
        interval: Duration::from_secs(60),
        delay: Duration::from_secs(1),
        max_delay: Duration::from_secs(8),
    };

    fn died(failures: &mut Failures, now: Instant) -> Option<u64> {
        let off = failures.died(now, "died".into());
        off.map(|off| off.as_secs())
    }

    #[test]
    fn too_many_in_the_interval_turn_the_pool_off_for_longer_and_longer() {
        let mut failures = Failures::new(POLICY);
        let mut now = Instant::now();
        assert_eq!(died(&mut failures, now), None);
        now += Duration::from_secs(59);
        assert_eq!(died(&mut failures, now), None);
        // The first is forgotten by now.
        now += Duration::from_secs(2);
        assert_eq!(died(&mut failures, now), None);
        assert!(failures.last().is_none());
        let mut times = Vec::new();
        for _ in 0..6 {
            times.push(died(&mut failures, now).unwrap());
            assert_eq!(
                failures.last().unwrap().kind,
                FailureKind::Off(failures.retry_at().unwrap())
            );
            assert_eq!(died(&mut failures, now), None, "it counts once");
            now = failures.retry_at().unwrap();
            failures.started();
        }
        assert_eq!(times, [1, 2, 4, 8, 8, 8]);
        now += POLICY.interval;
        assert_eq!(died(&mut failures, now), None);
    }

    #[test]
    fn zero_never_turns_it_off() {
        let mut failures = Failures::new(RapidFail {
            failures: 0,
            ..POLICY
        });
        let now = Instant::now();
        for _ in 0..100 {
            assert_eq!(died(&mut failures, now), None);
        }
        assert!(failures.recent.len() <= 1);
    }

    #[test]
    fn an_extension_that_has_loaded_may_fail_to_some_times() {
        let mut failures = Failures::new(RapidFail {
            failures: 0,
            ..POLICY
        });
        let failure = Failure {
            kind: FailureKind::NotStarted,
            reason: "killed".into(),
        };
        let mut now = Instant::now();
        let mut fails = |failures: &mut Failures| {
            assert_eq!(failures.start_failed(now, failure.clone()), None);
            now = failures.retry_at().unwrap();
            failures.last().is_some()
        };
        assert!(fails(&mut failures), "it has never loaded");
        failures.started();
        let told = [(); 5].map(|()| fails(&mut failures));
        assert_eq!(told, [false, false, false, true, true]);
        failures.started();
        assert!(!fails(&mut failures));
        failures.forgive();
        assert!(fails(&mut failures), "it is another one");
    }

    #[test]
    fn what_is_forgiven_does_not_count() {
        let mut failures = Failures::new(POLICY);
        let now = Instant::now();
        assert_eq!(
            [(); 3].map(|()| died(&mut failures, now)),
            [None, None, Some(1)]
        );
        assert!(failures.is_trying());
        failures.forgive();
        assert!(!failures.is_trying());
        assert_eq!((failures.retry_at(), failures.last()), (None, None));
        assert_eq!(died(&mut failures, now), None);
    }
}
