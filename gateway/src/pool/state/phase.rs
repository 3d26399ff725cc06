//! What a worker does.

use std::time::Instant;

/// The life of a worker, in order; each may be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It loads the extension.
    Starting {
        /// Until when it may.
        deadline: Instant,
    },
    /// It takes requests.
    Ready {
        /// When it has reached its age.
        expires: Option<Instant>,
    },
    /// It takes requests of the clients that are bound to it alone.
    Lingering {
        /// Until when.
        until: Instant,
    },
    /// It finishes its requests.
    Draining {
        /// Until when it may.
        deadline: Instant,
        /// What follows.
        then: Then,
    },
    /// It terminates the extension.
    Closing {
        /// Until when it may.
        deadline: Instant,
    },
    /// Its process is about to go.
    Killed,
}

/// What follows when a draining worker is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is told to end.
    Close,
    /// It is killed, since a request in it is stuck.
    Kill,
}

impl Phase {
    /// It finishes its requests and is closed then.
    pub fn draining(deadline: Instant) -> Self {
        Phase::Draining {
            deadline,
            then: Then::Close,
        }
    }

    /// Its name in the status.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Starting { .. } => "starting",
            Phase::Ready { .. } => "ready",
            Phase::Lingering { .. } => "lingering",
            Phase::Draining { .. } => "draining",
            Phase::Closing { .. } => "closing",
            Phase::Killed => "killed",
        }
    }

    /// Whether it loads the extension.
    pub fn is_starting(self) -> bool {
        matches!(self, Phase::Starting { .. })
    }

    /// Whether it takes requests.
    pub fn is_ready(self) -> bool {
        matches!(self, Phase::Ready { .. })
    }

    /// Whether it takes requests, or will.
    pub fn serves(self) -> bool {
        matches!(self, Phase::Starting { .. } | Phase::Ready { .. })
    }

    /// Whether its process will go without anything more.
    pub fn is_ending(self) -> bool {
        matches!(
            self,
            Phase::Draining { .. } | Phase::Closing { .. } | Phase::Killed
        )
    }

    /// When it is killed if it has not gone on.
    pub fn deadline(self) -> Option<Instant> {
        match self {
            Phase::Starting { deadline }
            | Phase::Draining { deadline, .. }
            | Phase::Closing { deadline } => Some(deadline),
            Phase::Ready { .. } | Phase::Lingering { .. } | Phase::Killed => None,
        }
    }
}
