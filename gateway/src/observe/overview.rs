//! Where the status comes from.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::status::{PoolStatus, Status};
use super::traffic::Ledger;
use crate::backend::Backend;
use crate::os;
use crate::shutdown::Connections;

/// Everything that the status is told of. Asking it never waits for a request or a worker.
pub struct Overview {
    started: Instant,
    connections: Arc<Connections>,
    serving: AtomicBool,
    stopping: AtomicBool,
    /// Configurations that were read and are or were in use.
    used: AtomicU64,
    /// Those that could not be used.
    refused: AtomicU64,
    parts: Mutex<Parts>,
}

/// What a configuration brings.
#[derive(Clone, Default)]
struct Parts {
    ledger: Arc<Ledger>,
    backends: Vec<Arc<Backend>>,
}

impl Overview {
    /// Of a gateway that has no pools yet.
    pub fn new(connections: Arc<Connections>) -> Self {
        Self {
            started: Instant::now(),
            connections,
            serving: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            used: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            parts: Mutex::default(),
        }
    }

    /// These are its pools from now on, and where their requests are noted.
    pub fn set(&self, ledger: Arc<Ledger>, backends: Vec<Arc<Backend>>) {
        *self.parts.lock().unwrap_or_else(PoisonError::into_inner) = Parts { ledger, backends };
    }

    /// Another configuration has been read.
    pub fn reloaded(&self, is_used: bool) {
        let count = if is_used { &self.used } else { &self.refused };
        count.fetch_add(1, Relaxed);
    }

    /// It takes connections.
    pub fn serve(&self) {
        self.serving.store(true, Relaxed);
    }

    /// It takes no more connections.
    pub fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// The pool of this name.
    pub fn pool(&self, name: &str) -> Option<Arc<Backend>> {
        let parts = self.parts();
        parts.backends.into_iter().find(|pool| pool.pool() == name)
    }

    /// The names of the pools.
    pub fn pools(&self) -> Vec<String> {
        let backends = self.parts().backends;
        backends.iter().map(|pool| pool.pool().to_owned()).collect()
    }

    /// Whether every pool can answer requests.
    pub fn is_ready(&self) -> bool {
        let Parts { backends, .. } = self.parts();
        let are_ready = || backends.iter().all(|pool| pool.state().is_ready());
        self.serving.load(Relaxed) && !self.stopping.load(Relaxed) && are_ready()
    }

    /// The connections of clients.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// Where requests are noted.
    pub fn ledger(&self) -> Arc<Ledger> {
        self.parts().ledger
    }

    /// What the gateway is doing.
    pub fn status(&self) -> Status {
        let Parts { ledger, backends } = self.parts();
        let mut pools: Vec<PoolStatus> = backends.iter().map(|backend| backend.status()).collect();
        for pool in &mut pools {
            if let Some(traffic) = ledger.pools.get(&pool.name) {
                pool.traffic = traffic.status();
            }
        }
        weigh(&mut pools);
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            stopping: self.stopping.load(Relaxed),
            connections: self.connections.count(),
            traffic: ledger.all.status(),
            reloads: [("used", &self.used), ("refused", &self.refused)]
                .map(|(what, count)| (what.to_owned(), count.load(Relaxed)))
                .into(),
            access_log_lost: ledger.log.as_ref().map_or(0, |log| log.lost()),
            pools,
        }
    }

    fn parts(&self) -> Parts {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.clone()
    }
}

/// Asks the system what the workers take, all at once.
fn weigh(pools: &mut [PoolStatus]) {
    let workers = pools.iter().flat_map(|pool| &pool.workers);
    let pids: Vec<u32> = workers.map(|worker| worker.pid).collect();
    let usage = os::usage(&pids);
    let usage: HashMap<u32, os::Usage> = pids.into_iter().zip(usage).collect();
    for worker in pools.iter_mut().flat_map(|pool| &mut pool.workers) {
        if let Some(usage) = usage.get(&worker.pid) {
            worker.memory_bytes = usage.memory;
            worker.cpu_seconds = usage.cpu.as_secs_f64();
        }
    }
}
