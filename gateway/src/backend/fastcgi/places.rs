//! The places at an application's addresses, and the queue of those who wait for one: first come first served, bounded
//! by length and time. Those who have waited already and found an address dead are served before all others.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use super::balance::{Balance, Limits};
use crate::alarms::timeout;
use crate::error::Error;

/// Hands out places.
pub struct Places {
    queue_length: usize,
    queue_timeout: Duration,
    state: Mutex<State>,
    /// Told when the last place is given back.
    idle: Notify,
}

struct State {
    balance: Balance,
    waiters: VecDeque<Waiter>,
    stopping: bool,
}

struct Waiter {
    preferred: Option<usize>,
    /// The addresses that will not do.
    tried: Vec<usize>,
    answer: oneshot::Sender<Place>,
}

/// A place at an address, given back when dropped.
pub struct Place {
    places: Arc<Places>,
    /// The number of the address.
    pub member: usize,
}

impl Places {
    /// All places of `count` addresses.
    pub fn new(
        count: usize,
        limits: Limits,
        queue_length: usize,
        queue_timeout: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            queue_length,
            queue_timeout,
            state: Mutex::new(State {
                balance: Balance::new(count, limits),
                waiters: VecDeque::new(),
                stopping: false,
            }),
            idle: Notify::new(),
        })
    }

    /// How many wait; those that have left may count.
    pub fn waiting(&self) -> usize {
        self.lock().waiters.len()
    }

    /// A place, at the preferred address if it can be; waits until there is one.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when the queue is full or nothing became free in time, [`Error::Stopping`].
    pub async fn take(self: &Arc<Self>, preferred: Option<usize>) -> Result<Place, Error> {
        self.find(preferred, &[]).await
    }

    /// Gives a place up for one at an address that has not been tried, and waits until there is one. There must be such
    /// an address.
    ///
    /// # Errors
    /// As [`Self::take`]; at the stop only when there is no place at once.
    pub async fn another(self: &Arc<Self>, place: Place, tried: &[usize]) -> Result<Place, Error> {
        drop(place);
        self.find(None, tried).await
    }

    async fn find(
        self: &Arc<Self>,
        preferred: Option<usize>,
        tried: &[usize],
    ) -> Result<Place, Error> {
        let is_first = tried.is_empty();
        let place = {
            let mut state = self.lock();
            if state.stopping && is_first {
                return Err(Error::Stopping);
            }
            if (state.waiters.is_empty() || !is_first)
                && let Some(member) = state.balance.choose(Instant::now(), preferred, tried)
            {
                return Ok(self.place(member));
            }
            if state.stopping {
                return Err(Error::Stopping);
            }
            if state.waiters.len() >= self.queue_length {
                state.waiters.retain(|waiter| !waiter.answer.is_closed());
            }
            if state.waiters.len() >= self.queue_length {
                let limit = self.queue_length;
                return Err(Error::Overloaded(format!("{limit} requests wait already")));
            }
            let (answer, place) = oneshot::channel();
            let waiter = Waiter {
                preferred,
                tried: tried.to_vec(),
                answer,
            };
            let at = match is_first {
                true => state.waiters.len(),
                false => state.waiters.partition_point(|waiter| !waiter.is_first()),
            };
            state.waiters.insert(at, waiter);
            place
        };
        // An address may be back meanwhile.
        self.serve();
        match timeout(self.queue_timeout, place).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(Error::Stopping),
            Err(_) => Err(Error::Overloaded(format!(
                "the application had no room for it within {:?}",
                self.queue_timeout
            ))),
        }
    }

    /// The place's address has answered.
    pub fn succeeded(&self, place: &Place) {
        self.lock().balance.succeeded(place.member);
    }

    /// The place's address has failed. Returns whether it is left out from now on.
    pub fn failed(&self, place: &Place, why: &str) -> bool {
        let mut state = self.lock();
        state.balance.failed(place.member, Instant::now(), why)
    }

    /// Why the last address was left out, while all of them are.
    pub fn failure(&self) -> Option<String> {
        let state = self.lock();
        state.balance.failure(Instant::now()).map(str::to_owned)
    }

    /// Sends those who wait away and waits until all places have been given back, at most so long.
    pub async fn stop(&self, limit: Duration) {
        // Dropped behind the lock.
        let waiters = {
            let mut state = self.lock();
            state.stopping = true;
            std::mem::take(&mut state.waiters)
        };
        drop(waiters);
        let all_given_back = async {
            loop {
                let idle = self.idle.notified();
                if self.lock().balance.active() == 0 {
                    break;
                }
                idle.await;
            }
        };
        // Those that are left are cut by whoever called.
        let _ = timeout(limit, all_given_back).await;
    }

    fn place(self: &Arc<Self>, member: usize) -> Place {
        Place {
            places: Arc::clone(self),
            member,
        }
    }

    /// Hands out what is free, the first waiter first; those that only some addresses will do for hold nobody back.
    fn serve(self: &Arc<Self>) {
        // Places of waiters who have left are given back behind the lock.
        let mut left_behind = Vec::new();
        let mut state = self.lock();
        let State {
            balance, waiters, ..
        } = &mut *state;
        let mut at = 0;
        while let Some(waiter) = waiters.get(at) {
            if waiter.answer.is_closed() {
                waiters.remove(at);
                continue;
            }
            match balance.choose(Instant::now(), waiter.preferred, &waiter.tried) {
                Some(member) => {
                    if let Some(waiter) = waiters.remove(at)
                        && let Err(place) = waiter.answer.send(self.place(member))
                    {
                        left_behind.push(place);
                    }
                }
                // There is none for those behind it either.
                None if waiter.is_first() => break,
                None => at += 1,
            }
        }
        drop(state);
        drop(left_behind);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Whether it has not been at any address yet.
    fn is_first(&self) -> bool {
        self.tried.is_empty()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let is_idle = {
            let mut state = self.places.lock();
            state.balance.release(self.member);
            state.balance.active() == 0
        };
        if is_idle {
            self.places.idle.notify_waiters();
        }
        self.places.serve();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn places(concurrency: usize, queue_length: usize, queue_timeout: Duration) -> Arc<Places> {
        let limits = Limits {
            concurrency,
            max_fails: 1,
            fail_timeout: Duration::from_secs(3600),
        };
        Places::new(2, limits, queue_length, queue_timeout)
    }

    #[tokio::test(start_paused = true)]
    async fn first_come_first_served_within_bounds() {
        let places = places(1, 2, Duration::from_secs(5));
        let (first, second) = (
            places.take(None).await.unwrap(),
            places.take(Some(0)).await.unwrap(),
        );
        assert_eq!((first.member, second.member), (0, 1));
        let mut waiting = [(); 2].map(|()| Box::pin(places.take(None)));
        for waiter in &mut waiting {
            assert!(futures_poll(waiter).await.is_none());
        }
        let full = places.take(None).await;
        assert!(matches!(full, Err(Error::Overloaded(text)) if text.contains("2 requests")));
        drop(second);
        let [mut one, mut two] = waiting;
        assert_eq!(futures_poll(&mut one).await.unwrap().unwrap().member, 1);
        // It was given back at once.
        drop(one);
        assert_eq!(futures_poll(&mut two).await.unwrap().unwrap().member, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_too_long_or_past_the_stop() {
        let places = places(1, 5, Duration::from_secs(5));
        let held = [
            places.take(None).await.unwrap(),
            places.take(None).await.unwrap(),
        ];
        let late = places.take(None).await;
        assert!(matches!(late, Err(Error::Overloaded(text)) if text.contains("5s")));
        let mut waiting = Box::pin(places.take(None));
        assert!(futures_poll(&mut waiting).await.is_none());
        let mut stop = Box::pin(places.stop(Duration::from_secs(3600)));
        assert!(futures_poll(&mut stop).await.is_none());
        assert!(matches!(waiting.await, Err(Error::Stopping)));
        assert!(matches!(places.take(None).await, Err(Error::Stopping)));
        drop(held);
        stop.await;
    }

    #[tokio::test]
    async fn another_is_one_that_was_not_tried() {
        let places = places(1, 5, Duration::from_secs(5));
        let first = places.take(Some(0)).await.unwrap();
        assert!(places.failed(&first, "refused"));
        let second = places.another(first, &[0]).await.unwrap();
        assert_eq!(second.member, 1);
        drop(second);
        assert_eq!(places.take(Some(0)).await.unwrap().member, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn another_is_waited_for_where_it_only_lacks_room() {
        let places = places(1, 2, Duration::from_secs(5));
        let dead = places.take(Some(0)).await.unwrap();
        let busy = places.take(Some(1)).await.unwrap();
        let mut fresh = Box::pin(places.take(None));
        assert!(futures_poll(&mut fresh).await.is_none());
        let mut again = Box::pin(places.another(dead, &[0]));
        assert!(futures_poll(&mut again).await.is_none());
        // The one that is free now does for the others, who were behind.
        let first = futures_poll(&mut fresh).await.unwrap().unwrap();
        assert_eq!(first.member, 0);
        let mut late = Box::pin(places.take(None));
        assert!(futures_poll(&mut late).await.is_none());
        drop(busy);
        assert_eq!(futures_poll(&mut again).await.unwrap().unwrap().member, 1);
        assert!(futures_poll(&mut late).await.is_some());
        // It waits no longer than others.
        let busy = places.take(Some(1)).await.unwrap();
        let none = places.another(first, &[0]).await;
        assert!(matches!(none, Err(Error::Overloaded(text)) if text.contains("5s")));
        drop(busy);
    }

    #[tokio::test]
    async fn at_the_stop_a_request_that_runs_may_still_try_another() {
        let places = places(1, 5, Duration::from_secs(5));
        let [one, two] = [
            places.take(Some(0)).await.unwrap(),
            places.take(Some(1)).await.unwrap(),
        ];
        places.stop(Duration::ZERO).await;
        let none = places.another(one, &[0]).await;
        assert!(matches!(none, Err(Error::Stopping)));
        let free = places.another(two, &[1]).await.unwrap();
        assert_eq!(free.member, 0);
    }

    /// What a future has now, when it was polled once.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(
            |context| match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
                std::task::Poll::Pending => std::task::Poll::Ready(None),
            },
        )
        .await
    }
}
