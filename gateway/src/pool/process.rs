//! The life of a worker process: from its greeting to its end, of which nothing stays behind.

use std::future::pending;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastcgi_protocol::Hello;
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet, yield_now};

use super::crash::{Blame, Crash};
use super::death::{self, Death, Victim};
use super::launch::Scene;
use super::state::{Cause, Event, Failure};
use super::worker::Worker;
use super::{Pool, warmup};
use crate::alarms::{sleep_until, timeout};
use crate::observe::crash_report::content::Kind;
use crate::os::{self, Group};
use crate::process::exit;

/// How long a process may live whose connection has ended: long enough to write a core file's first half, and short
/// enough for the requests that wait to hear what happened.
const EXIT_TIME: Duration = Duration::from_secs(2);
/// How long a process may live that was asked where it hangs. No request waits for it any more, and the worker looks for
/// up to 10 s.
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// How long what a dead process has said may take to be read. It lies in our sockets; only a child that left the
/// process group and holds them open makes this wait.
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// Requests named in the log when a worker dies.
const SHOWN: usize = 16;

/// Answers of the lanes' workers to the greeting.
pub type Greetings = Vec<oneshot::Receiver<Result<Hello, String>>>;

/// The process of a worker and the tasks that serve it.
pub struct Process {
    /// The process itself.
    pub child: Child,
    /// The process and its children: killed as a whole, so that no child of an extension stays, also after the exit of
    /// the worker itself.
    pub group: Group,
    /// The lanes' drivers; each ends with how the worker broke the protocol, if it did.
    pub drivers: JoinSet<Option<String>>,
    /// One answer for each lane.
    pub greetings: Greetings,
    /// Reads standard error; ends with what the worker said of its crash, and its last lines.
    pub stderr: JoinHandle<(Option<Crash>, Vec<String>)>,
    /// Whether it is a Windows program.
    pub is_windows: bool,
    /// How it was started, for a report.
    pub scene: Arc<Scene>,
}

/// How a worker has gone.
struct End {
    /// "was killed by signal 11 (SIGSEGV)", or why it was killed.
    cause: String,
    /// What it said of its crash.
    crash: Option<Crash>,
    /// Its last lines.
    stderr: Vec<String>,
    /// How the process ended, if that is known.
    status: Option<ExitStatus>,
    /// Whether the gateway has ended it because of the protocol.
    broken: bool,
    /// Whether it has loaded the extension, or why not; `None` when it went without a word.
    loaded: Option<Result<(), String>>,
}

/// Watches a worker until its process has gone, and reports what happens.
pub async fn watch(pool: Arc<Pool>, worker: Arc<Worker>, mut process: Process) {
    let started = Instant::now();
    let mut end = live(&pool, &worker, &mut process, started).await;
    let mut said = timeout(DRAIN_TIME, &mut process.stderr).await;
    if said.is_err() {
        // This thread itself may have been held up for so long: then the reader's turn is still to come.
        yield_now().await;
        said = timeout(Duration::ZERO, &mut process.stderr).await;
    }
    match said {
        Ok(Ok((crash, stderr))) => {
            if let Some(crash) = &crash {
                end.cause = format!("{}: {}", end.cause, crash.text);
            }
            (end.crash, end.stderr) = (crash, stderr);
        }
        Ok(Err(_)) => {}
        Err(_) => process.stderr.abort(),
    }
    if let Some(verdict) = process.group.verdict() {
        end.cause = format!("{} ({verdict})", end.cause);
    }
    let is_failure = blame(&worker, &end);
    let victims = bury(&pool, &worker, &end, started);
    let extension = pool.extension.display();
    let reason = format!("the worker of {extension} {}", end.cause);
    if let Some(death) = end.into_death(&worker, victims) {
        death.report(&pool, &worker, process.scene);
    }
    pool.report(match is_failure {
        true => Event::Exited(worker.id, Failure::new(&pool.extension, reason)),
        false => Event::Felled(worker.id),
    });
}

impl End {
    /// What there is to report, if it was not planned.
    fn into_death(self, worker: &Worker, victims: Vec<Victim>) -> Option<Death> {
        let cause = worker.kill_cause();
        let is_success = self.status.is_some_and(|status| status.success());
        let has_ended_well = victims.is_empty() && is_success && self.crash.is_none();
        if cause == Some(Cause::Stopping) || worker.is_retiring() && has_ended_well {
            return None;
        }
        let started = self.loaded == Some(Ok(()));
        Some(Death {
            kind: death::kind(
                self.crash.as_ref(),
                cause,
                started,
                self.broken,
                self.status,
            ),
            cause: match self.loaded {
                Some(Err(reason)) => reason,
                _ => self.cause,
            },
            crash: self.crash,
            stderr: self.stderr,
            status: self.status,
            victims,
        })
    }
}

