//! Listeners: accepted on the control thread, served on the runtime threads.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::sleep;

use super::http::Http;
use crate::runtime::Runtimes;
use crate::shutdown::Shutdown;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 1024;

/// Pause after a failed accept, which is nearly always the lack of a descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address that is taken, but does not listen yet.
pub struct Bound {
    socket: TcpSocket,
    address: SocketAddr,
}

/// Takes an address.
///
/// # Errors
/// When it cannot be had, in words for the operator.
pub fn bind(address: SocketAddr) -> anyhow::Result<Bound> {
    let socket = taken(address).map_err(|error| cannot_listen(address, &error))?;
    Ok(Bound { socket, address })
}

fn taken(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Not a second listener, but past connections that are still being closed (TIME_WAIT). On Windows it would be a second
    // listener, and nothing is needed for the others.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(address)?;
    Ok(socket)
}

/// What happened and what to do.
fn cannot_listen(address: SocketAddr, error: &io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there: stop it, or choose another address with --http or `http` in [server]"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: correct --http or `http` in [server]"
        }
        io::ErrorKind::PermissionDenied => {
            "choose a port above 1023, or give the gateway the capability CAP_NET_BIND_SERVICE"
        }
        _ => "choose another address with --http or `http` in [server]",
    };
    anyhow!("cannot listen on {address} ({error}); {advice}")
}

impl Bound {
    /// Starts to listen. Connections wait in the backlog until [`Listener::accept`] runs.
    ///
    /// # Errors
    /// When the kernel refuses, in words for the operator.
    pub fn listen(self) -> anyhow::Result<Listener> {
        let refused = |error| cannot_listen(self.address, &error);
        let socket = self.socket.listen(BACKLOG).map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Listener { socket, address })
    }
}

/// A socket that listens.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// The address with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts for ever; each connection goes to the runtime thread that has the fewest.
    pub async fn accept(self, threads: Arc<Threads>, front: Arc<Http>, shutdown: Arc<Shutdown>) {
        loop {
            match self.next().await {
                Ok((stream, remote)) => threads.serve(stream, remote, &front, &shutdown),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::error!("cannot accept a connection on {}: {error}", self.address);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A connection that no runtime knows yet.
    async fn next(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, remote) = self.socket.accept().await?;
        Ok((stream.into_std()?, remote))
    }
}

/// The runtime threads and how many connections each has.
pub struct Threads {
    runtimes: Runtimes,
    loads: Arc<[AtomicUsize]>,
    next: AtomicUsize,
}

impl Threads {
    /// No connection yet.
    pub fn new(runtimes: Runtimes) -> Self {
        let loads = runtimes
            .handles()
            .iter()
            .map(|_| AtomicUsize::new(0))
            .collect();
        Self {
            runtimes,
            loads,
            next: AtomicUsize::new(0),
        }
    }

    fn serve(&self, stream: TcpStream, remote: SocketAddr, front: &Arc<Http>, shutdown: &Shutdown) {
        let load = self.least();
        let handle = &self.runtimes.handles()[load.index];
        let (front, stage) = (Arc::clone(front), shutdown.subscribe());
        handle.spawn(async move {
            if let Err(error) = front.serve(stream, remote, stage).await {
                tracing::debug!(%remote, "connection ended: {error:#}");
            }
            drop(load);
        });
    }

    /// The thread with the fewest connections; among equals they take turns.
    fn least(&self) -> Load {
        let count = self.loads.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let order = (0..count).map(|step| first.wrapping_add(step) % count);
        let index = order.min_by_key(|index| self.loads[*index].load(Ordering::Relaxed));
        Load::new(&self.loads, index.unwrap_or(0))
    }
}

/// One connection in the count of its thread.
struct Load {
    loads: Arc<[AtomicUsize]>,
    index: usize,
}

impl Load {
    fn new(loads: &Arc<[AtomicUsize]>, index: usize) -> Self {
        loads[index].fetch_add(1, Ordering::Relaxed);
        Self {
            loads: Arc::clone(loads),
            index,
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.loads[self.index].fetch_sub(1, Ordering::Relaxed);
    }
}
