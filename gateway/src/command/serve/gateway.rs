//! A gateway that runs a configuration, goes over to another one, and stops.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

use super::ending::{Ending, Former};
use super::plan::{Before, Changes, plan};
use super::pools::{self, Backends, Prepared};
use crate::backend::files::Files;
use crate::command::launchers::Launchers;
use crate::command::listeners::{Bound, Listeners, Listening};
use crate::config::{self, Config, Pool};
use crate::dispatch::{Dispatch, Table};
use crate::front::listen::Threads;
use crate::observe::access_log::{AccessLog, Writer};
use crate::observe::crash_report::Reports;
use crate::observe::{Ledger, Overview};
use crate::pool::Predecessors;
use crate::runtime::Runtimes;
use crate::site::Sites;

/// What workers get at least to terminate their extensions, when no request is left that anybody waits for.
pub const BACKEND_GRACE: Duration = Duration::from_secs(5);

/// An access log and the thread that writes it.
pub type Log = (Arc<AccessLog>, Writer);

/// The parts of a gateway, and the configuration that they are of.
pub struct Gateway {
    config: Config,
    runtimes: Runtimes,
    launchers: Launchers,
    backends: Backends,
    /// Those that a new configuration will have, until it is in use.
    starting: Backends,
    ending: Ending,
    table: Arc<Table>,
    listeners: Listeners,
    overview: Arc<Overview>,
    ledger: Arc<Ledger>,
    log: Option<Log>,
    /// Access logs of earlier configurations.
    earlier_logs: Vec<Writer>,
    /// Where deaths of workers are reported.
    reports: Option<Reports>,
}

/// What a new configuration needs, all of it there.
struct Ready<'a> {
    launchers: Launchers,
    /// Pools that must wait for others to end.
    waiting: Prepared<'a>,
    listening: Listening,
    log: Option<Log>,
}

impl Gateway {
    /// A gateway whose backends run, and that takes connections from now on.
    pub fn new(
        config: Config,
        runtimes: Runtimes,
        launchers: Launchers,
        backends: Backends,
        log: Option<Log>,
        overview: &Arc<Overview>,
        listening: Listening,
    ) -> Self {
        let ledger = overview.ledger();
        let dispatch = dispatch(&config, &backends, &ledger);
        let table = Arc::new(Table::new(dispatch));
        let threads = Threads::new(runtimes.clone());
        let connections = Arc::clone(overview.connections());
        let mut listeners = Listeners::new(Arc::clone(&table), threads, connections);
        listeners.accept(&config.server, listening);
        Self {
            config,
            runtimes,
            launchers,
            backends,
            starting: Backends::new(),
            ending: Ending::default(),
            table,
            listeners,
            overview: Arc::clone(overview),
            ledger,
            log,
            earlier_logs: Vec::new(),
            reports: None,
        }
    }

    /// Has deaths of the workers of pools to come reported there.
    pub fn report_to(self, reports: Option<Reports>) -> Self {
        Self { reports, ..self }
    }

    /// Whether the configuration wants its file to be watched.
    pub fn is_watching(&self) -> bool {
        self.config.server.watch
    }

    /// Another configuration has been read; the status tells how often.
    pub fn note_reload(&self, is_used: bool) {
        self.overview.reloaded(is_used);
    }

    /// Goes over to another configuration, when everything that it needs is there: no request is lost. Says what has
    /// changed.
    ///
    /// # Errors
    /// Why it cannot be used, in words for the operator: then everything stays as it was.
    pub async fn reload(&mut self, mut new: Config) -> anyhow::Result<String> {
        if new == self.config {
            return Ok("nothing has changed".into());
        }
        let earlier = self.ending.formers();
        let pools: Vec<&Pool> = earlier.iter().map(Former::pool).collect();
        let changes = plan(&self.config, &new, &pools);
        if let Some((new, old)) = &changes.listeners.obstructed {
            return Err(anyhow!(
                "cannot listen on {new}, since {old} is still open: take {old} out first, or restart the gateway"
            ));
        }
        new.server.threads = self.config.server.threads;
        new.admin.clone_from(&self.config.admin);
        new.crash.clone_from(&self.config.crash);
        match self.make_ready(&new, &changes).await {
            Ok(ready) => {
                self.switch(&new, &changes, &earlier, ready);
                self.config = new;
                Ok(changes.to_string())
            }
            Err(error) => {
                for (name, backend) in std::mem::take(&mut self.starting) {
                    let pool = &new.pools[&name];
                    self.ending
                        .add(pool, backend, BACKEND_GRACE, None, Vec::new());
                }
                Err(error)
            }
        }
    }

