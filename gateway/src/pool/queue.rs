//! The queue in front of a pool: requests for which no worker has room, first come first served, bounded.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::oneshot;

use super::lock;
use crate::error::Error;

/// Waiting requests; each gets an `S`, or the reason why not.
pub struct Queue<S> {
    limit: usize,
    /// Length of `waiters`, to be read without the lock. Together with the order "join, then serve" here and "free,
    /// then look at the queue" at the other end, sequential consistency sees to it that no waiter is forgotten.
    length: AtomicUsize,
    waiters: Mutex<VecDeque<Waiter<S>>>,
}

struct Waiter<S> {
    lane: usize,
    answer: oneshot::Sender<Result<S, Error>>,
}

impl<S> Queue<S> {
    /// An empty queue for at most `limit` requests.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            length: AtomicUsize::new(0),
            waiters: Mutex::new(VecDeque::new()),
        }
    }

    /// Whether nobody waits. Requests that have left may count until the queue is served.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait. Requests that have left may count until the queue is served.
    pub fn len(&self) -> usize {
        self.length.load(SeqCst)
    }

    /// Waits at the end of the queue for something on `lane`; `None` when the queue is full. Dropping the receiver
    /// leaves the queue. The caller serves the queue afterwards.
    pub fn join(&self, lane: usize) -> Option<oneshot::Receiver<Result<S, Error>>> {
        let mut waiters = lock(&self.waiters);
        if waiters.len() >= self.limit {
            waiters.retain(|waiter| !waiter.answer.is_closed());
        }
        if waiters.len() >= self.limit {
            return None;
        }
        let (answer, receiver) = oneshot::channel();
        waiters.push_back(Waiter { lane, answer });
        self.length.store(waiters.len(), SeqCst);
        Some(receiver)
    }

    /// Hands out what `take` gives for the lane of the first waiter, and so on, until it has nothing to give.
    pub fn serve(&self, take: impl Fn(usize) -> Result<Option<S>, Error>) {
        // What a waiter left behind is dropped after the lock: its drop may serve the queue again.
        let mut left_behind = Vec::new();
        let mut waiters = lock(&self.waiters);
        while let Some(Waiter { lane, answer }) = waiters.front() {
            let found = if answer.is_closed() {
                None
            } else {
                match take(*lane) {
                    Ok(None) => break,
                    found => found.transpose(),
                }
            };
            if let (Some(waiter), Some(found)) = (waiters.pop_front(), found)
                && let Err(unclaimed) = waiter.answer.send(found)
            {
                left_behind.push(unclaimed);
            }
        }
        self.length.store(waiters.len(), SeqCst);
        drop(waiters);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;

    use super::*;

    fn give(count: usize) -> impl Fn(usize) -> Result<Option<usize>, Error> {
        let left = Cell::new(count);
        move |_| {
            let now = left.get();
            left.set(now.saturating_sub(1));
            Ok((now > 0).then_some(now))
        }
    }

    #[test]
    fn first_come_first_served() {
        let queue = Queue::new(10);
        let mut waiters: Vec<_> = (0..3).map(|_| queue.join(0).unwrap()).collect();
        queue.serve(give(2));
        assert_eq!(waiters[0].try_recv().unwrap().unwrap(), 2);
        assert_eq!(waiters[1].try_recv().unwrap().unwrap(), 1);
        assert!(waiters[2].try_recv().is_err());
        assert!(!queue.is_empty());
    }

    #[test]
    fn those_who_left_make_room_and_get_nothing() {
        let queue = Queue::new(2);
        let first = queue.join(0).unwrap();
        let mut second = queue.join(0).unwrap();
        assert!(queue.join(0).is_none());
        drop(first);
        let mut third = queue.join(0).unwrap();
        assert!(queue.join(0).is_none());
        queue.serve(give(2));
        assert_eq!(second.try_recv().unwrap().unwrap(), 2);
        assert_eq!(third.try_recv().unwrap().unwrap(), 1);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_reason_reaches_everybody() {
        let queue = Queue::<()>::new(2);
        let mut waiters = [queue.join(0).unwrap(), queue.join(1).unwrap()];
        queue.serve(|_| Err(Error::Stopping));
        for waiter in &mut waiters {
            assert!(matches!(waiter.try_recv(), Ok(Err(Error::Stopping))));
        }
    }
}
