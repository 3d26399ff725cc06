//! A running CGI program: fed, watched, and always reaped, with every process of its group.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::Cgi;
use super::output::Output;
use crate::body::{Body, BodyError};
use crate::error::Error;
use crate::os;
use crate::process::leader::Leader;
use crate::process::stderr;

/// How long a program may go on after SIGTERM before it gets SIGKILL.
pub const GRACE: Duration = Duration::from_secs(2);

/// How long the last words of a program are waited for after its end, when a process that left its group still
/// holds its standard error.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a program came to its end.
#[derive(Debug)]
pub enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// It ran longer than the pool allows and was ended.
    TimedOut(Duration),
    /// The client's body broke off, so that the program could not be fed.
    BodyBroken(BodyError),
    /// Nobody waits for the answer any more, or the gateway is stopping.
    Unwanted,
}

/// Starts the program and a task that keeps it; `slot` is held until the program has been reaped.
///
/// # Errors
/// When the program cannot be started.
pub fn start(
    cgi: &Cgi,
    mut command: Command,
    body: Body,
    slot: OwnedSemaphorePermit,
) -> Result<Output, Error> {
    let body = (!body.is_end_stream()).then_some(body);
    if body.is_some() {
        command.stdin(Stdio::piped());
    }
    let child = command
        .spawn()
        .map_err(|error| cannot_start(&cgi.program, &error))?;
    let mut leader = Leader::new(child).map_err(|error| cannot_start(&cgi.program, &error))?;
    let stdout = leader.child.stdout.take();
    let stdout = stdout.ok_or_else(|| Error::CannotStart("standard output is not piped".into()))?;

    let (wanted, unwanted) = oneshot::channel();
    let (tell, ended) = oneshot::channel();
    let orders = Orders {
        unwanted,
        end: cgi.end.subscribe(),
        limit: cgi.settings.request_timeout,
    };
    let pool = cgi.pool().to_owned();
    let description = format!("{} (process {})", cgi.program.display(), leader.pid());
    tokio::spawn(async move {
        let end = keep(leader, pool, body, orders).await;
        drop(slot);
        // The output may be gone: then nobody wants to know.
        let _ = tell.send(end);
    });
    Ok(Output::new(stdout, ended, wanted, description))
}

fn cannot_start(program: &Path, error: &io::Error) -> Error {
    let shown = program.display();
    match error.kind() {
        ErrorKind::ArgumentListTooLong => {
            Error::BadRequest("its headers do not fit into an environment".into())
        }
        _ if os::is_shortage(error) => {
            Error::Overloaded(format!("{shown} cannot be started now: {error}"))
        }
        ErrorKind::NotFound if !program.exists() => {
            Error::FileMissing(format!("{shown} does not exist"))
        }
        ErrorKind::NotFound => Error::CannotStart(format!(
            "{shown} cannot be started: its working folder or the interpreter it names does not exist"
        )),
        ErrorKind::PermissionDenied => {
            Error::CannotStart(format!("{shown} may not be executed: {error}"))
        }
        _ => Error::CannotStart(format!("{shown} cannot be started: {error}")),
    }
}

/// Who may end a program before it ends by itself.
struct Orders {
    /// Ends with an error when the output has been dropped unfinished, with a value when it was read to its end.
    unwanted: oneshot::Receiver<()>,
    end: watch::Receiver<bool>,
    /// Zero: none.
    limit: Duration,
}

impl Orders {
    /// Ends when the program must end.
    async fn must_end(self) -> Ended {
        let Self {
            unwanted,
            mut end,
            limit,
        } = self;
        let abandoned = async {
            if unwanted.await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        let out_of_time = async {
            if limit.is_zero() {
                std::future::pending::<()>().await;
            }
            sleep(limit).await;
        };
        tokio::select! {
            () = abandoned => Ended::Unwanted,
            // An error means that the backend is gone, and the gateway with it.
            _ = end.wait_for(|end| *end) => Ended::Unwanted,
            () = out_of_time => Ended::TimedOut(limit),
        }
    }
}

/// Keeps the program until it has ended, with everything in its group.
async fn keep(mut leader: Leader, pool: String, body: Option<Body>, orders: Orders) -> Ended {
    let pid = leader.pid();
    let stream = leader.child.stderr.take();
    let mut log = stream.map(|stream| tokio::spawn(stderr::log(stream, pool, pid)));
    let feeding = feed(leader.child.stdin.take().zip(body));
    let early = tokio::select! {
        biased;
        () = leader.exited() => None,
        error = feeding => Some(Ended::BodyBroken(error)),
        early = orders.must_end() => Some(early),
    };
    if early.is_some() {
        leader.terminate(sleep(GRACE)).await;
    }
    let status = leader.reap().await;
    if let Some(log) = &mut log
        && timeout(LAST_WORDS, &mut *log).await.is_err()
    {
        log.abort();
    }
    match (early, status) {
        (Some(early), _) => early,
        (None, Ok(status)) => Ended::Exited(status),
        (None, Err(error)) => {
            tracing::error!(%error, "the exit status of a program cannot be read");
            Ended::Unwanted
        }
    }
}

/// Writes the request's body to the program and closes its input. Ends only when the body breaks off.
async fn feed(streams: Option<(ChildStdin, Body)>) -> BodyError {
    if let Some((mut stdin, mut body)) = streams {
        while let Some(frame) = body.frame().await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) if stdin.write_all(&data).await.is_err() => break, // It reads no more, which is its right.
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }
    std::future::pending().await
}
