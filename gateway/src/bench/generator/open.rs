//! The open loop: requests are due at fixed moments, and one for which no connection is free waits. Latency counts from
//! the moment when it was due, so a server that stalls is charged for all that would have come meanwhile (no coordinated
//! omission).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::tally::Recorder;
use super::timer::Timer;
use super::{Job, Share};
use crate::bench::http::AnswerReader;

/// Requests that are due, and connections that wait for them.
struct Desk {
    due: RefCell<VecDeque<Instant>>,
    /// One permit for each that is due; closed when no more come.
    count: Semaphore,
}

pub(super) async fn run(share: &Share, recorder: &Rc<Recorder>) -> io::Result<()> {
    let desk = Rc::new(Desk {
        due: RefCell::default(),
        count: Semaphore::new(0),
    });
    let mut connections = JoinSet::new();
    for index in 0..share.connections {
        let first = share.first + index;
        let (job, desk, recorder) = (share.job.clone(), Rc::clone(&desk), Rc::clone(recorder));
        connections.spawn_local(async move { serve(&job, first, &desk, &recorder).await });
    }
    hand_out(share, &desk, recorder).await?;
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Puts requests on the desk as they become due.
async fn hand_out(share: &Share, desk: &Desk, recorder: &Recorder) -> io::Result<()> {
    let timer = Timer::new()?;
    let begin = Instant::now();
    for number in 0_u32.. {
        let offset = (f64::from(number) + share.phase) / share.rate;
        let due = begin + Duration::from_secs_f64(offset);
        if due >= share.job.end {
            break;
        }
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            timer.sleep(left).await?;
        }
        recorder.late(due.elapsed());
        desk.due.borrow_mut().push_back(due);
        desk.count.add_permits(1);
    }
    desk.count.close();
    Ok(())
}

async fn serve(job: &Job, first: usize, desk: &Desk, recorder: &Recorder) {
    let mut connection = Connection::new(job.address, AnswerReader::default());
    // Being connected is no part of a request's latency; if it fails, the request tells.
    let _ = connection.connect().await;
    for request in job.turns(first) {
        if let Ok(permit) = desk.count.acquire().await {
            permit.forget();
        }
        // Of a closed desk what is left.
        let Some(due) = desk.due.borrow_mut().pop_front() else {
            return;
        };
        connection.reset();
        let answer = connection.exchange(request, |bytes| recorder.received(bytes));
        let checked = match answer.await {
            Ok(()) => job.expected.check(connection.reader()),
            Err(fault) => Err(fault.to_string()),
        };
        match checked {
            Ok(()) => recorder.answered(due),
            Err(text) => recorder.error(|| text),
        }
    }
}
