//! What the state machine is told and what it answers.

use std::fmt;
use std::time::{Duration, Instant};

/// Names one worker process for the life of the pool; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time has passed; also the first event of a pool.
    Tick,
    /// The worker has loaded the extension and, where there is one, answered the warm-up request.
    Started(WorkerId),
    /// The worker could not be started, could not load the extension, or failed the warm-up request.
    StartFailed(WorkerId, Failure),
    /// The process has gone, and everything it said has been read.
    Exited(WorkerId, Failure),
    /// The same of a worker that served and was brought down by requests of a kind that has done so before: they have a
    /// circuit of their own, and it is no failure of the pool.
    Felled(WorkerId),
    /// The worker must not take new requests any more: a request in it has run too long.
    Condemned(WorkerId),
    /// The worker must not live on.
    Broken(WorkerId, Cause),
    /// The extension says that it is not well (HSE_REQ_REPORT_UNHEALTHY).
    Unhealthy {
        /// Its worker.
        worker: WorkerId,
        /// In its own words; may be empty.
        reason: String,
    },
    /// The worker shall be replaced.
    Recycle(WorkerId, Reason),
    /// All workers shall be replaced.
    RecycleAll(Reason),
    /// The operator has the pool take no requests until [`Event::Resume`]; its workers finish.
    Pause,
    /// The operator has the pool go on, as if nothing had failed.
    Resume,
    /// Nothing is left in a draining worker that is worth waiting for.
    Idle(WorkerId),
    /// The pool has so many requests, waiting ones included.
    Load(usize),
    /// The pool shall end; its workers may take `shutdown_timeout` for it, but no longer than this.
    Stop(Duration),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a worker process under this name.
    Spawn(WorkerId),
    /// Give the worker no new requests, and report [`Event::Idle`] when those in it have finished.
    Retire(WorkerId, Reason),
    /// Give the worker requests of the clients that are bound to it alone.
    Linger(WorkerId, Reason),
    /// Close the worker's connections: it terminates the extension and exits.
    Close(WorkerId),
    /// Kill the worker's process group.
    Kill(WorkerId, Cause),
    /// Tell the operator that the new version of the extension does not start and that the old one goes on.
    KeepOld,
    /// Tell the operator that no worker is started for this long, because so many have failed.
    Hold(Duration),
}

/// Why a worker is replaced although it works (ISAPI.md §7.4, `logEventOnRecycle`), or not needed any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The extension's file has changed.
    FileChanged,
    /// The extension has asked for it; its own words.
    Unhealthy(String),
    /// It has served as many requests as it may.
    Requests,
    /// It has run for as long as it may.
    Age,
    /// The time of day has come.
    Schedule,
    /// It has so many bytes of private memory, more than it should.
    Memory(u64),
    /// The operator wants it.
    Operator,
    /// A request in it ran too long.
    RequestTimeout,
    /// The load does not need it any more.
    Idle,
    /// The pool stops.
    Stopping,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::FileChanged => f.write_str("the extension's file has changed"),
            Reason::Unhealthy(words) if words.is_empty() => {
                f.write_str("the extension says that it is unhealthy")
            }
            Reason::Unhealthy(words) => {
                write!(f, "the extension says that it is unhealthy: {words}")
            }
            Reason::Requests => f.write_str("it has served its number of requests"),
            Reason::Age => f.write_str("it has reached its age"),
            Reason::Schedule => f.write_str("it is time by the schedule"),
            Reason::Memory(bytes) => write!(f, "it has {} MiB of private memory", bytes >> 20),
            Reason::Operator => f.write_str("the operator wants it"),
            Reason::RequestTimeout => f.write_str("a request in it ran too long"),
            Reason::Idle => f.write_str("it is not needed"),
            Reason::Stopping => f.write_str("the pool stops"),
        }
    }
}

impl Reason {
    /// Whether the worker can go on for the clients that are bound to it.
    pub fn spares_sessions(&self) -> bool {
        match self {
            Reason::FileChanged
            | Reason::Requests
            | Reason::Age
            | Reason::Schedule
            | Reason::Memory(_)
            | Reason::Operator
            | Reason::Idle => true,
            Reason::Unhealthy(_) | Reason::RequestTimeout | Reason::Stopping => false,
        }
    }

    /// Its name in metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Reason::FileChanged => "file_changed",
            Reason::Unhealthy(_) => "unhealthy",
            Reason::Requests => "requests",
            Reason::Age => "age",
            Reason::Schedule => "schedule",
            Reason::Memory(_) => "memory",
            Reason::Operator => "operator",
            Reason::RequestTimeout => "request_timeout",
            Reason::Idle => "idle",
            Reason::Stopping => "stopping",
        }
    }
}

/// Why a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// It said so itself.
    #[error("it could not load the extension")]
    NotLoaded,
    /// It did not start within `startup_timeout`.
    #[error("it had not loaded the extension in time")]
    LateStart,
    /// Only requests that run too long were left in it.
    #[error("a request in it ran too long")]
    Stuck,
    /// It did not finish within `shutdown_timeout`.
    #[error("it had not finished in time")]
    LateStop,
    /// It did not answer a ping within `ping_timeout`.
    #[error("it did not answer a ping in time")]
    NoPong,
    /// It has so many bytes of private memory, more than it may.
    #[error("it had {} MiB of private memory", .0 >> 20)]
    Memory(u64),
    /// The pool stopped while it loaded the extension.
    #[error("the pool stops")]
    Stopping,
}

impl Cause {
    /// Its name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Cause::NotLoaded => "not_loaded",
            Cause::LateStart => "startup_timeout",
            Cause::Stuck => "request_timeout",
            Cause::LateStop => "shutdown_timeout",
            Cause::NoPong => "no_pong",
            Cause::Memory(_) => "memory_limit",
            Cause::Stopping => "stopping",
        }
    }
}

/// Why there is no worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is to a request.
    pub kind: FailureKind,
    /// In words for the operator.
    pub reason: String,
}

/// What the lack of workers means to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The extension's file does not exist: 404 (ISAPI.md §1.6).
    Missing,
    /// Workers do not start: 500.
    NotStarted,
    /// Workers started and died, too many of them: 503 until the next is tried (ISAPI.md §7.4).
    Off(Instant),
    /// The operator has stopped the pool: 503.
    Paused,
}
