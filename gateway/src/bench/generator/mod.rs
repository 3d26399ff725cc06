//! The load generator: keep-alive connections that send one request after the other (`closed`), or as a clock says
//! (`open`). It runs on threads of its own, each with a runtime for its share of the connections.

mod closed;
mod connection;
mod open;
mod tally;
mod timer;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::http::AnswerReader;
use super::machine::Division;
use crate::os;
use connection::Connection;
use tally::Recorder;
pub use tally::Tally;

/// How long the last requests may take when the time is over.
pub const GRACE: Duration = Duration::from_secs(30);

/// How requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each connection sends as soon as it has the answer.
    Closed,
    /// So many requests a second over all connections, whether or not the server keeps up.
    Open(f64),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Job {
    /// The server.
    pub address: SocketAddr,
    /// The requests as they go out, in turns; at least one.
    pub requests: Arc<[Vec<u8>]>,
    /// The status that every answer must have, and its length where it is always the same.
    pub expected: Expected,
    /// Connections over all threads.
    pub connections: usize,
    /// How requests follow each other.
    pub pace: Pace,
    /// Counting begins.
    pub begin: Instant,
    /// Counting ends, and so does sending.
    pub end: Instant,
}

/// What every answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its status.
    pub status: u16,
    /// Bytes of its body; `None`: any number.
    pub length: Option<u64>,
}

impl Expected {
    fn check(self, reader: &AnswerReader) -> Result<(), String> {
        if reader.status() != self.status {
            return Err(format!("status {}", reader.status()));
        }
        match self.length {
            Some(length) if length != reader.body_bytes() => {
                Err(format!("{} bytes instead of {length}", reader.body_bytes()))
            }
            _ => Ok(()),
        }
    }
}

/// Gets one whole answer on a connection of its own: its status and body.
///
/// # Errors
/// Why there is none.
pub fn probe(
    address: SocketAddr,
    request: &[u8],
    limit: Duration,
) -> anyhow::Result<(u16, Vec<u8>)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::new(address, AnswerReader::keeping());
        let answer = connection.exchange(request, |_| {});
        tokio::time::timeout(limit, answer).await??;
        let reader = connection.reader();
        Ok((reader.status(), reader.take_body()))
    })
}

/// Does a job on the load generator's processors; returns when the last request is over, or [`GRACE`] after its end.
///
/// # Errors
/// When the threads cannot be started.
pub fn run(job: &Job, division: &Division) -> std::io::Result<Tally> {
    let threads = division
        .generator_threads()
        .clamp(1, job.connections.max(1));
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for index in 0..threads {
            let share = Share::new(job, index, threads);
            let builder = std::thread::Builder::new().name(format!("load-{index}"));
            running.push(builder.spawn_scoped(scope, move || run_share(share, division))?);
        }
        let mut tally = Tally::default();
        for thread in running {
            match thread.join() {
                Ok(part) => tally.add(part?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(tally)
    })
}

/// What one thread does of a job.
struct Share {
    job: Job,
    connections: usize,
    /// Where this thread's ticks lie between those of the first thread: a part of the interval.
    phase: f64,
    /// Requests a second of this thread.
    rate: f64,
    /// Where the first connection of this thread begins in the turn of requests.
    first: usize,
}

impl Share {
    fn new(job: &Job, index: usize, threads: usize) -> Self {
        let rate = match job.pace {
            Pace::Closed => 0.0,
            Pace::Open(rate) => rate / threads as f64,
        };
        Self {
            job: job.clone(),
            connections: job.connections / threads + usize::from(index < job.connections % threads),
            phase: index as f64 / threads as f64,
            rate,
            first: index * job.connections.div_ceil(threads),
        }
    }
}

impl Job {
    /// The requests in turns, from this one on.
    fn turns(&self, first: usize) -> impl Iterator<Item = &[u8]> {
        let all = self.requests.iter().map(Vec::as_slice);
        all.cycle().skip(first % self.requests.len().max(1))
    }
}

fn run_share(share: Share, division: &Division) -> std::io::Result<Tally> {
    if division.is_divided() {
        os::bind(&division.generator)?;
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let recorder = Rc::new(Recorder::new(share.job.begin, share.job.end));
    let tasks = LocalSet::new();
    let work = async {
        match share.job.pace {
            Pace::Closed => closed::run(&share, &recorder).await,
            Pace::Open(_) => open::run(&share, &recorder).await,
        }
    };
    let limit = (share.job.end + GRACE).saturating_duration_since(Instant::now());
    let bounded = async { tokio::time::timeout(limit, work).await };
    let done = runtime.block_on(tasks.run_until(bounded));
    // Connections that still wait for an answer are dropped.
    drop(tasks);
    match done {
        Ok(done) => done?,
        Err(_) => recorder.error(|| format!("no answer within {GRACE:?} after the end")),
    }
    Ok(recorder.tally())
}

#[cfg(test)]
mod tests;
