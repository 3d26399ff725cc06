//! The circuits as a pure state machine, without I/O and without a clock of its own.
//!
//! A circuit is *closed*: its requests go to workers. When they have brought down too many, it is *open*: they do not.
//! When that is over, it is *half open*: one request, the trial, goes to a worker. If it ends well the circuit is closed,
//! if it does not the circuit is open for longer.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::config::Circuit as Policy;
use crate::pool::doubled;

/// Patterns that are remembered; those that were of no use for longest make room for others.
const MOST: usize = 256;

/// What stands for a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u64);

/// All circuits of a pool that matter.
#[derive(Debug)]
pub struct Table {
    policy: Policy,
    circuits: HashMap<Key, Circuit>,
    /// Numbers trials and uses.
    last: u64,
}

/// One circuit.
#[derive(Debug)]
pub struct Circuit {
    /// Its pattern, for people.
    pub pattern: String,
    /// What it does.
    pub state: State,
    /// Requests of it that crashed or hung.
    pub failures: u64,
    /// Requests that were not let through.
    pub refused: u64,
    /// The last failures while it was closed, fewer than the policy takes.
    recent: VecDeque<Instant>,
    /// How often it has been opened since it was closed.
    trips: u32,
    /// When a failure weighed last for the pool.
    weighed: Option<Instant>,
    used: u64,
}

/// What a circuit does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Lets them through.
    Closed,
    /// Lets none through.
    Open {
        /// Until when.
        until: Instant,
    },
    /// Waits for what becomes of one.
    HalfOpen {
        /// Which one.
        trial: u64,
        /// Until when, before there is another trial: one that goes on for ever shall not keep all others out.
        until: Instant,
    },
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// It goes to a worker.
    Free,
    /// It goes to a worker; [`Table::passed`] or [`Table::released`] shall be told of it by this number.
    Trial(u64),
    /// It does not.
    Refused(Refusal),
}

/// Why a request does not go to a worker.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its pattern.
    pub pattern: String,
    /// When it is worth trying again.
    pub left: Duration,
}

/// A circuit that has just been opened.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its pattern.
    pub pattern: String,
    /// Requests of it that crashed or hung.
    pub failures: u64,
    /// For how long it is open.
    pub delay: Duration,
}

impl State {
    /// Its name in the status and in reports.
    pub fn name(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half_open",
        }
    }

    /// Until when no request goes to a worker.
    pub fn holds_until(self) -> Option<Instant> {
        match self {
            State::Closed => None,
            State::Open { until } | State::HalfOpen { until, .. } => Some(until),
        }
    }
}

