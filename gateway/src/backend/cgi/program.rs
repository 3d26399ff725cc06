//! A running CGI program: fed, watched, and always reaped, with every process of its group.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use fastcgi_protocol::Order;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::Cgi;
use super::output::Output;
use crate::alarms::{sleep, timeout};
use crate::body::{Body, BodyError};
use crate::error::Error;
use crate::os;
use crate::process::leader::Leader;
use crate::process::program::{self, Input, Program};
use crate::process::stderr::Log;

/// How long a program may go on after SIGTERM before it gets SIGKILL.
pub const GRACE: Duration = Duration::from_secs(2);

/// How long the last words of a program are waited for after its end, when a process that left its group still
/// holds its standard error.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a program may run before its process is watched.
const SOON: Duration = Duration::from_millis(10);

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

/// Has a task start the program and keep it; `slot` is held until the program has been reaped, whatever becomes of the
/// request.
///
/// # Errors
/// When the program cannot be started.
pub async fn start(
    cgi: &Cgi,
    order: Order,
    body: Body,
    slot: OwnedSemaphorePermit,
) -> Result<Output, Error> {
    let body = (!body.is_end_stream()).then_some(body);
    let (wanted, unwanted) = oneshot::channel();
    let (tell, ended) = oneshot::channel();
    let (ready, started) = oneshot::channel();
    let orders = Orders {
        unwanted,
        end: cgi.end.subscribe(),
        limit: cgi.settings.request_timeout,
    };
    let (pool, worker) = (cgi.pool().to_owned(), cgi.worker.clone());
    tokio::spawn(async move {
        match program::start(worker.as_deref(), &order, body.is_some()).await {
            Ok(program) => {
                drop(order);
                let Program {
                    leader,
                    input,
                    output,
                    error,
                } = program;
                let pid = leader.pid();
                // Nobody may want it any more, as the keeper will see.
                let _ = ready.send(Ok((output, pid)));
                let log = Log::new(error, pool, pid);
                let end = keep(leader, input.zip(body), log, orders).await;
                drop(slot);
                // The output may be gone: then nobody wants to know.
                let _ = tell.send(end);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    });
    let limit = cgi.settings.request_timeout;
    let started = tokio::select! {
        biased;
        started = started => started,
        // It is ended as soon as it has started.
        () = at_end_of(limit) => return Err(Error::RequestTimeout(limit)),
    };
    // An error means that the runtime is being stopped.
    let started = started.map_err(|_| Error::Stopping)?;
    let (output, pid) = started.map_err(|error| cannot_start(&cgi.program, &error))?;
    let description = format!("{} (process {pid})", cgi.program.display());
    Ok(Output::new(output, ended, wanted, description))
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
                pending::<()>().await;
            }
        };
        tokio::select! {
            () = abandoned => Ended::Unwanted,
            // An error means that the backend is gone, and the gateway with it.
            _ = end.wait_for(|end| *end) => Ended::Unwanted,
            () = at_end_of(limit) => Ended::TimedOut(limit),
        }
    }
}

/// Waits for this time; zero has no end.
async fn at_end_of(limit: Duration) {
    match limit {
        Duration::ZERO => pending().await,
        limit => sleep(limit).await,
    }
}

/// Keeps the program until it has ended, with everything in its group.
async fn keep(
    mut leader: Leader,
    fed: Option<(Input, Body)>,
    mut log: Log<program::Error>,
    orders: Orders,
) -> Ended {
    let early = tokio::select! {
        biased;
        () = over(&mut leader, &mut log) => None,
        error = feed(fed) => Some(Ended::BodyBroken(error)),
        early = orders.must_end() => Some(early),
    };
    if early.is_some() {
        tokio::select! {
            () = leader.terminate(sleep(GRACE)) => {}
            () = always(log.go_on()) => {}
        }
    }
    let status = leader.reap().await;
    let _ = timeout(LAST_WORDS, log.go_on()).await;
    match (early, status) {
        (Some(early), _) => early,
        (None, Ok(status)) => Ended::Exited(status),
        (None, Err(error)) => {
            tracing::error!(%error, "the exit status of a program cannot be read");
            Ended::Unwanted
        }
    }
}

/// Waits until the program has exited; logs meanwhile what it says.
async fn over(leader: &mut Leader, log: &mut Log<program::Error>) {
    // Most exit soon, and then nobody holds their standard error any more: to have the system tell it is dear.
    if timeout(SOON, log.go_on()).await.is_ok() && leader.has_exited() {
        return;
    }
    tokio::select! {
        biased;
        () = leader.exited() => {}
        () = always(log.go_on()) => {}
    }
}

/// Does this beside other things, and so without an end.
async fn always(work: impl Future<Output = ()>) {
    work.await;
    pending().await
}

/// Writes the request's body to the program and closes its input. Ends only when the body breaks off.
async fn feed(fed: Option<(Input, Body)>) -> BodyError {
    if let Some((mut stdin, mut body)) = fed {
        while let Some(frame) = body.frame().await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) if stdin.write_all(&data).await.is_err() => break, // It reads no more, which is its right.
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }
    pending().await
}
