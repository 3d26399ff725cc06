//! A FastCGI program that the gateway starts: its processes share a listening socket, which is their standard input
//! (FastCGI 1.0 §2.2), and are started again when they end.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;

use crate::alarms::{sleep, sleep_until};
use crate::config::{self, Endpoint};
use crate::error::Error;
use crate::os::Group;
use crate::process::leader::Leader;
use crate::process::{companion, environment, exit, stderr};

/// Pause before a process that failed is started again; doubled with each failure in a row …
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// One that ran so long had been started well.
const STEADY: Duration = Duration::from_secs(10);
/// One that ends in order sooner than this has found nothing to do.
const LEAST_LIFE: Duration = Duration::from_millis(100);

/// The socket of a program, before its processes are started.
pub struct Socket {
    listener: UnixListener,
    folder: Folder,
}

/// A folder that nobody else may enter; gone with this.
struct Folder(PathBuf);

/// The processes of a program.
pub struct Program {
    plan: Arc<Plan>,
    /// Becomes the time that they have to end.
    stop: watch::Sender<Option<Duration>>,
    keepers: Mutex<Vec<JoinHandle<()>>>,
}

/// What every process is started with, and how they are.
struct Plan {
    pool: config::Pool,
    file: PathBuf,
    arguments: Vec<String>,
    socket: Socket,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    /// Processes that run.
    running: usize,
    /// Why the last one failed or could not be started; `None` when it ended in order.
    failure: Option<String>,
}

/// How long to wait before a process is started again. Pure.
#[derive(Default)]
struct Backoff {
    pause: Duration,
}

impl Socket {
    /// Listens in a new folder that only this user may enter.
    ///
    /// # Errors
    /// When that cannot be had.
    pub fn listen() -> anyhow::Result<Self> {
        let folder = Folder::new().context("cannot create a folder for a program's socket")?;
        let path = folder.socket();
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("cannot listen on {}", path.display()))?;
        Ok(Self { listener, folder })
    }

    /// Where it listens.
    pub fn address(&self) -> Endpoint {
        Endpoint::Unix(self.folder.socket())
    }

    fn for_child(&self) -> io::Result<OwnedFd> {
        self.listener.try_clone().map(OwnedFd::from)
    }
}

