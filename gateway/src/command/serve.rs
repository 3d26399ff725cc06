//! `serve`: runs a configuration until a signal stops it.
//!
//! `gateway` is what runs; `plan` says, without doing anything, what another configuration changes in it, and `orders`
//! has it read. `pools` starts the backends, `ending` waits for those that are needed no more.

mod ending;
mod gateway;
mod orders;
mod plan;
mod pools;

use std::io::Write as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::launchers::Launchers;
use super::listeners::{Bound, Listening};
use super::watchdog;
use crate::admin::Admin;
use crate::config::Config;
use crate::observe::crash_report::Keeper;
use crate::observe::{Ledger, Overview};
use crate::os::{self, Notice, OrderSignal, STOP_SIGNALS, StopSignals};
use crate::runtime::Runtimes;
use crate::shutdown::{Connections, end_at_next};
use gateway::{BACKEND_GRACE, Gateway};
use orders::Orders;
use pools::{Backends, Prepared};

pub use orders::Source;

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

/// How long the access log may wait for those who may still add a line, when every connection and worker has ended, and
/// then for its file. Only a file that takes nothing any more makes this wait.
const LAST_LINES: Duration = Duration::from_secs(10);

/// How long the last crash reports may take to be written, and their hook to run: longer than a report waits for what
/// becomes of its requests.
const LAST_REPORTS: Duration = Duration::from_secs(15);

/// Orders to reload that wait for the one before.
const ORDERS: usize = 16;

/// Serves until SIGTERM or SIGINT stops it; a second one ends the process at once. `source` is where the configuration
/// can be read again.
///
/// # Errors
/// When it cannot start.
pub fn run(config: Config, source: Option<Source>, start: Start) -> anyhow::Result<()> {
    let control = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    control.block_on(serve(config, source, start))
}

async fn serve(config: Config, source: Option<Source>, start: Start) -> anyhow::Result<()> {
    let mut signals =
        StopSignals::catch().with_context(|| format!("cannot catch {STOP_SIGNALS}"))?;
    let reopen = OrderSignal::reopen().context("cannot catch SIGUSR1")?;
    let (remote, orders) = mpsc::channel(ORDERS);
    let mut orders = Orders::new(source, orders).context("cannot catch SIGHUP")?;
    let log = config
        .access_log
        .as_ref()
        .map(gateway::open_log)
        .transpose()?;
    let bound = Bound::first(&config.server)?;
    let connections = Arc::new(Connections::default());
    let overview = Arc::new(Overview::new(Arc::clone(&connections)));
    let pools = config.pools.keys().map(String::as_str);
    let access_log = log.as_ref().map(|(log, _)| Arc::clone(log));
    let ledger = Ledger::new(access_log, pools, &Ledger::default());
    overview.set(Arc::new(ledger), Vec::new());
    tokio::spawn(reopen_log(reopen, Arc::downgrade(&overview)));
    let admin = config
        .admin
        .as_ref()
        .map(|admin| Admin::start(admin, Arc::clone(&overview), remote))
        .transpose()?;
    if let Some(admin) = &admin {
        announce_admin(admin)?;
    }
    let server = &config.server;
    let runtimes = Runtimes::start(server.threads, server.bind_threads, server.batch_threads)
        .context("cannot start the runtime threads")?;
    let launchers = tokio::select! {
        launchers = Launchers::prepare(&config) => launchers?,
        name = signals.next() => {
            tracing::info!("{name}: stopping before Wine was ready");
            return Ok(());
        }
    };
    let mut begun = Begun {
        launchers,
        keeper: None,
        backends: Backends::new(),
    };
    let ready = tokio::select! {
        ready = begun.make_ready(&config, start, bound, &runtimes, &overview) => ready.map(Some),
        name = signals.next() => {
            tracing::info!("{name}: stopping before the extension was loaded");
            Ok(None)
        }
    };
    let listening = match ready {
        Ok(Some(listening)) => listening,
        early => {
            begun.stop().await;
            return early.map(drop);
        }
    };
    let Begun {
        launchers,
        keeper,
        backends,
    } = begun;
    overview.serve();
    os::notify(Notice::Ready);
    tokio::spawn(watchdog::run(runtimes.clone()));
    let mut gateway = Gateway::new(
        config, runtimes, launchers, backends, log, &overview, listening,
    )
    .report_to(keeper.as_ref().map(Keeper::reports));

    let name = loop {
        let order = tokio::select! {
            name = signals.next() => break name,
            order = orders.next(gateway.is_watching()) => order,
        };
        tokio::select! {
            name = signals.next() => break name,
            () = orders.carry_out(order, &mut gateway) => {}
        }
    };
    tracing::info!(
        "{name}: stopping; {} connections are open",
        connections.count()
    );
    overview.stop();
    os::notify(Notice::Stopping);
    // Whoever waits for an answer hears that there is none.
    drop(orders);
    tokio::spawn(end_at_next(signals));
    let logs = gateway.stop().await;
    finish(keeper).await;
    drop((admin, overview));
    for log in logs {
        log.finish(LAST_LINES);
    }
    tracing::info!("stopped");
    Ok(())
}

/// What has begun to run before there is a gateway.
struct Begun {
    launchers: Launchers,
    keeper: Option<Keeper>,
    backends: Backends,
}

impl Begun {
    /// Starts what the configuration names, and listens. Whatever comes of it, all that has begun is there to be stopped.
    async fn make_ready(
        &mut self,
        config: &Config,
        start: Start,
        bound: Bound,
        runtimes: &Runtimes,
        overview: &Overview,
    ) -> anyhow::Result<Listening> {
        self.keeper = Keeper::start(&config.crash)?;
        let reports = self.keeper.as_ref().map(Keeper::reports);
        let all = config.pools.keys();
        let prepared = match start {
            Start::WhenLoaded | Start::AtOnce => {
                Prepared::of(config, all, &self.launchers, reports.as_ref())?
            }
            #[cfg(feature = "in-process")]
            Start::InProcess => Prepared::in_process(config, &self.launchers)?,
        };
        self.backends = prepared.start_all(runtimes);
        let backends = self.backends.values().cloned().collect();
        overview.set(overview.ledger(), backends);
        if start == Start::WhenLoaded {
            pools::loaded(&self.backends).await?;
        }
        let listening = bound.listen()?;
        listening.announce()?;
        Ok(listening)
    }

    async fn stop(self) {
        pools::stop(self.backends.into_values(), BACKEND_GRACE).await;
        self.launchers.stop().await;
        finish(self.keeper).await;
    }
}

async fn finish(keeper: Option<Keeper>) {
    if let Some(keeper) = keeper {
        keeper.finish(LAST_REPORTS).await;
    }
}

/// Has the access log's file opened again at each signal, as long as there is a gateway; a reload makes no difference.
async fn reopen_log(mut signal: OrderSignal, overview: Weak<Overview>) {
    loop {
        signal.next().await;
        let Some(overview) = overview.upgrade() else {
            return;
        };
        if let Some(log) = &overview.ledger().log {
            log.reopen();
        }
    }
}

/// Tells whoever started the gateway where it can be asked what it does.
fn announce_admin(admin: &Admin) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "admin on {}", admin.address())
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}
