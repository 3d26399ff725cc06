//! The requests of a lane, by number, each from its begin to the worker's END_REQUEST.

use std::sync::Arc;
use std::time::Instant;

use http::{Method, Uri};

use super::circuits::Trial;
use super::exchange::Exchange;
use super::worker::Slot;
use crate::observe::status::RequestStatus;

/// One request.
pub struct Entry {
    /// What its reader and its pump know.
    pub exchange: Arc<Exchange>,
    /// Its room in the worker.
    pub slot: Slot,
    /// What it shows of others like it.
    pub trial: Option<Trial>,
    /// When it was given to the worker.
    pub begun: Instant,
    /// Its method, for the log.
    pub method: Method,
    /// Its target, for the log.
    pub uri: Uri,
    /// The last callback that was traced.
    pub last_call: Option<String>,
    /// Whether it has been said that it is slow.
    pub slow: bool,
    /// Whether ABORT_REQUEST has been sent.
    pub aborted: bool,
    /// Whether it has run too long, and its client has been told.
    pub late: bool,
}

/// All requests of a lane.
#[derive(Default)]
pub struct Entries {
    /// Number i + 1 at index i: numbers are small (FastCGI 1.0 §3.3).
    entries: Vec<Option<Entry>>,
}

impl Entries {
    /// Adds a request under its exchange's number.
    pub fn insert(&mut self, entry: Entry) {
        let index = usize::from(entry.exchange.id).saturating_sub(1);
        if self.entries.len() <= index {
            self.entries.resize_with(index + 1, || None);
        }
        self.entries[index] = Some(entry);
    }

    /// The request with this number.
    pub fn get(&mut self, id: u16) -> Option<&mut Entry> {
        let index = usize::from(id).checked_sub(1)?;
        self.entries.get_mut(index)?.as_mut()
    }

    /// The request of this exchange, unless its number belongs to another one by now.
    pub fn of(&mut self, exchange: &Arc<Exchange>) -> Option<&mut Entry> {
        self.get(exchange.id)
            .filter(|entry| Arc::ptr_eq(&entry.exchange, exchange))
    }

    /// Removes the request with this number.
    pub fn remove(&mut self, id: u16) -> Option<Entry> {
        let index = usize::from(id).checked_sub(1)?;
        self.entries.get_mut(index)?.take()
    }

    /// The requests in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flatten()
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().flatten()
    }
}

impl Entry {
    /// For the status.
    pub fn status(&self, now: Instant) -> RequestStatus {
        RequestStatus {
            request: self.describe(),
            seconds: now.saturating_duration_since(self.begun).as_secs_f64(),
            sent_bytes: self.exchange.sent(),
            last_call: self.last_call.clone(),
        }
    }

    /// "METHOD /path", bounded, for the log.
    pub fn describe(&self) -> String {
        format!("{} {}", self.method, self.path())
    }

    /// The path, bounded.
    pub fn path(&self) -> String {
        /// The most characters of it.
        const SHOWN: usize = 200;
        self.uri.path().chars().take(SHOWN).collect()
    }
}
