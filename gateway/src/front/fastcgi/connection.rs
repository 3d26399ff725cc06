//! A connection from a web server: its bytes, its time limits, its end.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use fastcgi_protocol::{ProtocolError, RecordBuffer};
use tokio::sync::watch::{self, error::RecvError};
use tokio::time::Sleep;

use super::FastCgi;
use super::answering::{Ending, Work};
use super::requests::{Here, Requests};
use super::traffic::Traffic;
use super::wire::{Moved, Wire};
use crate::alarms::{sleep, timeout};
use crate::front::seldom::Seldom;
use crate::os::Stream;
use crate::outbox::Outbox;
use crate::request::Connection;
use crate::shutdown::Stage;

/// How long a web server that still sends is read when everything has been answered: a connection that is closed on
/// unread bytes is reset, and the answer might be lost.
const LINGER: Duration = Duration::from_secs(2);

/// How long the end of an answer that is cut by the stop of the gateway may take to be written.
const CUT_PATIENCE: Duration = Duration::from_secs(1);

/// Serves one connection to its end, on the current runtime. Its end is the end of its requests: FastCGI knows no
/// connection that is closed in one direction only.
///
/// All of it happens on one task, the answer of a request that comes alone included: most web servers send one at a
/// time, whole, and to start and wake another task for it costs more than reading it.
///
/// # Errors
/// Why it ended other than in order; a matter for debugging.
pub async fn serve(
    front: Arc<FastCgi>,
    stream: impl Stream,
    socket: Connection,
    stage: watch::Receiver<Stage>,
) -> anyhow::Result<()> {
    let mut stages = Seldom::new(Box::pin(another(stage)));
    let mut here = pin!(None);
    let mut open = Open::new(front, stream, socket);
    let over = poll_fn(|context| {
        open.awake(context);
        loop {
            if let Poll::Ready(step) = open.poll_traffic(context, here.as_mut(), Work::run) {
                match step? {
                    Step::Moved => continue,
                    Step::Over(over) => return Poll::Ready(anyhow::Ok(over)),
                }
            }
            if let Poll::Ready(changed) = stages.poll(context) {
                let (now, stage) = changed?;
                match now {
                    Stage::Running => {}
                    Stage::Draining => open.requests.stop(),
                    Stage::Cut => return Poll::Ready(Ok(Over::Stopped)),
                }
                stages.change().set(another(stage));
                continue;
            }
            if let Poll::Ready(idle) = open.clock.poll(context, &mut open.requests) {
                match idle? {
                    true => return Poll::Ready(Ok(Over::Answered)),
                    false => continue,
                }
            }
            return Poll::Pending;
        }
    })
    .await?;
    let Open {
        mut wire,
        mut output,
        requests,
        ..
    } = open;
    match over {
        Over::Answered => {}
        Over::Gone => return Ok(()),
        Over::Stopped => {
            // A web server that does not read is not waited for.
            output.records().extend_from_slice(requests.cut_mark());
            let _ = timeout(CUT_PATIENCE, wire.write(&mut output)).await;
            return Err(anyhow!("cut by the stop of the gateway"));
        }
    }
    // The stop of the gateway need not wait for what follows.
    drop(stages);
    if requests.are_cut() {
        output.records().extend_from_slice(requests.cut_mark());
        wire.write(&mut output).await?;
    }
    // A web server that does not end by itself is not waited for any longer.
    let _ = timeout(LINGER, wire.finish()).await;
    Ok(())
}

/// Waits for another stage of the gateway.
async fn another(
    mut stage: watch::Receiver<Stage>,
) -> Result<(Stage, watch::Receiver<Stage>), RecvError> {
    stage.changed().await?;
    let now = *stage.borrow_and_update();
    Ok((now, stage))
}

/// How a connection comes to its end.
enum Over {
    /// Everything has been answered, or nothing was asked for long.
    Answered,
    /// The web server has closed it.
    Gone,
    /// The gateway waits for it no longer.
    Stopped,
}

/// What has been done for a connection.
enum Step {
    Moved,
    Over(Over),
}

/// A connection that is being served.
struct Open<S> {
    traffic: Arc<Traffic>,
    requests: Requests,
    wire: Wire<S>,
    input: RecordBuffer,
    /// What is being written.
    output: Outbox,
    clock: Clock,
    /// What wakes the task.
    waker: Option<Waker>,
}

impl<S: Stream> Open<S> {
    fn new(front: Arc<FastCgi>, stream: S, socket: Connection) -> Self {
        let traffic = Arc::new(Traffic::default());
        let clock = Clock::new(&front);
        Self {
            requests: Requests::new(front, socket, Arc::clone(&traffic)),
            traffic,
            wire: Wire::new(stream),
            input: RecordBuffer::new(),
            output: Outbox::default(),
            clock,
            waker: None,
        }
    }

