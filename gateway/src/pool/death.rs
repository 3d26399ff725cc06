//! What there is to report of a worker that has died.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Pool;
use super::crash::Crash;
use super::entries::Entry;
use super::exchange::Exchange;
use super::launch::Scene;
use super::state::Cause;
use super::version::Known;
use super::worker::Worker;
use crate::alarms::sleep;
use crate::observe::crash_report::content::{
    self, Core, Extension, FORMAT, Gateway, Kind, Outcome, Report, Request,
};
use crate::os;
use crate::process::exit;

/// Other requests that are told one by one.
const SHOWN: usize = 64;
/// How long what becomes of the requests may take to show …
const SETTLE_TIME: Duration = Duration::from_secs(10);
/// … and how often that is looked at.
const LOOK_TIME: Duration = Duration::from_millis(5);

/// What a worker was started with.
pub struct Birth {
    /// When.
    pub time: Timestamp,
    /// The version of the extension's file …
    pub generation: u64,
    /// … and what that is.
    pub version: Known,
}

/// The end of a worker.
pub struct Death {
    /// What happened.
    pub kind: Kind,
    /// The same in words.
    pub cause: String,
    /// What the worker said of it.
    pub crash: Option<Crash>,
    /// Its last lines.
    pub stderr: Vec<String>,
    /// How the process ended, if that is known.
    pub status: Option<ExitStatus>,
    /// The requests that were in it.
    pub victims: Vec<Victim>,
}

/// A request that was in a worker when that died.
pub struct Victim {
    exchange: Arc<Exchange>,
    is_culprit: bool,
    method: String,
    path: String,
    age: Duration,
    sent: u64,
    last_call: Option<String>,
    /// What the circuit of its kind does.
    circuit: Option<&'static str>,
    /// What had become of it before.
    before: Option<Outcome>,
    lane: usize,
}

impl Victim {
    /// A request of a lane, before it is told.
    pub fn new(
        entry: &Entry,
        is_culprit: bool,
        circuit: Option<&'static str>,
        now: Instant,
    ) -> Self {
        let before = match entry {
            Entry { late: true, .. } => Some(Outcome::TimedOut),
            Entry { aborted: true, .. } => Some(Outcome::ClientGone),
            _ => None,
        };
        Self {
            exchange: entry.exchange.clone(),
            is_culprit,
            method: entry.method.to_string(),
            path: entry.path(),
            age: now.saturating_duration_since(entry.begun),
            sent: entry.exchange.sent(),
            last_call: entry.last_call.clone(),
            circuit,
            before,
            lane: 0,
        }
    }

    /// The same, as one of the lane with this index.
    pub fn in_lane(self, lane: usize) -> Self {
        Self { lane, ..self }
    }

    fn outcome(&self) -> Option<Outcome> {
        self.before.or_else(|| self.exchange.outcome())
    }

    fn request(&self) -> Request {
        Request {
            lane: self.lane,
            id: self.exchange.id,
            method: self.method.clone(),
            path: self.path.clone(),
            seconds: self.age.as_secs_f64(),
            sent_bytes: self.sent,
            last_call: self.last_call.clone(),
            outcome: self.outcome().unwrap_or(Outcome::Unknown),
            circuit: self.circuit,
        }
    }
}

/// What kind of death it was. `started`: it took requests; `broken`: the gateway ended it because of the protocol.
pub fn kind(
    crash: Option<&Crash>,
    cause: Option<Cause>,
    started: bool,
    broken: bool,
    status: Option<ExitStatus>,
) -> Kind {
    /// SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS.
    const FAULTS: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];
    if let Some(crash) = crash {
        return crash.kind();
    }
    match cause {
        Some(Cause::Stuck) => Kind::Hang,
        Some(Cause::NoPong) => Kind::NoPong,
        Some(Cause::Memory(_)) => Kind::Memory,
        Some(Cause::LateStop) => Kind::LateStop,
        Some(Cause::NotLoaded | Cause::LateStart | Cause::Stopping) => Kind::Start,
        None if broken => Kind::Protocol,
        None => match status.and_then(os::ended_by) {
            Some((signal, _)) if FAULTS.contains(&signal) => Kind::Crash,
            _ if !started => Kind::Start,
            Some(_) => Kind::Signal,
            None => Kind::Exit,
        },
    }
}

