//! Listeners: accepted on the control thread, served on the runtime threads.

use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::http::Http;
use crate::alarms::{sleep, timeout};
use crate::runtime::Runtimes;
use crate::shutdown::Shutdown;

/// Connections that the kernel holds until they are accepted.
pub const BACKLOG: u32 = 1024;

/// Bytes that may be on their way to a client on this machine: what a worker may send of an answer. For TCP, the system lets
/// them grow to megabytes, as a long line to a distant client needs; a client nearby would read them from memory, not out of the
/// processor's cache. For sockets in the file system, it has less room than that.
pub const NEARBY_SEND_BUFFER: usize = 256 * 1024;

/// Pause after a failed accept, which is nearly always the lack of a descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address that is taken, but does not listen yet.
pub struct Bound {
    socket: Socket,
    place: Place,
}

enum Socket {
    /// One of our own.
    Bound(TcpSocket),
    /// Somebody else's, which listens already.
    Inherited(std::net::TcpListener),
}

/// An address and the option that names it.
#[derive(Clone, Copy)]
struct Place {
    address: SocketAddr,
    option: &'static str,
}

/// Takes an address; `option` is the key in `[server]` and the option of the command line that name it.
///
/// # Errors
/// When it cannot be had, in words for the operator.
pub fn bind(address: SocketAddr, option: &'static str) -> anyhow::Result<Bound> {
    let place = Place { address, option };
    let socket = taken(address).map_err(|error| place.cannot_listen(&error))?;
    let socket = Socket::Bound(socket);
    Ok(Bound { socket, place })
}

/// An address on which somebody else listens for us.
pub fn inherited(
    socket: std::net::TcpListener,
    address: SocketAddr,
    option: &'static str,
) -> Bound {
    Bound {
        socket: Socket::Inherited(socket),
        place: Place { address, option },
    }
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

impl Place {
    /// What happened and what to do.
    fn cannot_listen(self, error: &io::Error) -> anyhow::Error {
        let Self { address, option } = self;
        let another = format!("another address with --{option} or `{option}` in [server]");
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("another program listens there: stop it, or choose {another}")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("this machine has no such address: choose {another}")
            }
            io::ErrorKind::PermissionDenied => {
                "choose a port above 1023, or give the gateway the capability CAP_NET_BIND_SERVICE"
                    .to_owned()
            }
            _ => format!("choose {another}"),
        };
        anyhow!("cannot listen on {address} ({error}); {advice}")
    }
}

impl Bound {
    /// Starts to listen. Connections wait in the backlog until they are accepted.
    ///
    /// # Errors
    /// When the kernel refuses, in words for the operator.
    pub fn listen(self) -> anyhow::Result<Listener> {
        let refused = |error| self.place.cannot_listen(&error);
        let socket = match self.socket {
            Socket::Bound(socket) => socket.listen(BACKLOG),
            Socket::Inherited(socket) => TcpListener::from_std(socket),
        };
        let socket = socket.map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Listener { socket, address })
    }
}

/// What serves the connections of a listener: replaced when the configuration is, gone when the listener shall close.
pub type Replaceable<F> = watch::Receiver<Arc<F>>;

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

    /// Accepts until the front is gone, and those who have been waiting then; each connection goes to the runtime thread
    /// that has the fewest.
    pub async fn accept(
        self,
        threads: Arc<Threads>,
        mut front: Replaceable<Http>,
        shutdown: Arc<Shutdown>,
    ) {
        let serve = |(stream, remote), front: &Replaceable<Http>| {
            let (front, stage) = (Arc::clone(&front.borrow()), shutdown.subscribe());
            threads.run(async move {
                if let Err(error) = front.serve(stream, remote, stage).await {
                    tracing::debug!(%remote, "connection ended: {error:#}");
                }
            });
        };
        loop {
            tokio::select! {
                connection = next(&self.address, || self.next()) => serve(connection, &front),
                changed = front.changed() => if changed.is_err() {
                    break;
                },
            }
        }
        for _ in 0..BACKLOG {
            let Some(connection) = at_once(next(&self.address, || self.next())).await else {
                return;
            };
            serve(connection, &front);
        }
    }

    /// A connection that no runtime knows yet.
    ///
    /// # Errors
    /// When the system refuses; see [`next`].
    pub async fn next(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, remote) = self.socket.accept().await?;
        Ok((stream.into_std()?, remote))
    }
}

/// The next connection of a listener at this address. What fails is logged and tried again.
pub async fn next<A, F, C>(address: &A, accept: impl Fn() -> F) -> C
where
    A: Display,
    F: Future<Output = io::Result<C>>,
{
    loop {
        match accept().await {
            Ok(connection) => return connection,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!("cannot accept a connection on {address}: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Sets up the connection of a client, before anything is written to it. Returns its local address.
///
/// # Errors
/// When the connection has failed.
pub fn set_up(stream: &TcpStream, remote: SocketAddr) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    if is_nearby(remote, local) {
        // Without it, it is only slower.
        let _ = SockRef::from(stream).set_send_buffer_size(NEARBY_SEND_BUFFER);
    }
    Ok(local)
}

/// Whether the client is on this machine.
fn is_nearby(remote: SocketAddr, local: SocketAddr) -> bool {
    let ip = |address: SocketAddr| address.ip().to_canonical();
    ip(remote).is_loopback() || ip(remote) == ip(local)
}

/// What there is already.
pub async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    timeout(Duration::ZERO, future).await.ok()
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

    /// Serves a connection on the thread that has the fewest.
    pub fn run(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let load = self.least();
        self.runtimes.handles()[load.index].spawn(async move {
            connection.await;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_clients_on_this_machine_are_nearby() {
        let nearby = |remote: &str, local: &str| {
            let address = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 1);
            is_nearby(address(remote), address(local))
        };
        assert!(nearby("127.0.0.1", "127.0.0.2"));
        assert!(nearby("::1", "::1"));
        assert!(nearby("::ffff:127.0.0.1", "::ffff:127.0.0.1"));
        assert!(nearby("192.0.2.7", "::ffff:192.0.2.7"));
        assert!(!nearby("192.0.2.8", "192.0.2.7"));
        assert!(!nearby("2001:db8::8", "2001:db8::7"));
    }

    #[test]
    fn what_is_on_its_way_to_a_client_nearby_is_bounded() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, remote) = listener.accept().unwrap();
        let local = set_up(&stream, remote).unwrap();
        assert_eq!(local, listener.local_addr().unwrap());
        assert!(stream.nodelay().unwrap());
        // Twice as much: Linux counts what it needs itself, too (socket(7), `SO_SNDBUF`), and may allow less.
        let size = SockRef::from(&stream).send_buffer_size().unwrap();
        assert!(size <= 2 * NEARBY_SEND_BUFFER, "{size}");
        assert!(size > NEARBY_SEND_BUFFER / 4, "{size}");
    }
}
