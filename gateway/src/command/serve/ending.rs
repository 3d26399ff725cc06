//! Pools that are no longer in the table: they finish what they are at, and end.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::pools;
use crate::backend::Backend;
use crate::dispatch::Released;

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
    /// `None` where it has never been in one.
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
                if let Some(released) = released {
                    released.wait().await;
                }
            };
            tokio::select! {
                () = unused => {}
                () = sleep_until(deadline) => {}
                // An error means the same.
                _ = hurry.wait_for(|hurry| *hurry) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            backend.stop(left).await;
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
