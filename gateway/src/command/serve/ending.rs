//! Pools that are no longer in the table: they finish what they are at, and end.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::gateway::BACKEND_GRACE;
use super::pools;
use crate::backend::Backend;
use crate::dispatch::Released;

/// After this time, what may still come to a pool is not worth it to hold back those that wait for its end.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// How often such a pool is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// All of them, until their last process has gone.
#[derive(Default)]
pub struct Ending {
    backends: Vec<Weak<Backend>>,
    tasks: JoinSet<()>,
    /// The gateway ends.
    hurry: watch::Sender<bool>,
}

impl Ending {
    /// Ends this one when no request can come to it any more, within `patience` at the latest; what holds its
    /// successors back is dropped afterwards. Requests may come as long as those run that began with the table before;
    /// `None` where it has never been in one. One that has successors ends shortly after nobody waits for room in it.
    pub fn add(
        &mut self,
        backend: Arc<Backend>,
        patience: Duration,
        released: Option<Released>,
        successors: Vec<oneshot::Sender<Infallible>>,
    ) {
        while self.tasks.try_join_next().is_some() {}
        self.backends.retain(|backend| backend.strong_count() > 0);
        self.backends.push(Arc::downgrade(&backend));
        let deadline = Instant::now() + patience;
        let mut hurry = self.hurry.subscribe();
        let is_former = released.is_some();
        self.tasks.spawn(async move {
            let unused = async {
                match released {
                    Some(released) if successors.is_empty() => released.wait().await,
                    Some(released) => tokio::select! {
                        () = released.wait() => {}
                        () = nobody_waits(&backend) => {}
                    },
                    None => {}
                }
            };
            tokio::select! {
                () = unused => {}
                () = sleep_until(deadline) => {}
                // An error means the same.
                _ = hurry.wait_for(|hurry| *hurry) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            backend.stop(left.max(BACKEND_GRACE)).await;
            if is_former {
                tracing::info!(pool = backend.pool(), "the former pool has ended");
            }
            drop(successors);
        });
    }

    /// Ends all of them within `limit`.
    pub async fn stop(self, limit: Duration) {
        self.hurry.send_replace(true);
        let backends = self.backends.iter().filter_map(Weak::upgrade);
        pools::stop(backends.collect::<Vec<_>>(), limit).await;
        self.tasks.join_all().await;
    }
}

/// Waits until no request waits for room; those that have it finish when the pool stops.
async fn nobody_waits(backend: &Backend) {
    sleep(LAST_REQUESTS).await;
    while backend.status().queued > 0 {
        sleep(INTERVAL).await;
    }
}