    /// Does everything that can fail.
    async fn make_ready<'a>(
        &mut self,
        new: &'a Config,
        changes: &Changes,
    ) -> anyhow::Result<Ready<'a>> {
        let (pools, listeners) = (&changes.pools, &changes.listeners);
        let bound = Bound::more(&listeners.open_http, &listeners.open_fastcgi)?;
        let launchers = self.launchers.renewed(new).await?;
        let mut prepared = Prepared::of(new, pools.started(), &launchers, self.reports.as_ref())?;
        for name in pools
            .started()
            .filter(|name| !pools.after.contains_key(*name))
        {
            let backend = prepared.start(name, Predecessors::default(), &self.runtimes);
            self.starting
                .extend(backend.map(|backend| (name.clone(), backend)));
        }
        pools::loaded(&self.starting).await?;
        // Last: nobody tells it to open its file again before it is in use.
        let log = match &new.access_log {
            Some(config) if changes.access_log => Some(open_log(config)?),
            _ => None,
        };
        Ok(Ready {
            launchers,
            waiting: prepared,
            listening: bound.listen()?,
            log,
        })
    }

    /// Puts everything to use.
    fn switch(&mut self, new: &Config, changes: &Changes, earlier: &[Former], mut ready: Ready) {
        let pools = &changes.pools;
        let mut before = std::mem::take(&mut self.backends);
        let mut backends = std::mem::take(&mut self.starting);
        for name in &pools.kept {
            backends.extend(before.remove_entry(name));
        }
        // By the name of a pool that ends: what those hold back that wait for it.
        let mut running = BTreeMap::<&String, Vec<_>>::new();
        for (name, predecessors) in &pools.after {
            let mut gate = Predecessors::default();
            for predecessor in predecessors {
                match predecessor {
                    Before::Old(name) => running.entry(name).or_default().push(gate.add()),
                    Before::Earlier(at) => earlier[*at].hold_back(gate.add()),
                }
            }
            let backend = ready.waiting.start(name, gate, &self.runtimes);
            backends.extend(backend.map(|backend| (name.clone(), backend)));
        }
        if changes.access_log {
            let earlier = std::mem::replace(&mut self.log, ready.log);
            self.earlier_logs.retain(|writer| !writer.has_ended());
            self.earlier_logs.extend(earlier.map(|(_, writer)| writer));
        }
        let log = self.log.as_ref().map(|(log, _)| Arc::clone(log));
        let names = new.pools.keys().map(String::as_str);
        self.ledger = Arc::new(Ledger::new(log, names, &self.ledger));
        let released = self.table.replace(dispatch(new, &backends, &self.ledger));
        self.overview.set(
            Arc::clone(&self.ledger),
            backends.values().cloned().collect(),
        );

        if let Err(error) = ready.listening.announce() {
            tracing::warn!("{error:#}");
        }
        self.listeners.renew(&new.server);
        self.listeners.accept(&new.server, ready.listening);
        let (listeners, patience) = (&changes.listeners, new.server.shutdown_timeout);
        self.listeners
            .close(&listeners.close_http, &listeners.close_fastcgi, patience);
        for (name, backend) in before {
            let pool = &self.config.pools[&name];
            let (patience, released) = (pool.shutdown_timeout, Some(released.clone()));
            let successors = running.remove(&name).unwrap_or_default();
            self.ending
                .add(pool, backend, patience, released, successors);
        }
        self.backends = backends;
        self.launchers = ready.launchers;
    }

    /// Lets the requests finish that there are, within the limits of the configuration, and ends everything. Returns the
    /// access logs, which may still be written.
    pub async fn stop(self) -> Vec<Writer> {
        let patience = self.config.server.shutdown_timeout;
        let deadline = Instant::now() + patience;
        self.listeners.stop(patience).await;
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = left.max(BACKEND_GRACE);
        let backends = self
            .backends
            .into_values()
            .chain(self.starting.into_values());
        tokio::join!(pools::stop(backends, limit), self.ending.stop(limit));
        self.launchers.stop().await;
        self.runtimes.stop();
        let last = self.log.map(|(_, writer)| writer);
        self.earlier_logs.into_iter().chain(last).collect()
    }
}

/// Opens the access log of a configuration.
///
/// # Errors
/// When its file cannot be opened, in words for the operator.
pub fn open_log(config: &config::AccessLog) -> anyhow::Result<Log> {
    AccessLog::open(config).with_context(|| {
        let file = config.file.display();
        format!(
            "cannot open the access log {file}; correct `file` in [access_log], or its permissions"
        )
    })
}

fn dispatch(config: &Config, backends: &Backends, ledger: &Arc<Ledger>) -> Arc<Dispatch> {
    let sites = Sites::new(config, |pool| Arc::clone(&backends[pool]));
    let files = Files::new(programs(config));
    Arc::new(Dispatch::new(sites, files, Arc::clone(ledger)))
}

fn programs(config: &Config) -> impl Iterator<Item = &Path> {
    config.pools.values().filter_map(|pool| pool.kind.file())
}
