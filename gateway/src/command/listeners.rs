//! All listeners of the gateway, for both protocols.

use std::fmt::Display;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{FastCgiListener, Server};
use crate::dispatch::Table;
use crate::front::fastcgi::{self, Address, listen::Door};
use crate::front::http::Http;
use crate::front::inherited::Inherited;
use crate::front::listen::{self, Replaceable, Threads};
use crate::os;
use crate::shutdown::{Connections, Shutdown};

/// Addresses that are taken, but do not listen yet.
pub struct Bound {
    http: Vec<(SocketAddr, listen::Bound)>,
    fastcgi: Vec<fastcgi::listen::Bound>,
}

/// Sockets that listen, but of which nobody accepts connections yet.
pub struct Listening {
    http: Vec<(SocketAddr, listen::Listener)>,
    fastcgi: Vec<fastcgi::listen::Listener>,
}

/// The listeners of a gateway that runs.
pub struct Listeners {
    table: Arc<Table>,
    threads: Arc<Threads>,
    connections: Arc<Connections>,
    http: Vec<Open<SocketAddr, Http>>,
    fastcgi: Vec<Open<FastCgiListener, Door>>,
    /// Those that have been closed, until their connections have ended.
    closing: JoinSet<()>,
}

/// A listener that accepts connections.
struct Open<S, F> {
    /// What the configuration says of it.
    settings: S,
    /// What the next connection is served by. The listener closes when it is gone.
    front: watch::Sender<Arc<F>>,
    accepting: JoinHandle<()>,
    connections: Arc<Shutdown>,
    has_own_file: bool,
}

impl Bound {
    /// Takes every address of the configuration; those where a socket listens for us already with that socket. To be
    /// called once, before there are other threads.
    ///
    /// # Errors
    /// When one cannot be had, and when there is a socket for none of them, in words for the operator.
    pub fn first(server: &Server) -> anyhow::Result<Self> {
        let mut inherited = Inherited::take()?;
        let bound = Self::take(&server.http, &server.fastcgi, &mut inherited)?;
        inherited.finish()?;
        Ok(bound)
    }

    /// Takes these addresses.
    ///
    /// # Errors
    /// When one cannot be had, in words for the operator.
    pub fn more(http: &[SocketAddr], fastcgi: &[FastCgiListener]) -> anyhow::Result<Self> {
        Self::take(http, fastcgi, &mut Inherited::default())
    }

    fn take(
        http: &[SocketAddr],
        fastcgi: &[FastCgiListener],
        inherited: &mut Inherited,
    ) -> anyhow::Result<Self> {
        let http = http.iter();
        let http = http
            .map(|address| Ok((*address, inherited.port(*address, "http")?)))
            .collect::<anyhow::Result<_>>()?;
        let fastcgi = fastcgi.iter();
        let fastcgi = fastcgi
            .map(|listener| fastcgi::listen::bind(listener, inherited))
            .collect::<Result<_, _>>()?;
        Ok(Self { http, fastcgi })
    }

    /// Starts to listen. Connections wait until they are accepted.
    ///
    /// # Errors
    /// When the kernel refuses, in words for the operator.
    pub fn listen(self) -> anyhow::Result<Listening> {
        let http = self.http.into_iter();
        let http = http.map(|(address, bound)| Ok((address, bound.listen()?)));
        let fastcgi = self.fastcgi.into_iter().map(fastcgi::listen::Bound::listen);
        Ok(Listening {
            http: http.collect::<anyhow::Result<_>>()?,
            fastcgi: fastcgi.collect::<Result<_, _>>()?,
        })
    }
}

impl Listening {
    /// Tells whoever started the gateway that it is ready and where.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn announce(&self) -> anyhow::Result<()> {
        let http = self.http.iter();
        let http = http.map(|(_, listener)| format!("http://{}", listener.address()));
        let fastcgi = self.fastcgi.iter();
        let fastcgi = fastcgi.map(|listener| listener.address().to_string());
        let mut out = std::io::stdout().lock();
        http.chain(fastcgi)
            .try_for_each(|address| writeln!(out, "listening on {address}"))
            .and_then(|()| out.flush())
            .context("cannot write to standard output")
    }
}

impl Listeners {
    /// None yet. Requests will go by `table`.
    pub fn new(table: Arc<Table>, threads: Threads, connections: Arc<Connections>) -> Self {
        Self {
            table,
            threads: Arc::new(threads),
            connections,
            http: Vec::new(),
            fastcgi: Vec::new(),
            closing: JoinSet::new(),
        }
    }

