//! What differs between systems: groups of processes, connections to workers, stop signals, links, programs, sockets
//! in the file system, the service manager.
//!
//! Each system has a file of its own with the same functions and types.

use std::time::Duration;

use shared_buffers::Memory;

#[cfg(unix)]
mod service;
#[cfg(unix)]
mod socket;
#[cfg(unix)]
mod socket_file;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use service::*;
#[cfg(unix)]
pub use socket::Socket;
#[cfg(unix)]
pub use socket_file::*;
#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

/// Our ends of what a new worker is given.
pub struct Connections {
    /// Connections, one for each runtime thread where the system allows.
    pub lanes: Vec<Unregistered>,
    /// Memory for long bodies and answers.
    pub memory: Option<Memory>,
}

/// What processes take of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory of their own.
    pub memory: u64,
    /// Time on processors.
    pub cpu: Duration,
}

/// What the service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It listens.
    Ready,
    /// Every thread still works.
    Alive,
    /// It goes over to another configuration; [`Notice::Ready`] follows.
    Reloading,
    /// It stops.
    Stopping,
}