impl Death {
    /// Hands the report over, if any are kept.
    pub fn report(self, pool: &Arc<Pool>, worker: &Arc<Worker>, scene: Arc<Scene>) {
        let Some(reports) = &pool.reports else {
            return;
        };
        let (died, worker, own) = (Timestamp::now(), worker.clone(), pool.clone());
        reports.send(&pool.name, async move {
            let version = &worker.birth.version;
            wait_for(|| version.get().is_some() && self.is_settled()).await;
            let process = content::Worker {
                pid: worker.pid,
                started: worker.birth.time,
                seconds: died.duration_since(worker.birth.time).as_secs_f64(),
                served: worker.served(),
                ..content::Worker::default()
            };
            let extension = Extension {
                path: own.extension.display().to_string(),
                version: version.get().cloned().flatten(),
                description: worker.about().map(|about| about.description.clone()),
                generation: worker.birth.generation,
            };
            self.into_report(&own, died, extension, process, &scene)
        });
    }

    fn is_settled(&self) -> bool {
        let mut victims = self.victims.iter();
        victims.all(|victim| victim.outcome().is_some())
    }

    fn into_report(
        self,
        pool: &Pool,
        died: Timestamp,
        extension: Extension,
        mut worker: content::Worker,
        scene: &Scene,
    ) -> Report {
        let ended = self.status.and_then(os::ended_by);
        worker.program = scene.program.display().to_string();
        worker.exit_status = self.status.and_then(|status| status.code());
        worker.signal = ended.map(|(signal, _)| signal);
        worker.signal_name = worker.signal.and_then(exit::signal_name);
        let (culprits, others): (Vec<_>, Vec<_>) =
            self.victims.iter().partition(|victim| victim.is_culprit);
        let crash = self.crash.unwrap_or_default();
        Report {
            format: FORMAT,
            time: died,
            kind: self.kind,
            cause: self.cause,
            pool: pool.name.clone(),
            gateway: Gateway::this(),
            extension,
            worker,
            fault: crash.fault(),
            backtrace: crash.frames,
            culprit: culprits.first().map(|victim| victim.request()),
            last_calls: crash.calls,
            others_total: others.len(),
            others: others
                .into_iter()
                .take(SHOWN)
                .map(Victim::request)
                .collect(),
            stderr: self.stderr,
            core: Core {
                dumped: ended.is_some_and(|(_, dumped)| dumped),
                pattern: os::core_pattern(),
                folder: Some(scene.directory.display().to_string()),
            },
            limits: pool.allowed.clone(),
        }
    }
}

/// Reports a worker that could not even be started.
pub fn never_started(pool: &Arc<Pool>, birth: Birth, cause: String, scene: Arc<Scene>) {
    let Some(reports) = &pool.reports else {
        return;
    };
    let own = pool.clone();
    reports.send(&pool.name, async move {
        wait_for(|| birth.version.get().is_some()).await;
        let extension = Extension {
            path: own.extension.display().to_string(),
            version: birth.version.get().cloned().flatten(),
            description: None,
            generation: birth.generation,
        };
        let worker = content::Worker {
            started: birth.time,
            ..content::Worker::default()
        };
        let death = Death {
            kind: Kind::Start,
            cause,
            crash: None,
            stderr: Vec::new(),
            status: None,
            victims: Vec::new(),
        };
        death.into_report(&own, birth.time, extension, worker, &scene)
    });
}

/// Waits for something that nobody tells, for a moment at most.
async fn wait_for(is_known: impl Fn() -> bool) {
    let deadline = Instant::now() + SETTLE_TIME;
    while !is_known() && Instant::now() < deadline {
        sleep(LOOK_TIME).await;
    }
}
