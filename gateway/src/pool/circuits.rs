//! Keeps requests from workers that such requests have brought down again and again, so that they do not turn the pool
//! off for all others: a circuit breaker for each pattern of requests, which is a method and a path.
//!
//! The query is left out, or each request could be of another pattern, and so is the client: it does not bring workers
//! down, the code behind a path does, whoever asks for it.

mod table;

use std::borrow::Cow;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::{Method, Uri};

use super::lock;
use crate::config;
use crate::error::Error;
use crate::observe::status::CircuitStatus;
use crate::site;
use table::{Admission, Key, Refusal, Table};

/// Characters of a pattern that are shown.
const SHOWN: usize = 200;

/// The circuits of a pool.
pub struct Circuits {
    /// The pool's name, for the log.
    pool: String,
    /// Makes keys that nobody can aim at.
    hasher: RandomState,
    table: Mutex<Table>,
    /// Some circuit is not closed. Requests look no further when there is none.
    engaged: AtomicBool,
    openings: AtomicU64,
}

/// How a request has brought its worker down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process has gone because of it.
    Crash,
    /// It did not end, and the process is killed because of it.
    Hang,
}

/// A request on its way to a worker.
pub struct Gate<'a> {
    circuits: &'a Arc<Circuits>,
    method: &'a Method,
    uri: &'a Uri,
    /// Its pattern, as soon as some circuit has not been closed.
    key: Option<Key>,
}

/// A request that shows whether others like it can be let through again. When it is dropped without having
/// [passed](Self::pass) or been [blamed](Circuits::blame), the next one is the trial.
pub struct Trial {
    circuits: Arc<Circuits>,
    key: Key,
    number: u64,
}

impl Circuits {
    /// Of a pool where nothing has failed.
    pub fn new(pool: &str, policy: config::Circuit) -> Arc<Self> {
        Arc::new(Self {
            pool: pool.to_owned(),
            hasher: RandomState::new(),
            table: Mutex::new(Table::new(policy)),
            engaged: AtomicBool::new(false),
            openings: AtomicU64::new(0),
        })
    }

    /// What a request has to pass on its way to a worker.
    pub fn gate<'a>(self: &'a Arc<Self>, method: &'a Method, uri: &'a Uri) -> Gate<'a> {
        Gate {
            circuits: self,
            method,
            uri,
            key: None,
        }
    }

    fn check(&self, key: Key, now: Instant) -> Result<(), Error> {
        match lock(&self.table).refusal(key, now) {
            Some(refusal) => Err(refusal.into_error()),
            None => Ok(()),
        }
    }

    fn admit(self: &Arc<Self>, key: Key, now: Instant) -> Result<Option<Trial>, Error> {
        match lock(&self.table).admit(key, now) {
            Admission::Free => Ok(None),
            Admission::Trial(number) => Ok(Some(Trial {
                circuits: self.clone(),
                key,
                number,
            })),
            Admission::Refused(refusal) => Err(refusal.into_error()),
        }
    }

    /// This request has brought its worker down. Returns whether that counts as a failure of the pool (rapid-fail
    /// protection): the first of a pattern does.
    pub fn blame(&self, method: &Method, uri: &Uri, fault: Fault) -> bool {
        let (key, now) = (self.key(method, uri), Instant::now());
        let (opened, weighs) = {
            let mut table = lock(&self.table);
            let opened = table.failed(key, now, || describe(method, uri));
            let weighs = fault == Fault::Crash && table.weighs(key, now);
            self.note(&table);
            (opened, weighs)
        };
        if let Some(opened) = opened {
            self.openings.fetch_add(1, Relaxed);
            let (pool, pattern, failures) = (&self.pool, opened.pattern, opened.failures);
            tracing::error!(
                pool,
                "circuit open: {pattern} has crashed or hung {failures} times; such requests are answered with 503 for \
                 {:?}, then one is tried",
                opened.delay
            );
        }
        weighs
    }

    /// Forgets circuits that keep out what nobody asks for any more. To be called now and then.
    pub fn forget(&self, now: Instant) {
        if self.engaged.load(SeqCst) {
            let mut table = lock(&self.table);
            table.forget(now);
            self.note(&table);
        }
    }

    /// Lets everything through again, as if nothing had failed.
    pub fn forgive(&self) {
        let mut table = lock(&self.table);
        table.forgive();
        self.note(&table);
    }

    /// What the circuit of this request does: `closed`, `open` or `half_open`; `None` if none of its kind has failed.
    pub fn state(&self, method: &Method, uri: &Uri) -> Option<&'static str> {
        let table = lock(&self.table);
        let circuit = table.get(self.key(method, uri))?;
        Some(circuit.state.name())
    }

    /// Those that are not closed, for the status.
    pub fn status(&self) -> Vec<CircuitStatus> {
        let now = Instant::now();
        let table = lock(&self.table);
        let mut all: Vec<_> = table
            .engaged()
            .map(|circuit| {
                let left = circuit.state.holds_until();
                let left = left.map(|until| until.saturating_duration_since(now));
                CircuitStatus {
                    request: circuit.pattern.clone(),
                    state: circuit.state.name().to_owned(),
                    failures: circuit.failures,
                    refused: circuit.refused,
                    seconds: left.unwrap_or_default().as_secs_f64(),
                }
            })
            .collect();
        all.sort_by(|one, other| one.request.cmp(&other.request));
        all
    }

    /// How often one has been opened.
    pub fn openings(&self) -> u64 {
        self.openings.load(Relaxed)
    }

    /// Paths that handlers cannot tell apart are one (ISAPI.md §5.4).
    fn key(&self, method: &Method, uri: &Uri) -> Key {
        let path = site::path::decode(uri.path());
        let path = path.unwrap_or(Cow::Borrowed(uri.path().as_bytes()));
        let path = path.to_ascii_lowercase();
        Key(self.hasher.hash_one((method.as_str(), path)))
    }

    fn note(&self, table: &Table) {
        let engaged = table.engaged().next().is_some();
        self.engaged.store(engaged, SeqCst);
    }
}

