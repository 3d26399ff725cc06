//! `serve`: runs a configuration until a signal stops it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tokio::task::JoinSet;

use super::launchers::Launchers;
use super::listeners::Bound;
use super::watchdog;
use crate::admin::Admin;
use crate::backend::Backend;
use crate::backend::cgi::Cgi;
use crate::backend::fastcgi::{FastCgi, Located};
use crate::backend::files::Files;
#[cfg(feature = "in-process")]
use crate::backend::in_process::InProcess;
use crate::backend::isapi::Isapi;
use crate::config::{self, Config, Pool, PoolKind};
use crate::dispatch::Dispatch;
use crate::front::listen::Threads;
use crate::observe::access_log::{AccessLog, Writer};
use crate::observe::{Ledger, Overview};
use crate::os::{self, Notice, ReopenSignal, STOP_SIGNALS, StopSignals};
use crate::pool::Launcher;
use crate::runtime::Runtimes;
use crate::shutdown::{Shutdown, end_at_next};
use crate::site::{Sites, Warmup};

/// When to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// When every extension has been loaded; not at all if one cannot be.
    WhenLoaded,
    /// At once. Requests for a pool wait until its extension has been loaded; one that cannot be loaded is logged and
    /// leaves the rest of the sites alone.
    AtOnce,
    /// At once, with the extensions in this very process: for the benchmark.
    #[cfg(feature = "in-process")]
    InProcess,
}

/// What workers get at least to terminate their extensions, when no request is left that anybody waits for.
const BACKEND_GRACE: Duration = Duration::from_secs(5);

/// How long the access log may wait for those who may still add a line, when every connection and worker has ended.
const LAST_LINES: Duration = Duration::from_secs(1);

type Backends = BTreeMap<String, Arc<Backend>>;

/// Serves until SIGTERM or SIGINT stops it; a second one ends the process at once.
///
/// # Errors
/// When it cannot start.
pub fn run(config: Config, start: Start) -> anyhow::Result<()> {
    let control = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    control.block_on(serve(config, start))
}

async fn serve(config: Config, start: Start) -> anyhow::Result<()> {
    let mut signals =
        StopSignals::catch().with_context(|| format!("cannot catch {STOP_SIGNALS}"))?;
    let mut reopen = ReopenSignal::catch().context("cannot catch SIGUSR1")?;
    let (access_log, log_writer) = config
        .access_log
        .as_ref()
        .map(open_log)
        .transpose()?
        .unzip();
    let bound = Bound::take(&config.server)?;
    let shutdown = Arc::new(Shutdown::new());
    let overview = Arc::new(Overview::new(Arc::clone(&shutdown)));
    let admin = config
        .admin
        .as_ref()
        .map(|admin| Admin::start(admin, Arc::clone(&overview)))
        .transpose()?;
    if let Some(admin) = &admin {
        announce_admin(admin)?;
    }
    let runtimes =
        Runtimes::start(config.server.threads).context("cannot start the runtime threads")?;
    let launchers = tokio::select! {
        launchers = Launchers::prepare(&config) => launchers?,
        name = signals.next() => {
            tracing::info!("{name}: stopping before Wine was ready");
            return Ok(());
        }
    };
    let backends = start_backends(&config, &launchers, &runtimes, start)?;
    let pools = config.pools.keys().map(String::as_str);
    let ledger = Arc::new(Ledger::new(access_log, pools, &Ledger::default()));
    overview.set(Arc::clone(&ledger), backends.values().cloned().collect());

    if start == Start::WhenLoaded {
        tokio::select! {
            loaded = loaded(&backends) => if let Err(error) = loaded {
                stop_backends(backends, BACKEND_GRACE).await;
                launchers.stop().await;
                return Err(error);
            },
            name = signals.next() => {
                tracing::info!("{name}: stopping before the extension was loaded");
                stop_backends(backends, BACKEND_GRACE).await;
                launchers.stop().await;
                return Ok(());
            }
        }
    }

    let sites = Sites::new(&config, |pool| Arc::clone(&backends[pool]));
    let dispatch = Dispatch::new(sites, Files::new(programs(&config)), ledger);
    let threads = Arc::new(Threads::new(runtimes.clone()));
    let listeners = bound.listen()?;
    listeners.announce()?;
    overview.serve();
    os::notify(Notice::Ready);
    tokio::spawn(watchdog::run(runtimes.clone()));
    let mut accepting = listeners.accept(&config.server, &Arc::new(dispatch), &threads, &shutdown);

    let name = loop {
        tokio::select! {
            name = signals.next() => break name,
            () = reopen.next() => if let Some(writer) = &log_writer {
                writer.reopen();
            },
        }
    };
    tracing::info!(
        "{name}: stopping; {} connections are open",
        shutdown.connections()
    );
    overview.stop();
    os::notify(Notice::Stopping);
    tokio::spawn(end_at_next(signals));
    accepting.shutdown().await;
    let deadline = Instant::now() + config.server.shutdown_timeout;
    shutdown.drain(config.server.shutdown_timeout).await;
    let left = deadline.saturating_duration_since(Instant::now());
    stop_backends(backends, left.max(BACKEND_GRACE)).await;
    launchers.stop().await;
    runtimes.stop();
    drop((admin, overview));
    if let Some(writer) = log_writer {
        writer.finish(LAST_LINES);
    }
    tracing::info!("stopped");
    Ok(())
}

