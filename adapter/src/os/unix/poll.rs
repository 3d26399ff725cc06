//! Waiting for any of many connections.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use crate::os::Transport;

/// Connections that are told of at once.
const BATCH: usize = 64;

/// Connections that have something to be read, each known by a number.
pub struct Poll(OwnedFd);

impl Poll {
    /// Of no connection yet.
    ///
    /// # Errors
    /// When the system is short of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Tells of this connection, too, by that number.
    ///
    /// # Errors
    /// When the system is short of memory.
    pub fn add(&self, transport: &dyn Transport, number: u64) -> io::Result<()> {
        let data = epoll::EventData::new_u64(number);
        Ok(epoll::add(
            &self.0,
            transport.input(),
            data,
            epoll::EventFlags::IN,
        )?)
    }

    /// Tells of it no longer.
    pub fn remove(&self, transport: &dyn Transport) {
        // One that is not there cannot be told of either.
        let _ = epoll::delete(&self.0, transport.input());
    }

    /// Waits for connections that have something to be read, or have ended; at most that long. Their numbers go to
    /// `ready`.
    ///
    /// # Errors
    /// None that a further call could mend.
    pub fn wait(&self, limit: Duration, ready: &mut Vec<u64>) -> io::Result<()> {
        let mut events = Vec::with_capacity(BATCH);
        let limit = Timespec::try_from(limit).ok();
        let spare = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&self.0, spare, limit.as_ref()) {
            Ok(_) => ready.extend(events.iter().map(|event: &epoll::Event| event.data.u64())),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