    /// Accepts connections with the settings of `server`.
    pub fn accept(&mut self, server: &Server, listening: Listening) {
        let http = Arc::new(Http::new(server, Arc::clone(&self.table)));
        for (settings, listener) in listening.http {
            let threads = Arc::clone(&self.threads);
            let open = Open::new(settings, &http, false, &self.connections, |front, group| {
                tokio::spawn(listener.accept(threads, front, group))
            });
            self.http.push(open);
        }
        for listener in listening.fastcgi {
            let settings = listener.settings().clone();
            let door = Arc::new(Door::new(server, &settings, &self.table, None));
            let has_own_file = listener.has_own_file();
            let threads = Arc::clone(&self.threads);
            let open = Open::new(
                settings,
                &door,
                has_own_file,
                &self.connections,
                |door, group| tokio::spawn(listener.accept(threads, door, group)),
            );
            self.fastcgi.push(open);
        }
    }

    /// Serves connections from now on as `server` says.
    pub fn renew(&mut self, server: &Server) {
        let http = Arc::new(Http::new(server, Arc::clone(&self.table)));
        for open in &self.http {
            open.front.send_replace(Arc::clone(&http));
        }
        for open in &mut self.fastcgi {
            let mut all = server.fastcgi.iter();
            let Some(settings) = all.find(|one| one.address == open.settings.address) else {
                continue;
            };
            let door = Door::new(server, settings, &self.table, Some(&open.front.borrow()));
            open.front.send_replace(Arc::new(door));
            if open.has_own_file {
                permit(&open.settings, settings);
            }
            open.settings = settings.clone();
        }
    }

    /// Closes these listeners. Their connections finish the requests that they are at within `patience`.
    pub fn close(&mut self, http: &[SocketAddr], fastcgi: &[Address], patience: Duration) {
        for address in http {
            let at = self.http.iter().position(|open| open.settings == *address);
            if let Some(at) = at {
                let open = self.http.swap_remove(at);
                self.closing
                    .spawn(open.close(format!("http://{address}"), patience));
            }
        }
        for address in fastcgi {
            let mut all = self.fastcgi.iter();
            if let Some(at) = all.position(|open| open.settings.address == *address) {
                let open = self.fastcgi.swap_remove(at);
                self.closing.spawn(open.close(address.clone(), patience));
            }
        }
        while self.closing.try_join_next().is_some() {}
    }

    /// Closes all, and lets their connections finish within `patience`.
    pub async fn stop(self, patience: Duration) {
        let http = self.http.into_iter().map(Open::refuse);
        let fastcgi = self.fastcgi.into_iter().map(Open::refuse);
        for accepting in http.chain(fastcgi).collect::<Vec<_>>() {
            // It cannot fail but by a panic, which has been told.
            let _ = accepting.await;
        }
        self.connections.drain(patience).await;
        self.closing.join_all().await;
    }
}

impl<S, F: Send + Sync + 'static> Open<S, F> {
    fn new(
        settings: S,
        front: &Arc<F>,
        has_own_file: bool,
        connections: &Connections,
        accept: impl FnOnce(Replaceable<F>, Arc<Shutdown>) -> JoinHandle<()>,
    ) -> Self {
        let (front, fronts) = watch::channel(Arc::clone(front));
        let connections = connections.group();
        Self {
            settings,
            front,
            accepting: accept(fronts, Arc::clone(&connections)),
            connections,
            has_own_file,
        }
    }

    /// Takes no new connections; those that the system has taken already are. Returns what ends then.
    fn refuse(self) -> JoinHandle<()> {
        self.accepting
    }

    async fn close(self, address: impl Display, patience: Duration) {
        let connections = Arc::clone(&self.connections);
        // As above.
        let _ = self.refuse().await;
        tracing::info!("no longer listening on {address}");
        connections.drain(patience).await;
    }
}

/// Gives the file of a socket to whom it shall belong now. What the system refuses is told, and the rest of the
/// configuration stands.
fn permit(before: &FastCgiListener, settings: &FastCgiListener) {
    let of = |one: &FastCgiListener| (one.mode, one.owner, one.group);
    let Address::Unix(path) = &settings.address else {
        return;
    };
    if of(before) == of(settings) {
        return;
    }
    let (mode, owner, group) = of(settings);
    if let Err(error) = os::permit(path, mode, owner, group) {
        let path = path.display();
        tracing::error!(
            "`mode`, `owner` or `group` of unix:{path} cannot be changed ({error}); restart the gateway"
        );
    }
}
