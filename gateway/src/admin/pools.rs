//! Orders to pools.

use http::StatusCode;

use crate::config::TraceLevel;
use crate::observe::Overview;

/// What a pool can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Replace all workers.
    Recycle,
    /// Take no more requests.
    Stop,
    /// Take requests again.
    Start,
    /// Trace every request at this level; `None`: as the configuration says.
    Trace(Option<TraceLevel>),
}

/// Gives an order; returns what has been begun by it.
///
/// # Errors
/// Status and text of the refusal.
pub fn give(overview: &Overview, pool: &str, order: Order) -> Result<String, (StatusCode, String)> {
    let Some(backend) = overview.pool(pool) else {
        let names = overview.pools().join(", ");
        let text = format!("there is no pool \"{pool}\"; the pools are: {names}\n");
        return Err((StatusCode::NOT_FOUND, text));
    };
    let Some(workers) = backend.workers() else {
        let text = format!("the pool \"{pool}\" has no workers: only those of extensions have\n");
        return Err((StatusCode::CONFLICT, text));
    };
    let done = match order {
        Order::Recycle => {
            workers.recycle();
            "its workers are being replaced".to_owned()
        }
        Order::Stop => {
            workers.pause();
            "it takes no more requests".to_owned()
        }
        Order::Start => {
            workers.resume();
            "it takes requests".to_owned()
        }
        Order::Trace(level) => {
            workers.set_trace(level);
            let level = level.map_or("that of the configuration", TraceLevel::name);
            format!("requests from now on are traced at the level: {level}")
        }
    };
    tracing::info!(pool, "the operator's order: {done}");
    Ok(format!("{pool}: {done}\n"))
}
