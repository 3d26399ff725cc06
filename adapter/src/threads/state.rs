//! What the threads know of each other: who reads which connection, who runs which request, and what waits. Pure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Source;
use crate::os::ThreadId;
use crate::session::Session;

/// What the lock of the pool guards.
#[derive(Default)]
pub(super) struct State {
    pub(super) stations: Vec<Station>,
    /// Connections that nobody reads, though somebody should.
    pub(super) unread: VecDeque<usize>,
    /// Requests that any thread may take.
    pub(super) waiting: VecDeque<Arc<Session>>,
    /// Requests that have been taken from there so far, and how many that had to be for all those that waited at the
    /// watch's last look.
    taken: u64,
    due: u64,
    /// Threads that were woken at the watch's last look because requests still waited.
    help: usize,
    /// Threads that have nothing to do.
    pub(super) idle: usize,
    /// Threads that run a request.
    pub(super) inside: usize,
    /// What each thread is running: index is the thread's number.
    pub(super) running: Vec<Option<Arc<Session>>>,
    /// The threads themselves.
    pub(super) handles: Vec<JoinHandle<()>>,
    /// What the watch does.
    pub(super) watch: Watch,
    /// When a reader last went on reading.
    pub(super) back: Option<Instant>,
}

/// A connection and the thread that reads it.
pub(super) struct Station {
    pub(super) source: Arc<dyn Source>,
    /// Where it is read, if not anywhere.
    pub(super) processor: Option<usize>,
    /// Its reader, who is bound to that processor.
    pub(super) bound: Option<ThreadId>,
    /// What its reader has brought and not run yet.
    batch: VecDeque<Arc<Session>>,
    /// Its reader is busy with that.
    away: bool,
    /// Its reader has left it to a thread that has waited for something, and has not taken it yet.
    left: bool,
    /// How often a reader went to work, or lost the connection to another thread.
    turns: u64,
    /// What that was at the watch's last look.
    seen: u64,
}

/// What the watch does meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Watch {
    /// It looks closely.
    #[default]
    Looks,
    /// It waits for its alarm, which is set.
    Alarmed,
    /// It looks now and then. Its alarm is not set.
    Rests,
}

/// A reader's going to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    station: usize,
    number: u64,
}

impl Turn {
    /// The connection.
    pub(super) fn station(self) -> usize {
        self.station
    }
}

/// What the watch has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// So many threads should help with the requests that wait.
    pub(super) help: usize,
    /// Connections that were given to other threads.
    pub(super) held_up: Vec<usize>,
    /// Something goes on that must be looked at closely.
    pub(super) busy: bool,
}

impl State {
    /// A connection that is to be read, on that processor if one is given.
    pub(super) fn add_source(&mut self, source: Arc<dyn Source>, processor: Option<usize>) {
        self.unread.push_back(self.stations.len());
        self.stations.push(Station {
            source,
            processor,
            bound: None,
            batch: VecDeque::new(),
            away: false,
            left: false,
            turns: 0,
            seen: 0,
        });
    }

    /// The connection whose reader went to work then, if that reader still has it.
    pub(super) fn source(&self, turn: Turn) -> Option<Arc<dyn Source>> {
        self.lasts(turn)
            .then(|| Arc::clone(&self.stations[turn.station].source))
    }

    /// The reader of a connection goes to work at what it has brought.
    pub(super) fn leave(&mut self, index: usize, ready: &mut Vec<Arc<Session>>) -> Turn {
        let station = &mut self.stations[index];
        // Mostly one or a few.
        for session in ready.drain(..) {
            station.batch.push_back(session);
        }
        (station.away, station.left) = (true, false);
        station.turns += 1;
        Turn {
            station: index,
            number: station.turns,
        }
    }

    /// The reader of a connection leaves it to a thread that it has woken.
    pub(super) fn leave_to_heir(&mut self, index: usize) {
        self.leave(index, &mut Vec::new());
        self.stations[index].left = true;
    }

