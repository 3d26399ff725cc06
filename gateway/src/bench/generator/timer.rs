//! A timer of microseconds: tokio's own has milliseconds, which would be more than most latencies.

use std::fs::File;
use std::io;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// A timer of the kernel, awaited by the runtime. To the runtime it is something to read from, as a pipe is.
pub struct Timer {
    timer: Receiver,
}

impl Timer {
    /// Must be called inside a runtime.
    ///
    /// # Errors
    /// When the system has none left.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = File::from(timerfd_create(TimerfdClockId::Monotonic, flags)?);
        let timer = Receiver::from_file_unchecked(timer)?;
        Ok(Self { timer })
    }

    /// Sleeps.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn sleep(&self, time: Duration) -> io::Result<()> {
        let nothing = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let once = Itimerspec {
            it_interval: nothing,
            // Zero would stop the timer.
            it_value: Timespec::try_from(time.max(Duration::from_nanos(1)))
                .map_err(io::Error::other)?,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        loop {
            self.timer.readable().await?;
            match self.timer.try_read(&mut [0; 8]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other.map(drop),
            }
        }
    }
}