impl Gate<'_> {
    /// Whether the request may wait for a worker.
    ///
    /// # Errors
    /// [`Error::CircuitOpen`] if it may not.
    pub fn check(&mut self) -> Result<(), Error> {
        match self.key() {
            Some(key) => self.circuits.check(key, Instant::now()),
            None => Ok(()),
        }
    }

    /// Lets the request through to a worker, as a trial or because its circuit is closed.
    ///
    /// # Errors
    /// [`Error::CircuitOpen`] if it is not let through.
    pub fn admit(&mut self) -> Result<Option<Trial>, Error> {
        match self.key() {
            Some(key) => self.circuits.admit(key, Instant::now()),
            None => Ok(None),
        }
    }

    /// Of what pattern it is, while that matters.
    fn key(&mut self) -> Option<Key> {
        if !self.circuits.engaged.load(SeqCst) {
            return None;
        }
        let key = || self.circuits.key(self.method, self.uri);
        Some(*self.key.get_or_insert_with(key))
    }
}

impl Trial {
    /// The worker has ended the request and lives.
    pub fn pass(self) {
        let circuits = &self.circuits;
        let passed = {
            let mut table = lock(&circuits.table);
            let passed = table.passed(self.key, self.number);
            circuits.note(&table);
            passed
        };
        if let Some(pattern) = passed {
            let pool = &circuits.pool;
            tracing::warn!(
                pool,
                "circuit closed: {pattern} has been answered; such requests are let through again"
            );
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        lock(&self.circuits.table).released(self.key, self.number, Instant::now());
    }
}

impl Refusal {
    fn into_error(self) -> Error {
        let Self { pattern, left } = self;
        Error::CircuitOpen { pattern, left }
    }
}

/// "METHOD /path", bounded.
fn describe(method: &Method, uri: &Uri) -> String {
    let text = method.as_str().chars().chain([' ']);
    text.chain(uri.path().chars()).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn circuits() -> Arc<Circuits> {
        let policy = config::Circuit {
            failures: 1,
            interval: Duration::from_secs(300),
            delay: HOUR,
            max_delay: HOUR,
        };
        Circuits::new("pool", policy)
    }

    fn is_open(circuits: &Circuits, method: &Method, target: &str) -> bool {
        circuits.state(method, &target.parse().unwrap()) == Some("open")
    }

    #[test]
    fn a_pattern_is_a_method_and_what_the_path_means() {
        let circuits = circuits();
        let uri = "/app/X.dll/a?b=1".parse().unwrap();
        assert!(circuits.blame(&Method::GET, &uri, Fault::Crash));
        assert!(!circuits.blame(&Method::GET, &uri, Fault::Crash));
        for same in [
            "/app/x.dll/a",
            "/app/X.dll/a?c",
            "/%61pp/./X.dll//a",
            "/APP/X.DLL/A",
        ] {
            assert!(is_open(&circuits, &Method::GET, same), "{same}");
        }
        assert!(!is_open(&circuits, &Method::POST, "/app/X.dll/a"));
        assert!(!is_open(&circuits, &Method::GET, "/app/X.dll/b"));
        let status = circuits.status();
        assert_eq!(status.len(), 1);
        assert_eq!(
            (&*status[0].request, status[0].failures),
            ("GET /app/X.dll/a", 2)
        );
    }

    #[test]
    fn hangs_are_no_failures_of_the_pool() {
        let circuits = circuits();
        let uri = "/".parse().unwrap();
        assert!(!circuits.blame(&Method::GET, &uri, Fault::Hang));
        assert!(is_open(&circuits, &Method::GET, "/"));
        assert!(circuits.blame(&Method::GET, &uri, Fault::Crash));
    }

    #[test]
    fn a_trial_that_nobody_has_judged_leaves_room_for_another() {
        let circuits = circuits();
        let (method, uri) = (Method::GET, "/".parse().unwrap());
        circuits.blame(&method, &uri, Fault::Crash);
        let (key, late) = (circuits.key(&method, &uri), Instant::now() + HOUR);
        let trial = circuits.admit(key, late).unwrap().unwrap();
        assert!(circuits.check(key, late).is_err());
        assert!(circuits.admit(key, late).is_err());
        drop(trial);
        assert!(circuits.check(key, late).is_ok());
        let trial = circuits.admit(key, late).unwrap().unwrap();
        trial.pass();
        assert!(circuits.gate(&method, &uri).admit().unwrap().is_none());
        assert_eq!((circuits.status(), circuits.openings()), (vec![], 1));
    }

    #[test]
    fn requests_look_no_further_when_what_was_kept_out_is_forgotten() {
        let circuits = circuits();
        let (method, uri) = (Method::GET, "/".parse().unwrap());
        circuits.blame(&method, &uri, Fault::Crash);
        circuits.forget(Instant::now());
        let mut gate = circuits.gate(&method, &uri);
        assert!(gate.check().is_err() && gate.admit().is_err());
        circuits.forget(Instant::now() + 2 * HOUR);
        assert!(gate.admit().unwrap().is_none() && gate.key().is_none());
        assert_eq!(circuits.status(), []);
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let uri = format!("/{}", "x".repeat(10_000)).parse().unwrap();
        let method = Method::from_bytes(&[b'M'; 10_000]).unwrap();
        assert_eq!(describe(&method, &uri).len(), SHOWN);
    }
}
