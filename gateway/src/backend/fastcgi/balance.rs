//! Which of an application's addresses takes a request: the one with the fewest, of those that are well. Pure.

use std::time::{Duration, Instant};

/// What is counted for each address.
#[derive(Clone, Debug, Default)]
struct Member {
    /// Requests that it is at.
    active: usize,
    /// Failures since its last success.
    failures: usize,
    /// Until when it is left out.
    out: Option<Instant>,
    /// Why, if it ever was.
    reason: String,
}

/// The addresses of one application, by their numbers from 0.
#[derive(Debug)]
pub struct Balance {
    members: Vec<Member>,
    limits: Limits,
    /// Where the search begins, so that equals take turns.
    next: usize,
}

/// Of each address.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests at the same time.
    pub concurrency: usize,
    /// Failures in a row after which it is left out; zero: it never is.
    pub max_fails: usize,
    /// For how long.
    pub fail_timeout: Duration,
}

impl Balance {
    /// Addresses that are all well.
    pub fn new(count: usize, limits: Limits) -> Self {
        Self {
            members: vec![Member::default(); count],
            limits,
            next: 0,
        }
    }

    /// Takes a place at an address: the preferred one if it is well, else the one with the fewest requests; never one
    /// for which `tried` says so. When all are left out, the one that is back first. `None` when those that are well
    /// have as many requests as they take.
    pub fn choose(
        &mut self,
        now: Instant,
        preferred: Option<usize>,
        tried: &[usize],
    ) -> Option<usize> {
        let count = self.members.len();
        let order = (0..count).map(|step| (self.next + step) % count);
        let untried: Vec<usize> = order.filter(|index| !tried.contains(index)).collect();
        let has_room = |index: &usize| self.members[*index].active < self.limits.concurrency;
        let mut well = untried.clone();
        well.retain(|index| !self.members[*index].is_out(now));
        let chosen = if well.is_empty() {
            let out = untried.into_iter().filter(has_room);
            out.min_by_key(|index| self.members[*index].out)
        } else {
            well.retain(has_room);
            let preferred = preferred.filter(|index| well.contains(index));
            let fewest = || well.iter().min_by_key(|index| self.members[**index].active);
            preferred.or_else(|| fewest().copied())
        }?;
        self.members[chosen].active += 1;
        self.next = (chosen + 1) % count;
        Some(chosen)
    }

    /// Gives a place back.
    pub fn release(&mut self, index: usize) {
        self.members[index].active -= 1;
    }

    /// Requests at all addresses.
    pub fn active(&self) -> usize {
        self.members.iter().map(|member| member.active).sum()
    }

    /// An address has answered.
    pub fn succeeded(&mut self, index: usize) {
        let member = &mut self.members[index];
        member.failures = 0;
        member.out = None;
    }

    /// An address has failed. Returns whether it is left out from now on.
    pub fn failed(&mut self, index: usize, now: Instant, why: &str) -> bool {
        let Limits {
            max_fails,
            fail_timeout,
            ..
        } = self.limits;
        let member = &mut self.members[index];
        member.failures = member.failures.saturating_add(1);
        if max_fails == 0 || member.failures < max_fails {
            return false;
        }
        let was_out = member.is_out(now);
        member.out = Some(now + fail_timeout);
        why.clone_into(&mut member.reason);
        !was_out
    }

    /// Why the last address was left out, while all of them are.
    pub fn failure(&self, now: Instant) -> Option<&str> {
        let mut members = self.members.iter();
        let last = self.members.iter().max_by_key(|member| member.out)?;
        let are_out = members.all(|member| member.is_out(now));
        are_out.then_some(&last.reason)
    }
}

