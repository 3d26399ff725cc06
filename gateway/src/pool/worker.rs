//! One worker as requests see it: its lanes, how many requests it has, and room for one more.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use fastcgi_protocol::Hello;

use tokio::sync::Notify;

use super::Pool;
use super::death::Birth;
use super::lane::Lane;
use super::state::{Cause, Event, Reason, WorkerId};

/// What an extension says of itself (ISAPI.md §1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// `lpszExtensionDesc`.
    pub description: String,
    /// `dwExtensionVersion`, "MAJOR.MINOR".
    pub version: String,
    /// How long the worker took to start and to load it.
    pub after: Duration,
}

/// A worker process. Its life is watched in `process`.
pub struct Worker {
    /// Its name in the state machine.
    pub id: WorkerId,
    /// Its process id, which is also its process group.
    pub pid: u32,
    /// One connection for each runtime thread.
    pub lanes: Vec<Arc<Lane>>,
    /// When it was started.
    pub started: Instant,
    /// The same for reports, and with which version of the extension.
    pub birth: Birth,
    /// Why it ends, if it was told to.
    ending: OnceLock<&'static str>,
    killed: OnceLock<Cause>,
    kill: Notify,
    pool: Arc<Pool>,
    about: OnceLock<About>,
    /// Requests that it may have at the same time.
    limit: AtomicUsize,
    /// Requests that it has.
    taken: AtomicUsize,
    /// Those of them that have run too long and been given up.
    stuck: AtomicUsize,
    served: AtomicU64,
    /// So many requests may be served; 0: any number.
    quota: u64,
    retiring: AtomicBool,
}

impl Worker {
    /// A worker that takes up to `limit` requests at a time, and up to `quota` in all before it asks to be replaced.
    pub fn new(
        pool: Arc<Pool>,
        id: WorkerId,
        pid: u32,
        lanes: Vec<Arc<Lane>>,
        limit: usize,
        quota: u64,
        birth: Birth,
    ) -> Self {
        Self {
            id,
            pid,
            lanes,
            started: Instant::now(),
            birth,
            ending: OnceLock::new(),
            killed: OnceLock::new(),
            kill: Notify::new(),
            pool,
            about: OnceLock::new(),
            limit: AtomicUsize::new(limit),
            taken: AtomicUsize::new(0),
            stuck: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            quota,
            retiring: AtomicBool::new(false),
        }
    }

    /// The worker has loaded its extension: says what that is, and how many requests it takes at most.
    pub fn greet(&self, hello: &Hello, after: Duration) -> &About {
        self.limit.fetch_min(hello.max_requests.into(), SeqCst);
        let field = |name: &[u8]| {
            let value = hello.fields.get(name).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        self.about.get_or_init(|| About {
            description: field(b"description"),
            version: field(b"extension-version"),
            after,
        })
    }

    /// What it said of its extension; `None` before its greeting.
    pub fn about(&self) -> Option<&About> {
        self.about.get()
    }

    /// Requests that it has.
    pub fn taken(&self) -> usize {
        self.taken.load(SeqCst)
    }

    /// Requests that it has finished.
    pub fn served(&self) -> u64 {
        self.served.load(Relaxed)
    }

    /// Whether it has served as many requests as it may.
    pub fn is_used_up(&self) -> bool {
        self.quota > 0 && self.served() >= self.quota
    }

    /// Whether it takes no new requests any more.
    pub fn is_retiring(&self) -> bool {
        self.retiring.load(SeqCst)
    }

    /// Whether it has room for one more request on this lane.
    pub fn has_room(&self, lane: usize) -> bool {
        self.lanes.get(lane).is_some_and(|lane| lane.has_room())
            && self.taken() < self.limit.load(SeqCst)
            && !self.is_retiring()
    }

    /// Takes room for one request; `None` when another was faster.
    pub fn reserve(self: &Arc<Self>) -> Option<Slot> {
        let limit = self.limit.load(SeqCst);
        self.taken
            .fetch_update(SeqCst, SeqCst, |taken| (taken < limit).then_some(taken + 1))
            .ok()?;
        if self.is_retiring() {
            // Not by a slot's drop: that would serve the queue, which may be what asks.
            self.taken.fetch_sub(1, SeqCst);
            self.report_if_idle();
            return None;
        }
        Some(Slot {
            worker: self.clone(),
            stuck: false,
        })
    }

    /// Takes no new requests, and reports when those that it has are finished or stuck. `reason` is why, for metrics.
    pub fn retire(&self, reason: &'static str) {
        // The first reason counts.
        let _ = self.ending.set(reason);
        self.retiring.store(true, SeqCst);
        self.report_if_idle();
    }

    /// Has the watcher kill the process group.
    pub fn kill(&self, cause: Cause) {
        // The first cause counts.
        let _ = self.ending.set(cause.label());
        let _ = self.killed.set(cause);
        self.kill.notify_one();
    }

    /// Why it has gone, for metrics.
    pub fn end_reason(&self) -> &'static str {
        self.ending.get().copied().unwrap_or("died")
    }

    /// Why it was to be killed, if it was.
    pub fn kill_cause(&self) -> Option<Cause> {
        self.killed.get().copied()
    }

    /// Waits until the process group shall be killed.
    pub async fn must_be_killed(&self) -> Cause {
        loop {
            match self.killed.get() {
                Some(cause) => return *cause,
                None => self.kill.notified().await,
            }
        }
    }

    fn report_if_idle(&self) {
        if self.is_retiring() && self.taken.load(SeqCst) == self.stuck.load(SeqCst) {
            self.pool.report(Event::Idle(self.id));
        }
    }
}

/// The room that one request takes in a worker; given back when dropped, to the first in the queue.
pub struct Slot {
    worker: Arc<Worker>,
    stuck: bool,
}

impl Slot {
    /// The worker's connection for this runtime thread.
    pub fn lane(&self, index: usize) -> Option<&Arc<Lane>> {
        self.worker.lanes.get(index)
    }

    /// Whether the request has been given up.
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Gives up the request, and with it the worker: nobody knows when its thread comes back.
    pub fn give_up(&mut self) {
        if !self.stuck {
            self.stuck = true;
            self.worker.stuck.fetch_add(1, SeqCst);
            self.worker.pool.report(Event::Condemned(self.worker.id));
            self.worker.report_if_idle();
        }
    }

    /// Counts the request as served.
    pub fn finish(self) {
        let worker = &self.worker;
        let served = worker.served.fetch_add(1, Relaxed) + 1;
        if served == worker.quota {
            let event = Event::Recycle(worker.id, Reason::Requests);
            worker.pool.report(event);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let worker = &self.worker;
        // In this order, or a worker with an innocent request could look idle for a moment.
        if self.stuck {
            worker.stuck.fetch_sub(1, SeqCst);
        }
        worker.taken.fetch_sub(1, SeqCst);
        worker.report_if_idle();
        worker.pool.serve_queue();
    }
}