impl Table {
    /// Nothing has failed.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            circuits: HashMap::new(),
            last: 0,
        }
    }

    /// Why a request that comes now would not be let through.
    pub fn refusal(&mut self, key: Key, now: Instant) -> Option<Refusal> {
        let number = self.next();
        let circuit = self.circuits.get_mut(&key)?;
        let until = circuit.state.holds_until()?;
        circuit.used = number;
        if until <= now {
            return None;
        }
        circuit.refused += 1;
        let left = until - now;
        Some(Refusal {
            pattern: circuit.pattern.clone(),
            left: match circuit.state {
                // The trial will have ended long before.
                State::HalfOpen { .. } => left.min(self.policy.delay),
                State::Open { .. } | State::Closed => left,
            },
        })
    }

    /// A request is about to be given to a worker.
    pub fn admit(&mut self, key: Key, now: Instant) -> Admission {
        if let Some(refusal) = self.refusal(key, now) {
            return Admission::Refused(refusal);
        }
        let trial = self.next();
        let until = now + self.policy.max_delay;
        match self.circuits.get_mut(&key) {
            Some(circuit) if circuit.state != State::Closed => {
                circuit.state = State::HalfOpen { trial, until };
                Admission::Trial(trial)
            }
            _ => Admission::Free,
        }
    }

    /// A request has brought its worker down. Says so if that has opened its circuit.
    pub fn failed(
        &mut self,
        key: Key,
        now: Instant,
        pattern: impl FnOnce() -> String,
    ) -> Option<Opened> {
        let policy = self.policy;
        if policy.failures == 0 {
            return None;
        }
        let circuit = self.entry(key, pattern);
        circuit.failures += 1;
        match circuit.state {
            State::Closed => {
                let is_old = |at: &Instant| *at + policy.interval <= now;
                while circuit.recent.front().is_some_and(is_old) {
                    circuit.recent.pop_front();
                }
                circuit.recent.push_back(now);
                if circuit.recent.len() < policy.failures {
                    return None;
                }
                circuit.recent.clear();
            }
            // It was in its worker before the circuit was opened.
            State::Open { until } if now < until => return None,
            State::Open { .. } | State::HalfOpen { .. } => {}
        }
        let delay = doubled(policy.delay, circuit.trips, policy.max_delay);
        circuit.trips += 1;
        circuit.state = State::Open { until: now + delay };
        Some(Opened {
            pattern: circuit.pattern.clone(),
            failures: circuit.failures,
            delay,
        })
    }

    /// Whether a failure of this pattern is one of the pool: the first in an interval is.
    pub fn weighs(&mut self, key: Key, now: Instant) -> bool {
        let interval = self.policy.interval;
        let Some(circuit) = self.circuits.get_mut(&key) else {
            return true;
        };
        let weighs = circuit.weighed.is_none_or(|at| at + interval <= now);
        if weighs {
            circuit.weighed = Some(now);
        }
        weighs
    }

    /// The trial has ended well. Returns the pattern if that has closed its circuit.
    pub fn passed(&mut self, key: Key, trial: u64) -> Option<String> {
        let circuit = self.tried(key, trial)?;
        circuit.state = State::Closed;
        circuit.trips = 0;
        Some(circuit.pattern.clone())
    }

    /// Nothing is known of the trial: the next request is another one.
    pub fn released(&mut self, key: Key, trial: u64, now: Instant) {
        if let Some(circuit) = self.tried(key, trial) {
            circuit.state = State::Open { until: now };
        }
    }

    /// Forgets the circuits whose time has been over for an interval: nobody asks for what they keep out.
    pub fn forget(&mut self, now: Instant) {
        let interval = self.policy.interval;
        self.circuits.retain(|_, circuit| {
            let until = circuit.state.holds_until();
            until.is_none_or(|until| now < until + interval)
        });
    }

    /// As if nothing had failed.
    pub fn forgive(&mut self) {
        self.circuits.clear();
    }

    /// The circuit of a pattern, if it is remembered.
    pub fn get(&self, key: Key) -> Option<&Circuit> {
        self.circuits.get(&key)
    }

    /// The circuits that are not closed.
    pub fn engaged(&self) -> impl Iterator<Item = &Circuit> {
        let circuits = self.circuits.values();
        circuits.filter(|circuit| circuit.state != State::Closed)
    }

    fn tried(&mut self, key: Key, trial: u64) -> Option<&mut Circuit> {
        let circuit = self.circuits.get_mut(&key)?;
        let is_it =
            matches!(circuit.state, State::HalfOpen { trial: current, .. } if current == trial);
        is_it.then_some(circuit)
    }

    fn entry(&mut self, key: Key, pattern: impl FnOnce() -> String) -> &mut Circuit {
        if self.circuits.len() >= MOST && !self.circuits.contains_key(&key) {
            let circuits = self.circuits.iter();
            let oldest = circuits.min_by_key(|(_, circuit)| circuit.used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.circuits.remove(&oldest);
            }
        }
        let used = self.next();
        let circuit = self.circuits.entry(key).or_insert_with(|| Circuit {
            pattern: pattern(),
            state: State::Closed,
            failures: 0,
            refused: 0,
            recent: VecDeque::new(),
            trips: 0,
            weighed: None,
            used,
        });
        circuit.used = used;
        circuit
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

#[cfg(test)]
mod tests;
