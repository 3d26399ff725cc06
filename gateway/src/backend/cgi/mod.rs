//! The CGI backend: one process for each request (RFC 3875).

mod command;
mod output;
mod program;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::head::{Head, HeadParser};
use super::sendfile::SendFile;
use crate::alarms::timeout;
use crate::body::{Body, discard};
use crate::config;
use crate::error::Error;
use crate::observe::status::PoolStatus;
use crate::request::RequestHead;
use crate::response::Answer;
use crate::site::Target;
use output::Output;

/// A CGI program and the limits it runs under.
pub struct Cgi {
    settings: config::Pool,
    program: PathBuf,
    /// The executable that starts programs.
    worker: Option<PathBuf>,
    /// One permit for each program that may run; held until the program has been reaped.
    slots: Arc<Semaphore>,
    /// Requests that wait for a permit.
    waiting: AtomicUsize,
    /// Becomes true when running programs are to be ended.
    end: watch::Sender<bool>,
    sendfile: SendFile,
}

impl Cgi {
    /// The backend of the pool `settings`, which runs `program`. `worker` starts it, where there is one.
    pub fn new(settings: &config::Pool, program: &Path, worker: Option<PathBuf>) -> Self {
        Self {
            worker,
            settings: settings.clone(),
            program: program.to_owned(),
            slots: Arc::new(Semaphore::new(settings.concurrency)),
            waiting: AtomicUsize::new(0),
            end: watch::Sender::new(false),
            sendfile: SendFile::new(&settings.sendfile),
        }
    }

    /// Name of the pool.
    pub fn pool(&self) -> &str {
        &self.settings.name
    }

    /// The files that the program may have sent.
    pub fn sendfile(&self) -> &SendFile {
        &self.sendfile
    }

    /// What there is to tell, but for the counters of its requests.
    pub fn status(&self) -> PoolStatus {
        PoolStatus {
            program: self.program.display().to_string(),
            queued: self.queued(),
            ..PoolStatus::new(self.pool(), "cgi")
        }
    }

    /// Requests that wait for a process.
    pub fn queued(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Runs one request in a process of its own. The program is ended when the future or the answer's body is
    /// dropped before the program has finished.
    ///
    /// # Errors
    /// When the program cannot be started, or ends or is ended before it has sent a head.
    pub async fn call(
        &self,
        head: &RequestHead,
        body: Body,
        target: &Target<'_>,
    ) -> Result<Answer, Error> {
        let slot = self.slot().await?;
        let order = command::build(&self.settings, &self.program, head, target);
        let mut output = program::start(self, order, body, slot).await?;
        match read_head(&mut output).await? {
            Head::Document(document) => Ok(Answer::Response(
                document.into_response(output, &head.method),
            )),
            Head::LocalRedirect(path) => {
                discard(output);
                Ok(Answer::LocalRedirect(path))
            }
        }
    }

    /// Waits until every program has finished; those that still run after the pool's `shutdown_timeout`, or `limit` if
    /// that is less, are ended. Called when no request comes any more.
    pub async fn stop(&self, limit: Duration) {
        let all = u32::try_from(self.settings.concurrency).unwrap_or(u32::MAX);
        let finished = self.slots.acquire_many(all);
        if timeout(limit.min(self.settings.shutdown_timeout), finished)
            .await
            .is_err()
        {
            self.end.send_replace(true);
            // Bounded, as no signal ends a process that hangs in the kernel.
            let _ = timeout(program::GRACE * 2, self.slots.acquire_many(all)).await;
        }
        self.slots.close();
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(slot);
        }
        let (limit, patience) = (self.settings.queue_length, self.settings.queue_timeout);
        let _place = Place::take(&self.waiting, limit)
            .ok_or_else(|| Error::Overloaded(format!("{limit} requests wait already")))?;
        match timeout(patience, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_closed)) => Err(Error::Stopping),
            Err(_elapsed) => Err(Error::Overloaded(format!(
                "no program ended within {patience:?}"
            ))),
        }
    }
}

/// A place in the queue, given back on drop.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let place = Self(waiting);
        // Dropping the place undoes the count again when the queue was full.
        (waiting.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn read_head(output: &mut Output) -> Result<Head, Error> {
    let mut parser = HeadParser::new();
    while let Some(chunk) = poll_fn(|context| output.poll_chunk(context)).await {
        if let Some((head, offset)) = parser.push(&chunk)? {
            output.put_back(chunk.slice(offset..));
            return Ok(head);
        }
    }
    Err(output.no_head(parser.has_partial_head()))
}