impl Folder {
    fn new() -> io::Result<Self> {
        let parent = std::env::temp_dir();
        let own = std::process::id();
        let mut number = 0;
        loop {
            let folder = parent.join(format!("isapi-gateway-{own}-{number}"));
            match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
                // Left by a process that had our number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                created => return created.map(|()| Self(folder)),
            }
        }
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    fn remove(&self) {
        // What somebody else has removed is gone, too.
        let _ = std::fs::remove_file(self.socket());
        let _ = std::fs::remove_dir(&self.0);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Program {
    /// Starts the pool's processes in the background and keeps them running.
    pub fn start(pool: &config::Pool, file: &Path, arguments: &[String], socket: Socket) -> Self {
        let plan = Arc::new(Plan {
            pool: pool.clone(),
            file: file.to_owned(),
            arguments: arguments.to_owned(),
            socket,
            health: Mutex::default(),
        });
        let stop = watch::Sender::new(None);
        let keep = |_| tokio::spawn(keep(Arc::clone(&plan), stop.subscribe()));
        let keepers = (0..pool.processes).map(keep).collect();
        Self {
            plan,
            stop,
            keepers: Mutex::new(keepers),
        }
    }

    /// Whether a request can hope for an answer.
    ///
    /// # Errors
    /// [`Error::CannotStart`] with the reason when no process runs, and the last one has failed.
    pub fn check(&self) -> Result<(), Error> {
        let reason = self.plan.health().reason().map(str::to_owned);
        reason.map_or(Ok(()), |reason| Err(Error::CannotStart(reason)))
    }

    /// Ends the processes, which have `grace` to do so by themselves, with everything in their groups. When it is called
    /// again, the time that is over first counts.
    pub async fn stop(&self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        let keepers = {
            let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *keepers)
        };
        for keeper in keepers {
            // An error means that its runtime has been stopped, and dropped it.
            let _ = keeper.await;
        }
        // The process may end without dropping this.
        self.plan.socket.folder.remove();
    }
}

/// Keeps one process running until the stop.
async fn keep(plan: Arc<Plan>, mut stop: watch::Receiver<Option<Duration>>) {
    let mut backoff = Backoff::default();
    let shown = plan.file.display();
    let pool = &plan.pool.name;
    loop {
        let started = Instant::now();
        let mut leader = match plan.spawn() {
            Ok(leader) => leader,
            Err(error) => {
                let failure = format!("{shown} cannot be started: {error}");
                tracing::error!(pool, "{failure}");
                plan.health().cannot_begin(failure);
                let pause = backoff.after(Duration::ZERO, false);
                if is_stopped_within(&mut stop, pause).await {
                    return;
                }
                continue;
            }
        };
        let pid = leader.pid();
        tracing::info!(pool, pid, "started {shown}");
        plan.health().begin();
        let is_stopped = tokio::select! {
            () = leader.exited() => false,
            () = stopped(&mut stop) => true,
        };
        if is_stopped {
            leader.terminate(grace_over(&mut stop)).await;
        }
        let status = leader.reap().await;
        if is_stopped {
            plan.health().end(None);
            return;
        }
        let (how, is_well) = match status {
            Ok(status) => (exit::describe(status), status.success()),
            Err(error) => (format!("was lost: {error}"), false),
        };
        let failure = format!("{shown} (process {pid}) {how}");
        let pause = backoff.after(started.elapsed(), is_well);
        if pause.is_zero() {
            tracing::info!(pool, pid, "{failure}");
            plan.health().end(None);
            continue;
        }
        tracing::error!(pool, pid, "{failure}; it is started again in {pause:?}");
        plan.health().end(Some(failure));
        if is_stopped_within(&mut stop, pause).await {
            return;
        }
    }
}

/// Waits for an order to stop. An error means that the program was dropped.
async fn stopped(stop: &mut watch::Receiver<Option<Duration>>) {
    let _ = stop.wait_for(Option::is_some).await;
}

/// Waits until the time is over that there is to end: that of the order to stop, or of a later one if it is over sooner.
async fn grace_over(stop: &mut watch::Receiver<Option<Duration>>) {
    let mut deadline = None;
    loop {
        let grace = stop.borrow_and_update().unwrap_or_default();
        let next = time::Instant::now() + grace;
        let nearest = deadline.map_or(next, |deadline| next.min(deadline));
        deadline = Some(nearest);
        tokio::select! {
            () = sleep_until(nearest) => return,
            changed = stop.changed() => if changed.is_err() {
                return;
            }
        }
    }
}

async fn is_stopped_within(stop: &mut watch::Receiver<Option<Duration>>, pause: Duration) -> bool {
    tokio::select! {
        () = stopped(stop) => true,
        () = sleep(pause) => false,
    }
}

impl Health {
    /// A process runs.
    fn begin(&mut self) {
        self.running += 1;
    }

    /// None could be started.
    fn cannot_begin(&mut self, why: String) {
        self.failure = Some(why);
    }

    /// A process has ended, in order or not. That is one step, or a request would see what became of an earlier one.
    fn end(&mut self, failure: Option<String>) {
        self.running -= 1;
        self.failure = failure;
    }

