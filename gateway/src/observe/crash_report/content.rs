//! What a report says. Its fields are documented in `docs/operation.md`; `format` counts changes that readers must know of.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::config;

/// The format that is written.
pub const FORMAT: u32 = 1;

/// One death of a worker.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// When the worker had died.
    #[serde(serialize_with = "milliseconds")]
    pub time: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// The same in words, as in the log.
    pub cause: String,
    /// Name of the pool.
    pub pool: String,
    /// Who has written this.
    pub gateway: Gateway,
    /// What had been loaded, or should have been.
    pub extension: Extension,
    /// The process.
    pub worker: Worker,
    /// The fault, if the worker has told it.
    pub fault: Option<Fault>,
    /// The function calls that led to it, the innermost first.
    pub backtrace: Vec<Frame>,
    /// The request whose thread faulted.
    pub culprit: Option<Request>,
    /// That request's last ISAPI calls, oldest first.
    pub last_calls: Vec<String>,
    /// Other requests in the worker, bounded.
    pub others: Vec<Request>,
    /// How many there were.
    pub others_total: usize,
    /// The last lines that the worker has written to standard error.
    pub stderr: Vec<String>,
    /// Where a core file is.
    pub core: Core,
    /// What the worker was allowed.
    pub limits: Limits,
}

/// Why a worker is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A signal or an exception of its own making.
    Crash,
    /// A thread of it vanished inside the extension.
    ThreadGone,
    /// It exited by itself.
    Exit,
    /// A signal from outside.
    Signal,
    /// A request ran too long and did not end; it was killed.
    Hang,
    /// It did not answer a ping; it was killed.
    NoPong,
    /// It had more memory than it may have; it was killed.
    Memory,
    /// It did not end in time; it was killed.
    LateStop,
    /// It broke the protocol, or closed its connection; it was killed.
    Protocol,
    /// It did not start.
    Start,
}

impl Kind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Crash => "crash",
            Kind::ThreadGone => "thread_gone",
            Kind::Exit => "exit",
            Kind::Signal => "signal",
            Kind::Hang => "hang",
            Kind::NoPong => "no_pong",
            Kind::Memory => "memory",
            Kind::LateStop => "late_stop",
            Kind::Protocol => "protocol",
            Kind::Start => "start",
        }
    }
}

/// The gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Gateway {
    version: &'static str,
    pid: u32,
}

impl Gateway {
    /// This one.
    pub fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
        }
    }
}

/// An extension's file, as the worker was started with it.
#[derive(Clone, Debug, Serialize)]
pub struct Extension {
    /// Its path.
    pub path: String,
    /// What identifies its content; not there for a file that could not be read, or that changed meanwhile.
    #[serde(flatten)]
    pub version: Option<Version>,
    /// `lpszExtensionDesc`, once it was loaded.
    pub description: Option<String>,
    /// Counts the versions of the file since the gateway started, from 0.
    pub generation: u64,
}

/// A file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// In hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// When it was changed.
    #[serde(serialize_with = "milliseconds")]
    pub modified: Timestamp,
}

/// A worker process.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Worker {
    /// Its number; 0 if it could not even be started.
    pub pid: u32,
    /// The program.
    pub program: String,
    /// When it was started.
    #[serde(serialize_with = "milliseconds")]
    pub started: Timestamp,
    /// How long it lived.
    pub seconds: f64,
    /// Requests that it has finished.
    pub served: u64,
    /// Its exit status, if it exited.
    pub exit_status: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// That signal's name.
    pub signal_name: Option<&'static str>,
}

/// A fault as the worker has told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line in which it did.
    pub text: String,
    /// Signal, exception, or what else it was.
    pub name: String,
    /// Its number, as the system shows it.
    pub code: Option<String>,
    /// `reading`, `writing` or `executing` …
    pub access: Option<String>,
    /// … this address.
    pub access_address: Option<String>,
    /// Where the instruction is.
    #[serde(flatten)]
    pub place: Frame,
    /// The system's number of the thread.
    pub thread: Option<u32>,
}

