//! A condition variable that makes no system call when nobody waits. The standard one always makes one, several times a
//! request, and a request has microseconds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, MutexGuard, PoisonError};
use std::time::Duration;

/// To be used with one mutex, under which waiters look and others change what is looked at.
#[derive(Default)]
pub struct Bell {
    condvar: Condvar,
    /// Changed under the mutex only: whoever changes the state afterwards sees it.
    waiting: AtomicUsize,
}

impl Bell {
    /// A bell that nobody waits for.
    pub const fn new() -> Self {
        Self {
            condvar: Condvar::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits until it rings, or by chance less long.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self
            .condvar
            .wait(guard)
            .unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Waits until it rings, but no longer than `limit`. Returns whether that time has passed.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let (guard, result) = self
            .condvar
            .wait_timeout(guard, limit)
            .unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        (guard, result.timed_out())
    }

    /// Waits as long as `condition` holds.
    pub fn wait_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// Wakes one that waits.
    pub fn ring_one(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.condvar.notify_one();
        }
    }

    /// Wakes all that wait.
    pub fn ring(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.condvar.notify_all();
        }
    }
}