    /// Why there is no process to hope for.
    fn reason(&self) -> Option<&str> {
        let failure = self.failure.as_deref();
        failure.filter(|_| self.running == 0)
    }
}

impl Plan {
    fn spawn(&self) -> io::Result<Leader> {
        let mut command = companion::command(&self.file, &self.arguments);
        Group::lead(&mut command)
            .env_clear()
            .envs(environment::inherited())
            .envs(&self.pool.environment)
            .stdin(self.socket.for_child()?)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let folder = self.pool.working_directory.as_deref();
        if let Some(folder) = folder.or(self.file.parent()) {
            command.current_dir(folder);
        }
        let mut child = command.spawn()?;
        let stream = child.stderr.take();
        let leader = Leader::new(child)?;
        let (pool, pid) = (self.pool.name.clone(), leader.pid());
        if let Some(stream) = stream {
            // Ends with the last process that holds it.
            let mut log = stderr::Log::new(stream, pool, pid);
            tokio::spawn(async move { log.go_on().await });
        }
        Ok(leader)
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        // Nothing under this lock can panic half-way.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backoff {
    /// After a process that lived so long and ended in order or not. Programs end in order after some number of
    /// requests (`PHP_FCGI_MAX_REQUESTS`): then the next one is started at once.
    fn after(&mut self, life: Duration, is_well: bool) -> Duration {
        self.pause = match self.pause {
            _ if is_well && life >= LEAST_LIFE => Duration::ZERO,
            _ if life >= STEADY => FIRST_PAUSE,
            Duration::ZERO => FIRST_PAUSE,
            pause => (pause * 2).min(LONGEST_PAUSE),
        };
        self.pause
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn failures_in_a_row_are_followed_by_longer_pauses() {
        let mut backoff = Backoff::default();
        let mut fail = |life| backoff.after(life, false).as_millis();
        let short = Duration::from_millis(50);
        assert_eq!([fail(short), fail(short), fail(short)], [100, 200, 400]);
        assert_eq!(fail(STEADY), 100);
        assert_eq!(fail(short), 200);
        assert_eq!(backoff.after(LEAST_LIFE, true), Duration::ZERO);
        assert_eq!(backoff.after(Duration::ZERO, true), FIRST_PAUSE);
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_the_longest(lives in proptest::collection::vec((0..20_000_u64, any::<bool>()), 0..50)) {
            let mut backoff = Backoff::default();
            for (life, is_well) in lives {
                let life = Duration::from_millis(life);
                let pause = backoff.after(life, is_well);
                prop_assert!(pause <= LONGEST_PAUSE);
                prop_assert_eq!(pause.is_zero(), is_well && life >= LEAST_LIFE);
            }
        }
    }

    #[test]
    fn what_an_earlier_process_failed_of_is_forgotten_when_one_ends_in_order() {
        let mut health = Health::default();
        assert_eq!(health.reason(), None, "the first one is being started");
        health.cannot_begin("missing".into());
        assert_eq!(health.reason(), Some("missing"));
        health.begin();
        assert_eq!(health.reason(), None);
        health.end(Some("status 7".into()));
        assert_eq!(health.reason(), Some("status 7"));
        health.begin();
        health.end(None);
        assert_eq!(health.reason(), None);
        // Another one runs.
        health.begin();
        health.begin();
        health.end(Some("status 7".into()));
        assert_eq!(health.reason(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_that_is_over_first_counts() {
        let seconds = Duration::from_secs;
        for (first, second, over) in [(60, 5, 6), (5, 60, 5)] {
            let (orders, mut stop) = watch::channel(Some(seconds(first)));
            let begun = time::Instant::now();
            let hurry = async {
                sleep(seconds(1)).await;
                orders.send_replace(Some(seconds(second)));
            };
            tokio::join!(hurry, grace_over(&mut stop));
            assert_eq!(begun.elapsed(), seconds(over));
            drop(orders);
            grace_over(&mut stop).await;
        }
    }

    #[test]
    fn the_sockets_folder_is_for_nobody_else_and_goes() {
        let [one, two] = [(); 2].map(|()| Socket::listen().unwrap());
        assert_ne!(one.address(), two.address());
        let Endpoint::Unix(path) = one.address() else {
            unreachable!()
        };
        let folder = path.parent().unwrap().to_owned();
        let mode = folder.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(one);
        assert!(!folder.exists());
    }
}