/// Waits for the process to exit, and helps it along where it must; then reads what it has left.
async fn live(
    pool: &Arc<Pool>,
    worker: &Arc<Worker>,
    process: &mut Process,
    started: Instant,
) -> End {
    let greetings = std::mem::take(&mut process.greetings);
    let mut greeting = std::pin::pin!(start(pool, worker, greetings, started));
    let mut loaded = None;
    let mut fault = None;
    let mut impatience = None;
    let status = loop {
        let impatient = async {
            match impatience {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            // In this order: a worker that greets and dies at once was ready.
            biased;
            answer = &mut greeting, if loaded.is_none() => {
                loaded = Some(answer.clone());
                welcome(pool, worker, answer);
            }
            status = process.child.wait() => break status,
            Some(ended) = process.drivers.join_next() => {
                if let Ok(Some(broken)) = ended {
                    fault.get_or_insert(broken);
                    process.group.kill();
                } else if !worker.is_retiring() {
                    impatience.get_or_insert(tokio::time::Instant::now() + EXIT_TIME);
                }
            }
            cause = worker.must_be_killed(), if fault.is_none() => {
                fault = Some(cause.to_string());
                let asks = cause == Cause::Stuck && !process.is_windows;
                if asks && process.group.ask_where_it_hangs() {
                    impatience = Some(tokio::time::Instant::now() + ANSWER_TIME);
                } else {
                    process.group.kill();
                }
            }
            () = impatient => {
                impatience = None;
                fault.get_or_insert("it had closed its connection and did not exit".into());
                process.group.kill();
            }
        }
    };
    process.group.kill();
    let drain = async { while process.drivers.join_next().await.is_some() {} };
    if timeout(DRAIN_TIME, drain).await.is_err() {
        process.drivers.abort_all();
    }
    // What it has said last may be why it exited.
    if loaded.is_none()
        && let Ok(answer) = timeout(Duration::ZERO, greeting).await
    {
        loaded = Some(answer.clone());
        welcome(pool, worker, answer);
    }
    let broken = fault.is_some() && worker.kill_cause().is_none();
    let describe = match process.is_windows {
        true => exit::describe_windows,
        false => exit::describe,
    };
    let cause = match (&status, fault) {
        (Err(error), _) => format!("was lost: {error}"),
        (Ok(status), Some(fault)) if os::is_killed(*status) => {
            format!("was killed: {fault}")
        }
        (Ok(status), Some(fault)) => format!("{}: {fault}", describe(*status)),
        (Ok(status), None) if loaded.is_none() => {
            format!("{} while it loaded the extension", describe(*status))
        }
        (Ok(status), None) => describe(*status),
    };
    End {
        cause,
        crash: None,
        stderr: Vec::new(),
        status: status.ok(),
        broken,
        loaded,
    }
}

/// Waits until all lanes have been greeted, or one says why not.
async fn greeted(greetings: Greetings) -> Result<Hello, String> {
    let mut first = None;
    for greeting in greetings {
        match greeting.await {
            Ok(answer) => {
                let hello = answer?;
                first.get_or_insert(hello);
            }
            // The lane ended before; the process's exit tells more.
            Err(_) => pending().await,
        }
    }
    first.ok_or_else(|| "it has no connection".into())
}

/// Waits until the worker can take requests.
async fn start(
    pool: &Arc<Pool>,
    worker: &Arc<Worker>,
    greetings: Greetings,
    started: Instant,
) -> Result<(), String> {
    let hello = greeted(greetings).await?;
    worker.greet(&hello, started.elapsed());
    match &pool.warmup {
        Some(request) => warmup::run(pool, worker, request).await,
        None => Ok(()),
    }
}

fn welcome(pool: &Pool, worker: &Worker, started: Result<(), String>) {
    let (name, pid, extension) = (&pool.name, worker.pid, pool.extension.display());
    match started {
        Ok(()) => {
            let about = worker.about();
            let after = about.map(|about| about.after).unwrap_or_default();
            let description = about.map_or("", |about| about.description.as_str());
            tracing::info!(
                pool = name,
                pid,
                ?after,
                "worker ready: {extension} ({description})"
            );
            pool.report(Event::Started(worker.id));
        }
        Err(reason) => {
            tracing::error!(pool = name, pid, "{reason}");
            let failure = Failure::new(&pool.extension, reason);
            pool.report(Event::StartFailed(worker.id, failure));
        }
    }
}

/// Tells the circuit of the request that has brought down a worker which served. Returns whether the pool has failed with
/// it.
fn blame(worker: &Worker, end: &End) -> bool {
    let crash = end.crash.as_ref();
    // One that hangs has been blamed when it was given up.
    let crash = crash.filter(|crash| crash.kind() != Kind::Hang && end.loaded == Some(Ok(())));
    let Some(culprit) = crash.and_then(|crash| crash.culprit) else {
        return true;
    };
    let lane = worker.lanes.get(culprit.lane);
    lane.is_none_or(|lane| lane.blame(culprit.id))
}

/// Tells the requests that were left in the worker, and the log. Returns who they were.
fn bury(pool: &Pool, worker: &Worker, end: &End, started: Instant) -> Vec<Victim> {
    let (name, pid, extension) = (&pool.name, worker.pid, pool.extension.display());
    let (cause, served, uptime) = (&end.cause, worker.served(), started.elapsed());
    let mut requests = Vec::new();
    let mut count = 0;
    for lane in &worker.lanes {
        count += lane.describe(SHOWN - requests.len(), &mut requests);
    }
    let crash = end.crash.as_ref();
    if matches!(end.loaded, Some(Err(_))) {
        tracing::debug!(pool = name, pid, "worker {pid} {cause}");
    } else if worker.is_retiring() && count == 0 {
        tracing::info!(pool = name, pid, served, ?uptime, "worker {pid} {cause}");
    } else {
        let shown = match requests.as_slice() {
            [] => String::new(),
            shown => format!(" ({})", shown.join(", ")),
        };
        let calls = crash.map(|crash| crash.calls.join("; "));
        let calls = calls.filter(|calls| !calls.is_empty());
        tracing::error!(
            pool = name,
            pid,
            served,
            ?uptime,
            calls,
            "worker {pid} {cause}; extension {extension}; requests in it: {count}{shown}"
        );
    }
    let culprit = crash.and_then(|crash| crash.culprit);
    let mut victims = Vec::new();
    for (index, lane) in worker.lanes.iter().enumerate() {
        let reason = format!("worker {pid} (extension {extension}) {cause}");
        let failed = lane.fail(&reason, Blame::of(culprit, index));
        victims.extend(failed.into_iter().map(|victim| victim.in_lane(index)));
    }
    victims
}
