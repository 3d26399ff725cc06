//! Pools that are no longer in the table: they finish what they are at, and end.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::gateway::BACKEND_GRACE;
use super::pools;
use crate::alarms::{sleep, sleep_until};
use crate::backend::Backend;
use crate::config;
use crate::dispatch::Released;

/// After this time, what may still come to a pool is not worth it to hold back those that wait for its end.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// How often such a pool is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// All of them, until their last process has gone.
#[derive(Default)]
pub struct Ending {
    formers: Vec<Former>,
    tasks: JoinSet<()>,
    /// The gateway ends.
    hurry: watch::Sender<bool>,
}

/// A pool that may still have processes.
#[derive(Clone)]
pub struct Former {
    pool: Arc<config::Pool>,
    left: Weak<Left>,
}

/// What is left of it, until its last process has gone.
struct Left {
    backend: Arc<Backend>,
    /// What its successors wait for: that these are dropped.
    successors: watch::Sender<Vec<oneshot::Sender<Infallible>>>,
}

impl Ending {
    /// Ends this one when no request can come to it any more, within `patience` at the latest; what holds its
    /// successors back is dropped afterwards. Requests may come as long as those run that began with the table before;
    /// `None` where it has never been in one. One that has successors ends shortly after nobody waits for room in it.
    pub fn add(
        &mut self,
        pool: &config::Pool,
        backend: Arc<Backend>,
        patience: Duration,
        released: Option<Released>,
        successors: Vec<oneshot::Sender<Infallible>>,
    ) {
        while self.tasks.try_join_next().is_some() {}
        let left = Arc::new(Left {
            backend,
            successors: watch::Sender::new(successors),
        });
        self.formers.retain(|former| former.left.strong_count() > 0);
        self.formers.push(Former {
            pool: Arc::new(pool.clone()),
            left: Arc::downgrade(&left),
        });
        let deadline = Instant::now() + patience;
        let mut hurry = self.hurry.subscribe();
        self.tasks.spawn(async move {
            let is_former = released.is_some();
            tokio::select! {
                () = left.is_unused(released) => {}
                () = sleep_until(deadline) => {}
                // An error means the same.
                _ = hurry.wait_for(|hurry| *hurry) => {}
            }
            let grace = deadline.saturating_duration_since(Instant::now());
            left.backend.stop(grace.max(BACKEND_GRACE)).await;
            if is_former {
                tracing::info!(pool = left.backend.pool(), "the former pool has ended");
            }
        });
    }

    /// Those that have not ended.
    pub fn formers(&self) -> Vec<Former> {
        let mut formers = self.formers.clone();
        formers.retain(|former| former.left.strong_count() > 0);
        formers
    }

    /// Ends all of them within `limit`.
    pub async fn stop(self, limit: Duration) {
        self.hurry.send_replace(true);
        let left = self
            .formers
            .iter()
            .filter_map(|former| former.left.upgrade());
        let backends: Vec<_> = left.map(|left| Arc::clone(&left.backend)).collect();
        pools::stop(backends, limit).await;
        self.tasks.join_all().await;
    }
}

impl Former {
    /// What it was in its configuration.
    pub fn pool(&self) -> &config::Pool {
        &self.pool
    }

    /// Holds another one back until this one has ended.
    pub fn hold_back(&self, successor: oneshot::Sender<Infallible>) {
        if let Some(left) = self.left.upgrade() {
            left.successors.send_modify(|all| all.push(successor));
        }
    }
}

impl Left {
    /// Waits until no request comes any more, or none for which it is worth it to hold its successors back.
    async fn is_unused(&self, released: Option<Released>) {
        let Some(released) = released else {
            return;
        };
        let mut successors = self.successors.subscribe();
        let nobody_waits = async {
            // There is an error only when the sender is dropped, which is here.
            let _ = successors.wait_for(|all| !all.is_empty()).await;
            nobody_waits(&self.backend).await;
        };
        tokio::select! {
            () = released.wait() => {}
            () = nobody_waits => {}
        }
    }
}

/// Waits until no request waits for room; those that have it finish when the pool stops.
async fn nobody_waits(backend: &Backend) {
    sleep(LAST_REQUESTS).await;
    while backend.queued() > 0 {
        sleep(INTERVAL).await;
    }
}