    /// The connection, if it has been left, and no other thread reads it by now.
    pub(super) fn inherit(&mut self, own: &dyn Source) -> Option<Turn> {
        let mut stations = self.stations.iter_mut().enumerate();
        let (index, station) =
            stations.find(|(_, station)| std::ptr::addr_eq(Arc::as_ptr(&station.source), own))?;
        std::mem::take(&mut station.left).then_some(Turn {
            station: index,
            number: station.turns,
        })
    }

    /// A request for the reader of a connection: of those that it has brought, or else of those that anyone may take.
    /// `None` when there is none, when `limit` run, and when another thread reads the connection by now.
    pub(super) fn next_in(&mut self, turn: Turn, limit: usize) -> Option<Arc<Session>> {
        if self.inside >= limit || !self.lasts(turn) {
            return None;
        }
        let own = self.stations[turn.station].batch.pop_front();
        own.or_else(|| self.next(limit))
    }

    /// A request that any thread may take, unless `limit` run.
    pub(super) fn next(&mut self, limit: usize) -> Option<Arc<Session>> {
        if self.inside >= limit {
            return None;
        }
        let session = self.waiting.pop_front()?;
        self.taken += 1;
        Some(session)
    }

    /// The reader would go on reading. What it has left since too many run is for all. `false` when another thread reads.
    pub(super) fn come_back(&mut self, turn: Turn) -> bool {
        if !self.lasts(turn) {
            return false;
        }
        let station = &mut self.stations[turn.station];
        station.away = false;
        while let Some(session) = station.batch.pop_front() {
            self.waiting.push_back(session);
        }
        true
    }

    /// Gives the connection to another thread, and what its reader has left to all, if that reader still has it.
    pub(super) fn hand_over(&mut self, turn: Turn) -> bool {
        if !self.lasts(turn) {
            return false;
        }
        let station = &mut self.stations[turn.station];
        (station.away, station.left) = (false, false);
        station.turns += 1;
        while let Some(session) = station.batch.pop_front() {
            self.waiting.push_back(session);
        }
        self.unread.push_back(turn.station);
        true
    }

    /// What has not moved since the last look is held up: connections whose reader is at the same work still are given to
    /// other threads. For requests that have waited since then, twice as many threads are to be woken each time, or a
    /// hundred slow requests would start one after the other.
    pub(super) fn look(&mut self, limit: usize) -> Look {
        let mut moves = false;
        let mut held_up = Vec::new();
        for index in 0..self.stations.len() {
            let station = &mut self.stations[index];
            let same = std::mem::replace(&mut station.seen, station.turns) == station.turns;
            moves |= !same;
            let turn = Turn {
                station: index,
                number: station.turns,
            };
            if same && self.hand_over(turn) {
                held_up.push(index);
            }
        }
        let stuck = self.taken < self.due;
        self.due = self.taken + self.waiting.len() as u64;
        self.help = match stuck {
            true => (self.help * 2).clamp(1, limit),
            false => 0,
        };
        Look {
            help: self.help,
            held_up,
            busy: moves || self.is_held_up(),
        }
    }

    /// Whether the watch's alarm need not ring: nothing is to be seen, and nothing is likely to be soon, as nothing was
    /// for `patience`. Requests inside the extension want to be looked at in any case.
    pub(super) fn is_calm(&mut self, now: Instant, patience: Duration) -> bool {
        let before = self.back.replace(now);
        let is_rare = before.is_none_or(|before| now.saturating_duration_since(before) > patience);
        is_rare && self.inside == 0 && !self.is_held_up()
    }

    /// Whether something waits, or would if it came now, for a thread that is at work.
    pub(super) fn is_held_up(&self) -> bool {
        self.stations.iter().any(|station| station.away)
            || !self.waiting.is_empty()
            || !self.unread.is_empty()
    }

    /// Whether no request waits or runs.
    pub(super) fn is_quiet(&self) -> bool {
        self.inside == 0
            && self.waiting.is_empty()
            && self.stations.iter().all(|station| station.batch.is_empty())
    }

    /// Whether the reader that went to work then still is at it, and has the connection.
    fn lasts(&self, turn: Turn) -> bool {
        let station = &self.stations[turn.station];
        station.away && station.turns == turn.number
    }
}

#[cfg(test)]
mod tests;
