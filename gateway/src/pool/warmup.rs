//! The first request of a new worker, which shows that it can answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;

use fastcgi_protocol::ExecStatus;
use http::StatusCode;

use super::Pool;
use super::exchange::{Ending, Exchange, Part};
use super::lane::Lane;
use super::worker::Worker;
use crate::backend::Backend;
use crate::backend::head::{Head, HeadParser};
use crate::backend::isapi::Isapi;
use crate::observe::crash_report::content::Outcome;
use crate::runtime;
use crate::site::{HandlerId, Target, Warmup};

/// What the extension is told when it asks for a child request: there are none yet (ERROR_NOT_SUPPORTED).
const NO_CHILD: ExecStatus = ExecStatus {
    status: 0,
    sub_status: 0,
    error: 50,
};

/// Sends the pool's warm-up request to a worker that has greeted, and reads the answer to its end.
///
/// # Errors
/// When there is no whole answer, or its status says that the server is at fault (5xx).
pub async fn run(pool: &Arc<Pool>, worker: &Arc<Worker>, warmup: &Warmup) -> Result<(), String> {
    let answer = begin(pool, worker, warmup).await;
    let failed = |what| format!("the warm-up request {} failed: {what}", warmup.head.uri);
    match answer.map_err(failed)? {
        Some(status) if status.is_server_error() => Err(failed(format!("status {status}"))),
        _ => Ok(()),
    }
}

async fn begin(
    pool: &Arc<Pool>,
    worker: &Arc<Worker>,
    warmup: &Warmup,
) -> Result<Option<StatusCode>, String> {
    let target = Target {
        backend: Arc::new(Backend::Isapi(Isapi::new(pool.clone()))),
        // Only child requests would ask for it.
        handler: HandlerId::default(),
        site: &warmup.site,
        root: &warmup.site.root,
        script: warmup.script.clone(),
        must_exist: false,
    };
    let slot = worker.reserve().ok_or("the worker takes no requests")?;
    let lane = slot.lane(runtime::current_index().unwrap_or(0)).cloned();
    let lane = lane.ok_or("the worker has no connection")?;
    let exchange = lane
        .begin(slot, None, Instant::now(), &warmup.head, &target, false)
        .map_err(|error| error.to_string())?
        .ok_or("the worker has closed its connection")?;
    // It never runs again.
    exchange.becomes(Outcome::Failed);
    let status = read(&lane, &exchange).await;
    if status.is_err() {
        lane.abort(&exchange);
    }
    status
}

/// Reads an answer to its end. Returns its status; `None` for a local redirect.
async fn read(lane: &Arc<Lane>, exchange: &Arc<Exchange>) -> Result<Option<StatusCode>, String> {
    let mut parser = HeadParser::new();
    let mut status = None;
    let mut has_head = false;
    loop {
        match poll_fn(|context| exchange.poll_read(context)).await {
            Ok(Part::Bytes((bytes, credit))) => {
                if let Some(credit) = credit {
                    lane.grant(exchange, credit);
                }
                if has_head {
                    continue;
                }
                let head = parser.push(&bytes).map_err(|error| error.to_string())?;
                if let Some((head, _)) = head {
                    has_head = true;
                    status = match head {
                        Head::Document(document) => Some(document.status),
                        Head::LocalRedirect(_) => None,
                    };
                }
            }
            Ok(Part::Child(_)) => {
                lane.leave_entity(exchange);
                lane.end_exec(exchange, NO_CHILD);
            }
            Ok(Part::ErrorPage(page)) => {
                has_head = true;
                status = Some(page.status);
            }
            Err(Ending::Complete) if has_head => return Ok(status),
            Err(ending) => return Err(ending.before_head().to_string()),
        }
    }
}
