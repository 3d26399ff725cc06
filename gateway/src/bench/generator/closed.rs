//! The closed loop: every connection sends its next request when it has the answer to the last. It finds out how much a
//! server can do; its latencies are those of a server that is never asked too much.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Share;
use super::connection::Connection;
use super::tally::Recorder;
use crate::bench::http::AnswerReader;

/// Pause of a connection after an error.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) async fn run(share: &Share, recorder: &Rc<Recorder>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    for index in 0..share.connections {
        let first = share.first + index;
        let (job, recorder) = (share.job.clone(), Rc::clone(recorder));
        connections.spawn_local(async move {
            let mut connection = Connection::new(job.address, AnswerReader::default());
            for request in job.turns(first) {
                let now = Instant::now();
                if now >= job.end {
                    return;
                }
                connection.reset();
                let answer = connection.exchange(request, |bytes| recorder.received(bytes));
                let checked = match answer.await {
                    Ok(()) => job.expected.check(connection.reader()),
                    Err(fault) => Err(fault.to_string()),
                };
                match checked {
                    Ok(()) => recorder.completed(now),
                    Err(text) => {
                        recorder.error(|| text);
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
    }
    while connections.join_next().await.is_some() {}
    Ok(())
}
