//! The queue in front of a pool: requests for which no worker has room, first come first served, bounded.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::oneshot;

use super::lock;
use super::state::WorkerId;
use crate::error::Error;

/// What a request waits for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticket {
    /// Room on this lane …
    pub lane: usize,
    /// … of this worker, if its client is bound to one.
    pub bound: Option<WorkerId>,
}

/// Waiting requests; each gets an `S`, or the reason why not.
pub struct Queue<S> {
    limit: usize,
    /// Length of `waiters`, to be read without the lock. Together with the order "join, then serve" here and "free,
    /// then look at the queue" at the other end, sequential consistency sees to it that no waiter is forgotten.
    length: AtomicUsize,
    waiters: Mutex<VecDeque<Waiter<S>>>,
}

struct Waiter<S> {
    ticket: Ticket,
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

    /// How many wait now; forgets those that have left.
    pub fn count(&self) -> usize {
        let mut waiters = lock(&self.waiters);
        waiters.retain(|waiter| !waiter.answer.is_closed());
        self.length.store(waiters.len(), SeqCst);
        waiters.len()
    }

    /// Waits at the end of the queue; `None` when the queue is full, or half full of those who are bound and this one is
    /// bound, too: a worker that stalls holds up nobody but its own clients. Dropping the receiver leaves the queue. The
    /// caller serves the queue afterwards.
    pub fn join(&self, ticket: Ticket) -> Option<oneshot::Receiver<Result<S, Error>>> {
        let mut waiters = lock(&self.waiters);
        if self.is_full_for(ticket, &waiters) {
            waiters.retain(|waiter| !waiter.answer.is_closed());
            if self.is_full_for(ticket, &waiters) {
                return None;
            }
        }
        let (answer, receiver) = oneshot::channel();
        waiters.push_back(Waiter { ticket, answer });
        self.length.store(waiters.len(), SeqCst);
        Some(receiver)
    }

    /// Hands out what `take` gives for the first waiter, and so on, until it has nothing to give. Those who are bound
    /// to a worker neither wait for the others nor hold them up.
    pub fn serve(&self, take: impl Fn(Ticket) -> Result<Option<S>, Error>) {
        // What a waiter left behind is dropped after the lock: its drop may serve the queue again.
        let mut left_behind = Vec::new();
        let mut waiters = lock(&self.waiters);
        let mut next = 0;
        let mut is_full = false;
        while let Some(Waiter { ticket, answer }) = waiters.get(next) {
            let found = if answer.is_closed() {
                None
            } else if is_full && ticket.bound.is_none() {
                next += 1;
                continue;
            } else {
                match take(*ticket) {
                    Ok(None) if ticket.bound.is_none() && !waiters.iter().any(Waiter::is_bound) => {
                        break;
                    }
                    Ok(None) => {
                        is_full |= ticket.bound.is_none();
                        next += 1;
                        continue;
                    }
                    found => found.transpose(),
                }
            };
            if let (Some(waiter), Some(found)) = (waiters.remove(next), found)
                && let Err(unclaimed) = waiter.answer.send(found)
            {
                left_behind.push(unclaimed);
            }
        }
        self.length.store(waiters.len(), SeqCst);
        drop(waiters);
    }

    fn is_full_for(&self, ticket: Ticket, waiters: &VecDeque<Waiter<S>>) -> bool {
        let bound = || waiters.iter().filter(|waiter| waiter.is_bound()).count();
        waiters.len() >= self.limit || (ticket.bound.is_some() && bound() >= self.limit.div_ceil(2))
    }
}

impl<S> Waiter<S> {
    fn is_bound(&self) -> bool {
        self.ticket.bound.is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;

    use super::*;

    fn give(count: usize) -> impl Fn(Ticket) -> Result<Option<usize>, Error> {
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
        let mut waiters: Vec<_> = (0..3)
            .map(|_| queue.join(Ticket::default()).unwrap())
            .collect();
        queue.serve(give(2));
        assert_eq!(waiters[0].try_recv().unwrap().unwrap(), 2);
        assert_eq!(waiters[1].try_recv().unwrap().unwrap(), 1);
        assert!(waiters[2].try_recv().is_err());
        assert!(!queue.is_empty());
    }

    #[test]
    fn those_who_left_make_room_and_get_nothing() {
        let queue = Queue::new(2);
        let first = queue.join(Ticket::default()).unwrap();
        let mut second = queue.join(Ticket::default()).unwrap();
        assert!(queue.join(Ticket::default()).is_none());
        drop(first);
        let mut third = queue.join(Ticket::default()).unwrap();
        assert!(queue.join(Ticket::default()).is_none());
        queue.serve(give(2));
        assert_eq!(second.try_recv().unwrap().unwrap(), 2);
        assert_eq!(third.try_recv().unwrap().unwrap(), 1);
        assert!(queue.is_empty());
    }

    #[test]
    fn who_waits_for_one_worker_waits_for_nobody_else() {
        let queue = Queue::new(10);
        let bound = [None, Some(1), Some(2), None, Some(1)];
        let mut waiters = bound.map(|bound| {
            let bound = bound.map(WorkerId);
            queue.join(Ticket { lane: 0, bound }).unwrap()
        });
        let give = |room: &'static [Option<u64>]| {
            let left = std::cell::RefCell::new(room.to_vec());
            move |ticket: Ticket| {
                let mut left = left.borrow_mut();
                let wanted = ticket.bound.map(|WorkerId(id)| id);
                let found = left.iter().position(|worker| *worker == wanted);
                Ok(found.map(|at| left.remove(at)))
            }
        };
        let mut served = |room| {
            queue.serve(give(room));
            waiters.each_mut().map(|waiter| waiter.try_recv().is_ok())
        };
        assert_eq!(served(&[Some(2)]), [false, false, true, false, false]);
        assert_eq!(served(&[Some(1), None]), [true, true, false, false, false]);
        assert_eq!(served(&[None, Some(1)]), [false, false, false, true, true]);
        assert!(queue.is_empty());
    }

    #[test]
    fn those_who_wait_for_one_worker_leave_room_for_the_others() {
        let queue = Queue::<()>::new(4);
        let bound = Ticket {
            lane: 0,
            bound: Some(WorkerId(1)),
        };
        let [first, _second] = [bound; 2].map(|ticket| queue.join(ticket).unwrap());
        assert!(queue.join(bound).is_none());
        let _others = [(); 2].map(|()| queue.join(Ticket::default()).unwrap());
        assert!(queue.join(Ticket::default()).is_none());
        drop(first);
        let _third = queue.join(bound).unwrap();
        assert!(queue.join(bound).is_none());
    }

    #[test]
    fn who_has_left_is_not_counted() {
        let queue = Queue::<()>::new(2);
        let [first, _second] = [(); 2].map(|()| queue.join(Ticket::default()).unwrap());
        assert_eq!(queue.count(), 2);
        drop(first);
        assert_eq!((queue.len(), queue.count(), queue.len()), (2, 1, 1));
    }

    #[test]
    fn a_reason_reaches_everybody() {
        let queue = Queue::<()>::new(2);
        let mut waiters = [
            queue.join(Ticket::default()).unwrap(),
            queue.join(Ticket::default()).unwrap(),
        ];
        queue.serve(|_| Err(Error::Stopping));
        for waiter in &mut waiters {
            assert!(matches!(waiter.try_recv(), Ok(Err(Error::Stopping))));
        }
    }
}
