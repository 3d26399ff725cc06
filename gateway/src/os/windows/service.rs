//! The service manager: there is none to talk to.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use super::BoundFile;
use crate::os::Notice;

/// Sockets that listen already: on ports, and in the file system under this path.
pub type Inherited = (Vec<TcpListener>, Vec<(PathBuf, BoundFile)>);

/// There are none here.
///
/// # Errors
/// None here.
pub fn inherited() -> io::Result<Inherited> {
    Ok(Inherited::default())
}

/// There is nobody to be told.
pub fn notify(_: Notice) {}

/// There is none.
pub fn watchdog() -> Option<Duration> {
    None
}
