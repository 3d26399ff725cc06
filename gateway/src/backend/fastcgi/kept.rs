//! Connections to one address that wait, open, for their next request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastcgi_protocol::RecordBuffer;
use tokio::time::Instant;

use super::stream::Stream;
use crate::alarms::sleep_until;
use crate::runtime;

/// A connection between two requests.
pub struct Connection {
    /// The socket.
    pub stream: Arc<Stream>,
    /// What has arrived and not been taken; empty between requests.
    pub buffer: RecordBuffer,
    /// Whether it has served a request before: the application may have closed it meanwhile.
    pub is_reused: bool,
}

/// The connections kept for one address.
pub struct Kept {
    limit: usize,
    idle_timeout: Duration,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    /// The newest at the end.
    idle: Vec<Idle>,
    /// A task looks after them.
    watched: bool,
    closed: bool,
}

struct Idle {
    connection: Connection,
    since: Instant,
    /// The runtime thread that it is registered with: using it there wakes no other.
    thread: Option<usize>,
}

impl Connection {
    /// A new one.
    pub fn new(stream: Stream) -> Self {
        Self {
            stream: Arc::new(stream),
            buffer: RecordBuffer::new(),
            is_reused: false,
        }
    }
}

impl Kept {
    /// Keeps up to `limit` connections, each for `idle_timeout`.
    pub fn new(limit: usize, idle_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            limit,
            idle_timeout,
            list: Mutex::default(),
        })
    }

    /// Whether any is kept.
    pub fn is_keeping(&self) -> bool {
        self.limit > 0
    }

    /// The newest connection that is still open, one of this runtime thread first.
    pub fn take(&self) -> Option<Connection> {
        let here = runtime::current_index();
        let mut list = self.lock();
        while !list.idle.is_empty() {
            let mine = list.idle.iter().rposition(|idle| idle.thread == here);
            let at = mine.unwrap_or(list.idle.len() - 1);
            let mut connection = list.idle.remove(at).connection;
            if connection.stream.is_quiet() {
                connection.is_reused = true;
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose request has ended in order. The oldest goes when there are too many.
    pub fn park(self: &Arc<Self>, connection: Connection) {
        let mut list = self.lock();
        if self.limit == 0 || list.closed {
            return;
        }
        if list.idle.len() >= self.limit {
            list.idle.remove(0);
        }
        list.idle.push(Idle {
            connection,
            since: Instant::now(),
            thread: runtime::current_index(),
        });
        if !std::mem::replace(&mut list.watched, true) {
            tokio::spawn(Arc::clone(self).watch());
        }
    }

    /// Closes all that are idle: the application has closed one of them, and most likely the others too.
    pub fn clear(&self) {
        self.lock().idle.clear();
    }

    /// Closes all that are idle, and keeps none from now on.
    pub fn close(&self) {
        let mut list = self.lock();
        list.closed = true;
        list.idle.clear();
    }

    /// Closes connections that have been idle too long, as long as there are any.
    async fn watch(self: Arc<Self>) {
        loop {
            let next = {
                let mut list = self.lock();
                let now = Instant::now();
                list.idle
                    .retain(|idle| idle.since + self.idle_timeout > now);
                match list.idle.iter().map(|idle| idle.since).min() {
                    Some(oldest) => oldest + self.idle_timeout,
                    None => {
                        list.watched = false;
                        return;
                    }
                }
            };
            sleep_until(next).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        // Nothing under this lock can panic half-way.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;

    use super::*;
    use crate::os::Socket;

    fn connection() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Connection::new(watched(ours)), theirs)
    }

    fn watched(stream: UnixStream) -> Stream {
        Stream::Unix(Socket::new(stream.into_std().unwrap()).unwrap())
    }

    #[tokio::test]
    async fn the_newest_that_is_open_is_taken() {
        let kept = Kept::new(3, Duration::from_secs(60));
        let mut theirs = Vec::new();
        for _ in 0..4 {
            let (connection, their) = connection();
            kept.park(connection);
            theirs.push(their);
        }
        // The first had to go. The last speaks out of turn, the third is closed.
        theirs[3].write_all(b"x").await.unwrap();
        drop(theirs.remove(2));
        assert!(!watched(theirs.remove(0)).is_quiet());
        let taken = kept.take().unwrap();
        assert!(taken.is_reused);
        taken.stream.shutdown();
        assert!(!taken.stream.is_quiet());
        assert!(kept.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn idle_ones_are_closed() {
        let kept = Kept::new(3, Duration::from_secs(60));
        let (first, their_first) = connection();
        kept.park(first);
        crate::alarms::sleep(Duration::from_secs(50)).await;
        let (second, their_second) = connection();
        kept.park(second);
        crate::alarms::sleep(Duration::from_secs(20)).await;
        let is_open = |stream| watched(stream).is_quiet();
        assert!(!is_open(their_first));
        assert!(is_open(their_second));
        kept.close();
        let (third, their_third) = connection();
        kept.park(third);
        assert!(!is_open(their_third));
        assert!(kept.take().is_none());
    }
}
