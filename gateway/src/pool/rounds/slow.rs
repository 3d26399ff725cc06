//! Requests that take long: what is known of them goes to the log once.

use std::time::{Duration, Instant};

use crate::pool::Pool;

/// Logs the requests that have been in a worker for `limit` and have not been logged before. Zero: none.
pub fn log(pool: &Pool, limit: Duration) {
    if limit.is_zero() {
        return;
    }
    let (name, extension) = (&pool.name, pool.extension.display());
    let now = Instant::now();
    // A copy: lanes are not to be locked while the roster is.
    let members = pool.roster.borrow().members.clone();
    for member in &members {
        let pid = member.worker.pid;
        for slow in member
            .worker
            .lanes
            .iter()
            .flat_map(|lane| lane.slow(now, limit))
        {
            let last_call = slow.last_call.as_deref().unwrap_or("not traced");
            tracing::warn!(
                label = "slow_request",
                pool = name,
                pid,
                seconds = slow.seconds,
                sent_bytes = slow.sent_bytes,
                last_call,
                "the request {} takes long in worker {pid} (extension {extension})",
                slow.request
            );
        }
    }
}
