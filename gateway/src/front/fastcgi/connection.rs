//! A connection from a web server: its bytes, its time limits, its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use fastcgi_protocol::{ProtocolError, RecordBuffer};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::FastCgi;
use super::requests::Requests;
use super::traffic::Traffic;
use super::wire::{Moved, Wire};
use crate::os::Stream;
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
/// # Errors
/// Why it ended other than in order; a matter for debugging.
pub async fn serve(
    front: Arc<FastCgi>,
    stream: impl Stream,
    socket: Connection,
    mut stage: watch::Receiver<Stage>,
) -> anyhow::Result<()> {
    let traffic = Arc::new(Traffic::default());
    let mut requests = Requests::new(Arc::clone(&front), socket, Arc::clone(&traffic));
    let mut wire = Wire::new(stream);
    let mut input = RecordBuffer::new();
    let mut output = Output::default();
    let mut clock = Clock::new(&front);
    let mut alarm = pin!(sleep_until(clock.deadline(&requests).into()));
    loop {
        let has_room = take_records(&mut input, &mut requests)?;
        output.refill(&mut requests);
        if requests.are_over() && output.rest().is_empty() {
            break;
        }
        let deadline = clock.deadline(&requests);
        if deadline < alarm.deadline().into_std() {
            alarm.as_mut().reset(deadline.into());
        }
        let space = has_room.then(|| input.space());
        tokio::select! {
            biased;
            () = requests.join() => {}
            () = traffic.changed() => {}
            moved = wire.exchange(space, output.rest()) => match moved? {
                Moved::In(0) => return Ok(()),
                Moved::In(count) => input.advance(count),
                Moved::Out(count) => output.written += count,
            },
            () = alarm.as_mut() => {
                let deadline = clock.deadline(&requests);
                let (now, limit) = (Instant::now(), front.header_timeout);
                if deadline > now {
                    alarm.as_mut().reset(deadline.into());
                } else if requests.are_idle() {
                    break;
                } else if now.checked_sub(limit).is_some_and(|since| requests.overdue(since)) {
                    return Err(anyhow!("no whole request within {limit:?}"));
                }
            }
            changed = stage.changed() => {
                changed?;
                let stage = *stage.borrow_and_update();
                match stage {
                    Stage::Running => {}
                    Stage::Draining => requests.stop(),
                    Stage::Cut => {
                        // A web server that does not read is not waited for.
                        let end = [output.rest(), requests.cut_mark()].concat();
                        let _ = timeout(CUT_PATIENCE, wire.write(&end)).await;
                        return Err(anyhow!("cut by the stop of the gateway"));
                    }
                }
            }
        }
    }
    // The stop of the gateway need not wait for what follows.
    drop(stage);
    if requests.are_cut() {
        wire.write(requests.cut_mark()).await?;
    }
    // A web server that does not end by itself is not waited for any longer.
    let _ = timeout(LINGER, wire.finish()).await;
    Ok(())
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

/// What is being written.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    written: usize,
}

impl Output {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Takes more, once everything has been written.
    fn refill(&mut self, requests: &mut Requests) {
        if self.rest().is_empty() {
            self.bytes.clear();
            self.written = 0;
            requests.take_output(&mut self.bytes);
        }
    }
}

/// The time limits of a connection.
struct Clock {
    header_timeout: Duration,
    idle_timeout: Duration,
    idle_since: Option<Instant>,
}

impl Clock {
    fn new(front: &FastCgi) -> Self {
        Self {
            header_timeout: front.header_timeout,
            idle_timeout: front.idle_timeout,
            idle_since: None,
        }
    }

    /// When to look at the limits again: the time at which one is over, or may be at the earliest.
    fn deadline(&mut self, requests: &Requests) -> Instant {
        if requests.are_idle() {
            return *self.idle_since.get_or_insert_with(Instant::now) + self.idle_timeout;
        }
        self.idle_since = None;
        match requests.oldest() {
            Some(since) => since + self.header_timeout,
            None => Instant::now() + self.idle_timeout.min(self.header_timeout),
        }
    }
}
