//! All listeners of the gateway, for both protocols.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::config::Server;
use crate::dispatch::Dispatch;
use crate::front::fastcgi::{self, FastCgi};
use crate::front::http::Http;
use crate::front::inherited::Inherited;
use crate::front::listen::{self, Threads};
use crate::shutdown::Shutdown;

/// Addresses that are taken, but do not listen yet.
pub struct Bound {
    http: Vec<listen::Bound>,
    fastcgi: Vec<fastcgi::listen::Bound>,
}

/// Sockets that listen.
pub struct Listeners {
    http: Vec<listen::Listener>,
    fastcgi: Vec<fastcgi::listen::Listener>,
}

impl Bound {
    /// Takes every address of the configuration; those where a socket listens for us already with that socket.
    ///
    /// # Errors
    /// When one cannot be had, and when there is a socket for none of them, in words for the operator.
    pub fn take(server: &Server) -> anyhow::Result<Self> {
        let mut inherited = Inherited::take()?;
        let http = server.http.iter();
        let http = http
            .map(|address| inherited.port(*address, "http"))
            .collect::<Result<_, _>>()?;
        let fastcgi = server.fastcgi.iter();
        let fastcgi = fastcgi
            .map(|listener| fastcgi::listen::bind(listener, &mut inherited))
            .collect::<Result<_, _>>()?;
        inherited.finish()?;
        Ok(Self { http, fastcgi })
    }

    /// Starts to listen.
    ///
    /// # Errors
    /// When the kernel refuses, in words for the operator.
    pub fn listen(self) -> anyhow::Result<Listeners> {
        let http = self.http.into_iter().map(listen::Bound::listen);
        let fastcgi = self.fastcgi.into_iter().map(fastcgi::listen::Bound::listen);
        Ok(Listeners {
            http: http.collect::<Result<_, _>>()?,
            fastcgi: fastcgi.collect::<Result<_, _>>()?,
        })
    }
}

impl Listeners {
    /// Tells whoever started the gateway that it is ready and where.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn announce(&self) -> anyhow::Result<()> {
        let http = self.http.iter();
        let http = http.map(|listener| format!("http://{}", listener.address()));
        let fastcgi = self.fastcgi.iter();
        let fastcgi = fastcgi.map(|listener| listener.address().to_string());
        let mut out = std::io::stdout().lock();
        http.chain(fastcgi)
            .try_for_each(|address| writeln!(out, "listening on {address}"))
            .and_then(|()| out.flush())
            .context("cannot write to standard output")
    }

    /// Accepts connections until the tasks are ended.
    pub fn accept(
        self,
        server: &Server,
        dispatch: &Arc<Dispatch>,
        threads: &Arc<Threads>,
        shutdown: &Arc<Shutdown>,
    ) -> JoinSet<()> {
        let mut accepting = JoinSet::new();
        let front = Arc::new(Http::new(server, Arc::clone(dispatch)));
        for listener in self.http {
            let (threads, front) = (Arc::clone(threads), Arc::clone(&front));
            accepting.spawn(listener.accept(threads, front, Arc::clone(shutdown)));
        }
        for listener in self.fastcgi {
            let front = FastCgi::new(server, listener.settings(), Arc::clone(dispatch));
            accepting.spawn(listener.accept(Arc::clone(threads), front, Arc::clone(shutdown)));
        }
        accepting
    }
}