    /// The task runs.
    fn awake(&mut self, context: &Context<'_>) {
        let waker = context.waker();
        if !self
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            self.traffic.wake_by(waker.clone());
            self.waker = Some(waker.clone());
        }
        self.traffic.awake();
    }

    /// Takes what has come, goes on with the answers, and reads or writes once. `here` is the request that is answered
    /// on this task, and `run` answers the next one.
    fn poll_traffic<F: Future<Output = Ending>>(
        &mut self,
        context: &mut Context<'_>,
        mut here: Pin<&mut Option<F>>,
        run: impl Fn(Work) -> F,
    ) -> Poll<anyhow::Result<Step>> {
        loop {
            let has_room = take_records(&mut self.input, &mut self.requests)?;
            match self.requests.next_here() {
                Some(Here::Begin(work)) => here.set(Some(run(work))),
                Some(Here::Drop) => here.set(None),
                None => {}
            }
            if let Some(answer) = here.as_mut().as_pin_mut()
                && let Poll::Ready(ending) = poll_whole(answer, context)
            {
                self.requests.ended_here(ending);
            }
            self.requests.poll_elsewhere(context);
            if self.output.is_empty() {
                self.requests.take_output(&mut self.output);
            }
            if self.requests.are_over() && self.output.is_empty() {
                return Poll::Ready(Ok(Step::Over(Over::Answered)));
            }
            let space = has_room.then(|| self.input.space());
            match self.wire.poll_exchange(context, space, &mut self.output) {
                Poll::Ready(moved) => {
                    match moved? {
                        Moved::In(0) => return Poll::Ready(Ok(Step::Over(Over::Gone))),
                        Moved::In(count) => self.input.advance(count),
                        Moved::Out => {}
                    }
                    return Poll::Ready(Ok(Step::Moved));
                }
                // An answer may have made room since the records were looked at.
                Poll::Pending if !has_room && self.requests.have_room() => {}
                Poll::Pending if self.traffic.may_wait() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
    }
}

/// Goes on with an answer. One that panics is cut.
fn poll_whole(
    answer: Pin<&mut impl Future<Output = Ending>>,
    context: &mut Context<'_>,
) -> Poll<Ending> {
    let polled = catch_unwind(AssertUnwindSafe(|| answer.poll(context)));
    polled.unwrap_or(Poll::Ready(Ending::Cut))
}

/// Takes the records that have come. Returns whether more may be read; else they wait where they are.
fn take_records(input: &mut RecordBuffer, requests: &mut Requests) -> Result<bool, ProtocolError> {
    while requests.have_room() {
        let Some(record) = input.next()? else {
            return Ok(true);
        };
        requests.receive(record)?;
    }
    Ok(false)
}

/// The time limits of a connection.
struct Clock {
    header_timeout: Duration,
    idle_timeout: Duration,
    /// When to look at them again: no later than the first may be over. It is not moved for each request.
    alarm: Seldom<Pin<Box<Sleep>>>,
}

impl Clock {
    fn new(front: &FastCgi) -> Self {
        let (header_timeout, idle_timeout) = (front.header_timeout, front.idle_timeout);
        Self {
            header_timeout,
            idle_timeout,
            alarm: Seldom::new(Box::pin(sleep(header_timeout.min(idle_timeout)))),
        }
    }

    /// Waits until a limit may be over; returns whether the connection is to end for having no request.
    ///
    /// # Errors
    /// When a request has not come in time.
    fn poll(
        &mut self,
        context: &Context<'_>,
        requests: &mut Requests,
    ) -> Poll<anyhow::Result<bool>> {
        if let Some(end) = requests.retires_at() {
            let alarm = self.alarm.change();
            if end < alarm.deadline().into_std() {
                alarm.as_mut().reset(end.into());
            }
        }
        ready!(self.alarm.poll(context));
        let (now, limit) = (Instant::now(), self.header_timeout);
        let soon = now + limit.min(self.idle_timeout);
        let next = if let Some(since) = requests.idle_since() {
            since + self.idle_timeout
        } else {
            if now
                .checked_sub(limit)
                .is_some_and(|since| requests.overdue(since))
            {
                return Poll::Ready(Err(anyhow!("no whole request within {limit:?}")));
            }
            requests.oldest().map_or(soon, |since| since + limit)
        };
        if next <= now {
            return Poll::Ready(Ok(true));
        }
        self.alarm.change().as_mut().reset(next.min(soon).into());
        Poll::Ready(Ok(false))
    }
}

#[cfg(test)]
#[path = "tests/moving.rs"]
mod tests;
