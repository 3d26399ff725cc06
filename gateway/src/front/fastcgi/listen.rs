//! Listeners for web servers, on ports and on sockets in the file system.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{Address, FastCgi, Network, connection};
use crate::config::{FastCgiListener, Server};
use crate::dispatch::Table;
use crate::front::inherited::Inherited;
use crate::front::listen::{self, BACKLOG, NEARBY_SEND_BUFFER, Replaceable, Threads};
use crate::os::{BoundFile, FileListener, FileStream};
use crate::request::Connection;
use crate::shutdown::{Shutdown, Stage};

/// What a client on a socket without addresses counts as, where nobody says more.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// An address that is taken, but does not listen yet.
pub struct Bound {
    socket: BoundSocket,
    settings: FastCgiListener,
}

enum BoundSocket {
    Tcp(listen::Bound),
    Unix(BoundFile),
}

/// Takes the address of a listener, or the socket that listens there for us.
///
/// # Errors
/// When it cannot be had, in words for the operator.
pub fn bind(settings: &FastCgiListener, inherited: &mut Inherited) -> anyhow::Result<Bound> {
    let socket = match &settings.address {
        Address::Tcp(address) => BoundSocket::Tcp(inherited.port(*address, "fastcgi")?),
        Address::Unix(path) if let Some(bound) = inherited.file(path) => BoundSocket::Unix(bound),
        Address::Unix(path) => {
            let (mode, owner, group) = (settings.mode, settings.owner, settings.group);
            let bound = BoundFile::bind(path, mode, owner, group);
            BoundSocket::Unix(bound.map_err(|error| {
                let advice = advice(path, &error);
                anyhow!(
                    "cannot listen on unix:{} ({error}); {advice}",
                    path.display()
                )
            })?)
        }
    };
    let settings = settings.clone();
    Ok(Bound { socket, settings })
}

fn advice(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse if path.exists() => {
            "another program listens there, or it is no socket: remove it, or choose another path"
                .into()
        }
        ErrorKind::NotFound => "create its folder".into(),
        ErrorKind::PermissionDenied => {
            "the gateway must be allowed to write to its folder, and be root to give it to another `owner` or to a `group` that it is not in".into()
        }
        ErrorKind::InvalidInput => "the path may have at most 107 bytes".into(),
        _ => "choose another path".into(),
    }
}

impl Bound {
    /// Starts to listen. Connections wait in the backlog until [`Listener::accept`] runs.
    ///
    /// # Errors
    /// When the kernel refuses, in words for the operator.
    pub fn listen(self) -> anyhow::Result<Listener> {
        let Self { socket, settings } = self;
        let (socket, address) = match socket {
            BoundSocket::Tcp(bound) => {
                let listener = bound.listen()?;
                let address = Address::Tcp(listener.address());
                (Socket::Tcp(listener), address)
            }
            BoundSocket::Unix(bound) => {
                let listener = bound.listen(BACKLOG)?;
                (Socket::Unix(listener), settings.address.clone())
            }
        };
        Ok(Listener {
            socket,
            address,
            settings,
        })
    }
}

/// A socket that listens.
pub struct Listener {
    socket: Socket,
    address: Address,
    settings: FastCgiListener,
}

enum Socket {
    Tcp(listen::Listener),
    Unix(FileListener),
}

/// A connection that no runtime knows yet.
enum Stream {
    Tcp(TcpStream, SocketAddr),
    Unix(FileStream),
}

impl Listener {
    /// The address with the real port.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What the configuration says of it.
    pub fn settings(&self) -> &FastCgiListener {
        &self.settings
    }

    /// Whether it has a file of our own.
    pub fn has_own_file(&self) -> bool {
        matches!(&self.socket, Socket::Unix(listener) if listener.is_own())
    }

    /// Accepts until the door is gone, and those who have been waiting then; each connection goes to the runtime thread
    /// that has the fewest. When there are as many as may be, others wait in the backlog.
    pub async fn accept(
        self,
        threads: Arc<Threads>,
        mut door: Replaceable<Door>,
        shutdown: Arc<Shutdown>,
    ) {
        let enter = |(place, stream), current: &Door| {
            if let Stream::Tcp(_, remote) = &stream
                && !is_allowed(&current.allow, *remote)
            {
                tracing::info!(%remote, "not let in: `allow` of {} does not name it", self.address);
                return;
            }
            tracing::debug!("FastCGI connection accepted");
            let (front, stage) = (Arc::clone(&current.front), shutdown.subscribe());
            threads.run(async move {
                if let Err(error) = serve(front, stream, stage).await {
                    tracing::debug!("FastCGI connection ended: {error:#}");
                }
                drop(place);
            });
        };
        loop {
            let current = Arc::clone(&door.borrow_and_update());
            tokio::select! {
                entered = self.next(&current) => enter(entered, &current),
                changed = door.changed() => if changed.is_err() {
                    break;
                },
            }
        }
        let last = Arc::clone(&door.borrow());
        for _ in 0..BACKLOG {
            let Some(entered) = listen::at_once(self.next(&last)).await else {
                return;
            };
            enter(entered, &last);
        }
    }

    async fn next(&self, door: &Door) -> (OwnedSemaphorePermit, Stream) {
        let Ok(place) = Arc::clone(&door.places).acquire_owned().await else {
            // Nobody closes it.
            return pending().await;
        };
        let stream = listen::next(&self.address, || self.socket.next()).await;
        (place, stream)
    }
}

/// Who is let in at a listener, and what serves them.
pub struct Door {
    front: Arc<FastCgi>,
    allow: Vec<Network>,
    limit: usize,
    /// One for each connection that there may be.
    places: Arc<Semaphore>,
}

impl Door {
    /// A door for `table`, in place of one `before`, whose connections count.
    pub fn new(
        server: &Server,
        settings: &FastCgiListener,
        table: &Arc<Table>,
        before: Option<&Self>,
    ) -> Self {
        let limit = settings.connections;
        let before = before.filter(|door| door.limit == limit);
        Self {
            front: Arc::new(FastCgi::new(server, settings, Arc::clone(table))),
            allow: settings.allow.clone(),
            limit,
            places: match before {
                Some(door) => Arc::clone(&door.places),
                None => Arc::new(Semaphore::new(limit)),
            },
        }
    }
}

fn is_allowed(allow: &[Network], remote: SocketAddr) -> bool {
    allow.is_empty() || allow.iter().any(|network| network.contains(remote.ip()))
}

async fn serve(
    front: Arc<FastCgi>,
    stream: Stream,
    stage: watch::Receiver<Stage>,
) -> anyhow::Result<()> {
    let facts = |remote, local| Connection {
        remote,
        local,
        secure: false,
    };
    match stream {
        Stream::Tcp(stream, remote) => {
            let facts = facts(remote, listen::set_up(&stream, remote)?);
            let stream = tokio::net::TcpStream::from_std(stream)?;
            connection::serve(front, stream, facts, stage).await
        }
        Stream::Unix(stream) => {
            // Without it, it is only slower.
            let _ = stream.set_send_buffer(NEARBY_SEND_BUFFER);
            let stream = stream.register()?;
            connection::serve(front, stream, facts(NOWHERE, NOWHERE), stage).await
        }
    }
}

impl Socket {
    async fn next(&self) -> io::Result<Stream> {
        match self {
            Socket::Tcp(listener) => {
                let (stream, remote) = listener.next().await?;
                Ok(Stream::Tcp(stream, remote))
            }
            Socket::Unix(listener) => listener.accept().await.map(Stream::Unix),
        }
    }
}
