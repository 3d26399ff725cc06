//! Listeners for web servers, on ports and on sockets in the file system.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::sync::{Semaphore, watch};

use super::{Address, FastCgi, Network, connection};
use crate::config::FastCgiListener;
use crate::front::inherited::Inherited;
use crate::front::listen::{self, BACKLOG, Threads};
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

    /// Accepts for ever; each connection goes to the runtime thread that has the fewest. When there are as many as may
    /// be, others wait in the backlog.
    pub async fn accept(self, threads: Arc<Threads>, front: FastCgi, shutdown: Arc<Shutdown>) {
        let front = Arc::new(front);
        let places = Arc::new(Semaphore::new(self.settings.connections));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let stream = listen::next(&self.address, || self.socket.next()).await;
            if let Stream::Tcp(_, remote) = &stream
                && !is_allowed(&self.settings.allow, *remote)
            {
                tracing::info!(%remote, "not let in: `allow` of {} does not name it", self.address);
                continue;
            }
            tracing::debug!("FastCGI connection accepted");
            let (front, stage) = (Arc::clone(&front), shutdown.subscribe());
            threads.run(async move {
                if let Err(error) = serve(front, stream, stage).await {
                    tracing::debug!("FastCGI connection ended: {error:#}");
                }
                drop(place);
            });
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
            stream.set_nodelay(true)?;
            let facts = facts(remote, stream.local_addr()?);
            let stream = tokio::net::TcpStream::from_std(stream)?;
            connection::serve(front, stream, facts, stage).await
        }
        Stream::Unix(stream) => {
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
