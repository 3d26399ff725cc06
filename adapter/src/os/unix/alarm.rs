//! An alarm that costs nothing when it is cleared before it rings.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

/// Set by some threads, waited for by one.
pub struct Alarm(OwnedFd);

/// No time at all: a timer that does not run.
const NEVER: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// When the system has no more timers.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self(timerfd_create(TimerfdClockId::Monotonic, flags)?))
    }

    /// It rings after this time.
    pub fn set(&self, after: Duration) {
        self.change(after.try_into().unwrap_or(NEVER));
    }

    /// It does not ring, if it has not. Returns whether that can be said.
    pub fn clear(&self) -> bool {
        self.change(NEVER);
        true
    }

    /// Waits until it rings, but no longer than `limit`.
    pub fn wait(&self, limit: Duration) {
        let limit = limit.try_into().unwrap_or(NEVER);
        // Whatever else ends the wait, the caller looks and waits again.
        if poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)) == Ok(1) {
            let _ = rustix::io::read(&self.0, &mut [0; 8]);
        }
    }

    fn change(&self, after: Timespec) {
        let setting = Itimerspec {
            it_interval: NEVER,
            it_value: after,
        };
        // Fails for no timer and no time of ours.
        let _ = timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &setting);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Instant;

    use super::*;

    #[test]
    fn it_rings_when_set_and_not_when_cleared() {
        let alarm = Alarm::new().unwrap();
        let begun = Instant::now();
        alarm.set(Duration::from_millis(1));
        alarm.wait(Duration::from_secs(600));
        assert!(begun.elapsed() >= Duration::from_millis(1));
        assert!(begun.elapsed() < Duration::from_secs(600));
        alarm.set(Duration::from_secs(500));
        assert!(alarm.clear());
        let begun = Instant::now();
        alarm.wait(Duration::from_millis(5));
        assert!(begun.elapsed() >= Duration::from_millis(5));
    }
}