impl Member {
    fn is_out(&self, now: Instant) -> bool {
        self.out.is_some_and(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        concurrency: 2,
        max_fails: 2,
        fail_timeout: Duration::from_secs(10),
    };

    #[test]
    fn the_one_with_the_fewest_requests_is_chosen_and_equals_take_turns() {
        let now = Instant::now();
        let mut balance = Balance::new(3, LIMITS);
        let mut choose = || balance.choose(now, None, &[]);
        assert_eq!([choose(), choose(), choose()], [Some(0), Some(1), Some(2)]);
        balance.release(1);
        assert_eq!(balance.choose(now, None, &[]), Some(1));
        assert_eq!(balance.choose(now, Some(2), &[]), Some(2));
        // It has as many as it takes.
        assert_ne!(balance.choose(now, Some(2), &[]), Some(2));
        assert!(balance.choose(now, None, &[]).is_some());
        assert_eq!(balance.choose(now, None, &[]), None);
        assert_eq!(balance.active(), 6);
    }

    #[test]
    fn failures_in_a_row_put_one_out_for_a_time() {
        let now = Instant::now();
        let mut balance = Balance::new(2, LIMITS);
        assert!(!balance.failed(0, now, "refused"));
        balance.succeeded(0);
        assert!(!balance.failed(0, now, "refused"));
        assert!(balance.failed(0, now, "refused"));
        assert!(!balance.failed(0, now, "refused"), "told once");
        assert_eq!(balance.choose(now, Some(0), &[]), Some(1));
        assert_eq!(balance.choose(now, None, &[]), Some(1));
        assert_eq!(balance.choose(now, None, &[]), None, "full, and 0 is out");
        let later = now + LIMITS.fail_timeout;
        assert_eq!(balance.choose(later, None, &[]), Some(0));
        assert!(
            balance.failed(0, later, "refused"),
            "one failure more is enough"
        );
        assert_eq!(balance.choose(later, None, &[]), None);
    }

    #[test]
    fn when_all_are_out_the_next_to_be_back_is_tried() {
        let now = Instant::now();
        let second = now + Duration::from_secs(1);
        let mut balance = Balance::new(2, LIMITS);
        for (index, at) in [(1, now), (0, second)] {
            balance.failed(index, at, "refused");
            assert!(balance.failed(index, at, "refused"));
        }
        assert_eq!(balance.choose(second, None, &[]), Some(1));
        assert_eq!(balance.choose(second, None, &[1]), Some(0));
        assert_eq!(balance.choose(second, None, &[0, 1]), None);
    }

    #[test]
    fn one_address_alone_is_tried_also_when_it_is_out() {
        let now = Instant::now();
        let mut balance = Balance::new(1, LIMITS);
        assert_eq!(
            [(); 3].map(|()| balance.failed(0, now, "refused")),
            [false, true, false]
        );
        assert_eq!(balance.choose(now, None, &[]), Some(0));
    }

    #[test]
    fn an_application_has_failed_while_all_its_addresses_are_out() {
        let now = Instant::now();
        let second = now + Duration::from_secs(1);
        let mut balance = Balance::new(2, LIMITS);
        for (index, at, why) in [(1, second, "later"), (0, now, "earlier")] {
            assert_eq!(balance.failure(at), None);
            balance.failed(index, at, "at first");
            assert!(balance.failed(index, at, why));
        }
        assert_eq!(balance.failure(second), Some("later"));
        assert_eq!(balance.failure(now + LIMITS.fail_timeout), None);
        balance.succeeded(1);
        assert_eq!(balance.failure(second), None);
    }

    proptest! {
        #[test]
        fn no_address_has_more_than_it_takes(steps in proptest::collection::vec((0..4_u8, 0..3_usize, 0..20_u64), 0..200)) {
            let start = Instant::now();
            let mut balance = Balance::new(3, LIMITS);
            let mut held: Vec<usize> = Vec::new();
            for (step, index, seconds) in steps {
                let now = start + Duration::from_secs(seconds);
                match step {
                    0 => held.extend(balance.choose(now, Some(index), &[])),
                    1 => if !held.is_empty() {
                        let index = held.swap_remove(index % held.len());
                        balance.release(index);
                    },
                    2 => { balance.failed(index, now, "refused"); }
                    _ => balance.succeeded(index),
                }
                prop_assert_eq!(balance.active(), held.len());
                for index in 0..3 {
                    prop_assert!(held.iter().filter(|held| **held == index).count() <= LIMITS.concurrency);
                }
            }
            let idle = held.is_empty();
            if idle {
                prop_assert!(balance.choose(start, None, &[]).is_some());
            }
        }
    }
}
