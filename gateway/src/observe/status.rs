//! What the gateway is doing at one moment, as the status tells it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The whole gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the gateway.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// For how long it has run.
    pub uptime_seconds: f64,
    /// Whether it takes no more connections.
    pub stopping: bool,
    /// Connections of clients.
    pub connections: usize,
    /// All requests of clients, those for static files and for nothing included.
    pub traffic: TrafficStatus,
    /// Lines that the access log has lost.
    pub access_log_lost: u64,
    /// How often another configuration was read, by what became of it: `used` or `refused`.
    pub reloads: BTreeMap<String, u64>,
    /// By name.
    pub pools: Vec<PoolStatus>,
}

/// The requests of a pool, or of the gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficStatus {
    /// Requests that are being answered.
    pub active: u64,
    /// Requests that have been answered, by the first digit of their status and `xx`.
    pub answered: BTreeMap<String, u64>,
    /// Requests that have failed, by the label of their error.
    pub failed: BTreeMap<String, u64>,
    /// Bytes of answers' bodies.
    pub sent_bytes: u64,
    /// Bytes of requests' bodies.
    pub received_bytes: u64,
    /// How long all answers took together.
    pub seconds: f64,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `extension`, `cgi` or `fastcgi`.
    pub kind: String,
    /// What runs in it.
    pub program: String,
    /// Whether it serves.
    pub state: PoolState,
    /// Why it does not.
    pub reason: Option<String>,
    /// Version of the extension's file, counted from 0.
    pub generation: u64,
    /// Requests for which no worker has room.
    pub queued: usize,
    /// Which callbacks are logged, if the operator has chosen it since.
    pub trace: Option<String>,
    /// Its requests.
    pub traffic: TrafficStatus,
    /// Workers that have gone, by the reason.
    pub exits: BTreeMap<String, u64>,
    /// Kinds of requests that are kept from its workers.
    pub circuits: Vec<CircuitStatus>,
    /// How often a kind of requests has begun to be.
    pub circuit_openings: u64,
    /// Workers whose process has not gone.
    pub workers: Vec<WorkerStatus>,
}

/// A kind of requests that are kept from the workers because they bring them down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CircuitStatus {
    /// Method and path.
    pub request: String,
    /// `open`: none is let through; `half_open`: one is being tried.
    pub state: String,
    /// How many have crashed or hung.
    pub failures: u64,
    /// How many have been answered with 503 instead.
    pub refused: u64,
    /// For how long it stays so at most.
    pub seconds: f64,
}

impl PoolStatus {
    /// A pool that serves and of which nothing else is known.
    pub fn new(name: &str, kind: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            program: String::new(),
            state: PoolState::Running,
            reason: None,
            generation: 0,
            queued: 0,
            trace: None,
            traffic: TrafficStatus::default(),
            exits: BTreeMap::new(),
            circuits: Vec::new(),
            circuit_openings: 0,
            workers: Vec::new(),
        }
    }
}

/// Whether a pool serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolState {
    /// A worker is ready, or a program can be started.
    Running,
    /// The first worker loads the extension.
    Starting,
    /// There is no worker, because no request wants one.
    Idle,
    /// Workers do not start, or no address of an application answers.
    Failed,
    /// Workers have died too often (rapid-fail protection).
    Off,
    /// The operator has stopped it.
    Stopped,
    /// It ends with the gateway, or has been taken out of the configuration.
    Stopping,
}

impl PoolState {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Starting,
        Self::Idle,
        Self::Failed,
        Self::Off,
        Self::Stopped,
        Self::Stopping,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Failed => "failed",
            Self::Off => "off",
            Self::Stopped => "stopped",
            Self::Stopping => "stopping",
        }
    }

    /// Whether it can answer requests now.
    pub fn is_ready(self) -> bool {
        matches!(self, Self::Running | Self::Idle)
    }
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its process.
    pub pid: u32,
    /// `starting`, `ready`, `lingering`, `draining`, `closing` or `killed`.
    pub state: String,
    /// Version of the file that it runs.
    pub generation: u64,
    /// For how long it has run.
    pub uptime_seconds: f64,
    /// Requests that it has.
    pub busy: usize,
    /// Requests that it has finished.
    pub served: u64,
    /// Private bytes of it and its children.
    pub memory_bytes: u64,
    /// Time on processors, of it and its children.
    pub cpu_seconds: f64,
    /// What the extension says of itself.
    pub description: String,
    /// The requests that it has had for longest, the longest first; not all of them if they are many.
    pub requests: Vec<RequestStatus>,
}

/// A request in a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestStatus {
    /// Method and path.
    pub request: String,
    /// For how long the worker has had it.
    pub seconds: f64,
    /// Bytes of the answer's body that its client has been sent.
    pub sent_bytes: u64,
    /// The last callback of the extension, where it is traced.
    pub last_call: Option<String>,
}