/// A place in the code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// In memory.
    pub address: Option<String>,
    /// File name of the library.
    pub module: Option<String>,
    /// Bytes from the library's beginning.
    pub offset: Option<String>,
}

/// A request that was in the worker.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// The gateway's connection to the worker …
    pub lane: usize,
    /// … and the request's number on it.
    pub id: u16,
    /// Its method.
    pub method: String,
    /// Its path, without the query, which may hold secrets.
    pub path: String,
    /// How long it had been in the worker.
    pub seconds: f64,
    /// Bytes of the answer's body that its client has been sent.
    pub sent_bytes: u64,
    /// Its last ISAPI call, if it was traced.
    pub last_call: Option<String>,
    /// What has become of it.
    pub outcome: Outcome,
    /// `closed`, `open` or `half_open`: what the circuit of its method and path does, if one of them has failed.
    pub circuit: Option<&'static str>,
}

/// What becomes of a request whose worker has died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It runs again on another worker.
    RunsAgain,
    /// Its client has been told that it failed.
    Failed,
    /// Its answer had begun and was cut.
    Cut,
    /// It had run too long, which its client had been told before.
    TimedOut,
    /// Its client had gone before.
    ClientGone,
    /// It had not shown yet.
    Unknown,
}

/// The core file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Core {
    /// Whether the system has written one.
    pub dumped: bool,
    /// The name or program that the system has for it (core(5)).
    pub pattern: Option<String>,
    /// The folder in which the worker was started: a pattern that is a name belongs there.
    pub folder: Option<String>,
}

/// What was configured for the worker; times in seconds, 0 and null stand for no limit.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    processes: usize,
    threads: usize,
    concurrency: usize,
    request_timeout: f64,
    startup_timeout: f64,
    shutdown_timeout: f64,
    ping_timeout: f64,
    memory_limit: u64,
    open_files: Option<u64>,
    core_size: Option<u64>,
    cpu_time: Option<f64>,
    address_space: Option<u64>,
    user: Option<u32>,
}

impl Limits {
    /// Those of a pool.
    pub fn new(pool: &config::Pool) -> Self {
        let limits = &pool.limits;
        Self {
            processes: pool.processes,
            threads: pool.threads,
            concurrency: pool.concurrency,
            request_timeout: pool.request_timeout.as_secs_f64(),
            startup_timeout: pool.startup_timeout.as_secs_f64(),
            shutdown_timeout: pool.shutdown_timeout.as_secs_f64(),
            ping_timeout: pool.workers.ping_timeout.as_secs_f64(),
            memory_limit: pool.workers.memory_limit,
            open_files: limits.open_files,
            core_size: limits.core_size,
            cpu_time: limits.cpu_time.map(|time| time.as_secs_f64()),
            address_space: limits.address_space,
            user: limits.user.as_ref().map(|user| user.id),
        }
    }
}

/// `2026-01-02T03:04:05.678Z`.
fn milliseconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

#[cfg(test)]
impl Report {
    /// One of a pool that died so many milliseconds after the epoch.
    pub fn sample(pool: &str, millisecond: i64) -> Self {
        let config = config::Pool::new(pool.into(), config::PoolKind::Extension("/x.so".into()));
        Self {
            format: FORMAT,
            time: Timestamp::from_millisecond(millisecond).unwrap_or_default(),
            kind: Kind::Crash,
            cause: "died".into(),
            pool: pool.into(),
            gateway: Gateway::this(),
            extension: Extension {
                path: "/x.so".into(),
                version: None,
                description: None,
                generation: 0,
            },
            worker: Worker::default(),
            fault: None,
            backtrace: Vec::new(),
            culprit: None,
            last_calls: Vec::new(),
            others: Vec::new(),
            others_total: 0,
            stderr: Vec::new(),
            core: Core::default(),
            limits: Limits::new(&config),
        }
    }
}