/// Tells whoever started the gateway where it can be asked what it does.
fn announce_admin(admin: &Admin) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "admin on {}", admin.address())
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

fn open_log(config: &config::AccessLog) -> anyhow::Result<(Arc<AccessLog>, Writer)> {
    AccessLog::open(config).with_context(|| {
        let file = config.file.display();
        format!(
            "cannot open the access log {file}; correct `file` in [access_log], or its permissions"
        )
    })
}

fn start_backends(
    config: &Config,
    launchers: &Launchers,
    runtimes: &Runtimes,
    start: Start,
) -> anyhow::Result<Backends> {
    let prepare = |pool| match start {
        Start::WhenLoaded | Start::AtOnce => Prepared::of(pool, launchers),
        #[cfg(feature = "in-process")]
        Start::InProcess => Prepared::in_process(pool, launchers),
    };
    // All before the first is started: an error leaves no process behind.
    let pools = config.pools.values();
    let prepared: Vec<_> = pools.clone().map(prepare).collect::<Result<_, _>>()?;
    let start = |(pool, prepared): (&Pool, Prepared)| {
        let backend = prepared.start(pool, config, runtimes);
        (pool.name.clone(), Arc::new(backend))
    };
    Ok(pools.zip(prepared).map(start).collect())
}

/// A backend of which nothing runs yet.
enum Prepared<'a> {
    Isapi(&'a Path, Launcher),
    Cgi(&'a Path),
    FastCgi(&'a config::FastCgi, Located<'a>),
    #[cfg(feature = "in-process")]
    InProcess(Box<InProcess>),
}

impl<'a> Prepared<'a> {
    fn of(pool: &'a Pool, launchers: &Launchers) -> anyhow::Result<Self> {
        Ok(match &pool.kind {
            PoolKind::Extension(file) => Self::Isapi(file, launchers.launcher(file)?),
            PoolKind::Cgi(file) => Self::Cgi(file),
            PoolKind::FastCgi(settings) => {
                Self::FastCgi(settings, Located::prepare(&settings.application)?)
            }
        })
    }

    #[cfg(feature = "in-process")]
    fn in_process(pool: &'a Pool, launchers: &Launchers) -> anyhow::Result<Self> {
        match &pool.kind {
            PoolKind::Extension(file) => {
                let inside = InProcess::load(pool, file)?;
                Ok(Self::InProcess(Box::new(inside)))
            }
            _ => Self::of(pool, launchers),
        }
    }

    fn start(self, pool: &Pool, config: &Config, runtimes: &Runtimes) -> Backend {
        match self {
            Self::Isapi(file, launcher) => {
                let warmup = Warmup::new(config, &pool.name);
                Backend::Isapi(Isapi::start(pool, file, launcher, warmup, runtimes))
            }
            #[cfg(feature = "in-process")]
            Self::InProcess(inside) => Backend::InProcess(*inside),
            Self::Cgi(file) => Backend::Cgi(Box::new(Cgi::new(pool, file))),
            Self::FastCgi(settings, located) => {
                let runtime = &runtimes.handles()[0];
                let fastcgi = FastCgi::start(pool, settings, located, runtime);
                Backend::FastCgi(Box::new(fastcgi))
            }
        }
    }
}

fn programs(config: &Config) -> impl Iterator<Item = &Path> {
    config.pools.values().filter_map(|pool| pool.kind.file())
}

async fn loaded(backends: &Backends) -> anyhow::Result<()> {
    for backend in backends.values() {
        if let Backend::Isapi(isapi) = backend.as_ref() {
            isapi.ready().await.map_err(|reason| anyhow!(reason))?;
        }
    }
    Ok(())
}

async fn stop_backends(backends: Backends, limit: Duration) {
    let mut stopping = JoinSet::new();
    for backend in backends.into_values() {
        stopping.spawn(async move { backend.stop(limit).await });
    }
    stopping.join_all().await;
}
