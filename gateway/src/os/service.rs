//! The service manager: sockets that it has opened, and what it is told. Unix, where it is systemd.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use super::{BoundFile, Notice};

/// Sockets that listen already: on ports, and in the file system under this path.
pub type Inherited = (Vec<TcpListener>, Vec<(PathBuf, BoundFile)>);

/// Takes the sockets that this process was given (`LISTEN_FDS`). To be called once, before there are other threads.
///
/// # Errors
/// When there is one of another kind.
pub fn inherited() -> io::Result<Inherited> {
    let mut given = ListenFd::from_env();
    let (mut ports, mut files) = (Vec::new(), Vec::new());
    for index in 0..given.len() {
        if let Ok(Some(socket)) = given.take_unix_listener(index) {
            let path = socket.local_addr()?.as_pathname().map(PathBuf::from);
            let path = path.ok_or_else(|| io::Error::other("a socket without a path"))?;
            files.push((path, BoundFile::inherited(socket)?));
        } else if let Some(socket) = given.take_tcp_listener(index)? {
            socket.set_nonblocking(true)?;
            ports.push(socket);
        }
    }
    Ok((ports, files))
}

/// Tells the service manager, if there is one (`NOTIFY_SOCKET`).
pub fn notify(notice: Notice) {
    let told = match notice {
        Notice::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Notice::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        Notice::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        Notice::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    };
    if let Err(error) = told {
        tracing::warn!("the service manager cannot be told {notice:?}: {error}");
    }
}

/// How long the service manager may hear nothing before it takes this process for stuck (`WATCHDOG_USEC`).
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}
