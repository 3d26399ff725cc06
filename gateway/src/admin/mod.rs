//! The admin listener: status, metrics and orders, on a thread of its own, so that it answers when everything else is
//! busy or hangs.

pub mod client;
mod pools;
mod routes;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::alarms::{sleep, timeout};
use crate::config;
use crate::front::fastcgi::Address;
use crate::observe::Overview;
use crate::os::{BoundFile, FileListener};

/// Connections at the same time; more wait.
const CONNECTIONS: u32 = 64;

/// How long a client may take for the head of a request, idle time before it included.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// How long a connection may last, whatever the client does; and then until the answer that is being made.
const CONNECTION_TIME: Duration = Duration::from_secs(300);

/// How long answers that are on their way may take when the gateway ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Pause after a failed accept, which is nearly always the lack of a descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What has become of an order to read the configuration again: what has changed, or why nothing has.
pub type Reloaded = Result<String, String>;

/// Where that is told.
pub type Reply = oneshot::Sender<Reloaded>;

/// Takes orders to read the configuration again.
pub type Reloads = tokio::sync::mpsc::Sender<Reply>;

/// The listener, which runs until it is dropped.
pub struct Admin {
    address: Address,
    /// The order to end, and what ends then.
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(FileListener),
}

impl Admin {
    /// Starts to listen. Orders to read the configuration again go to `reloads`.
    ///
    /// # Errors
    /// When the address cannot be had, in words for the operator, or there can be no thread.
    pub fn start(
        config: &config::Admin,
        overview: Arc<Overview>,
        reloads: Reloads,
    ) -> anyhow::Result<Self> {
        let config = config.clone();
        let router = routes::router(overview, reloads, config.token.clone());
        let (started, start) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || run(&config, &router, &started, stopped))?;
        let address = start.recv().context("the admin thread has ended")??;
        Ok(Self {
            address,
            thread: Some((stop, thread)),
        })
    }

    /// Where it listens: `unix:PATH` or `IP:PORT`, with the real port.
    pub fn address(&self) -> String {
        shown(&self.address)
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            // An error means that the thread has ended already.
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

/// An address as it is written in configurations.
pub fn shown(address: &Address) -> String {
    match address {
        Address::Unix(path) => format!("unix:{}", path.display()),
        Address::Tcp(address) => address.to_string(),
    }
}

fn listen(config: &config::Admin) -> anyhow::Result<(Socket, Address)> {
    Ok(match &config.listen {
        Address::Unix(path) => {
            make_folder(path)?;
            let bound = BoundFile::bind(path, config.mode, None, None)?;
            let socket = bound.listen(CONNECTIONS)?;
            (Socket::Unix(socket), config.listen.clone())
        }
        Address::Tcp(address) => {
            let socket = match address.is_ipv4() {
                true => TcpSocket::new_v4(),
                false => TcpSocket::new_v6(),
            }?;
            socket.set_reuseaddr(cfg!(unix))?;
            socket.bind(*address)?;
            let socket = socket.listen(CONNECTIONS)?;
            let address = socket.local_addr()?;
            (Socket::Tcp(socket), Address::Tcp(address))
        }
    })
}

/// The folder of the default socket is the gateway's own; others must be there.
fn make_folder(socket: &Path) -> anyhow::Result<()> {
    let is_default = config::admin::default_socket().is_some_and(|default| default == socket);
    match socket.parent() {
        Some(folder) if is_default => std::fs::create_dir_all(folder)
            .map_err(|error| anyhow!("cannot create {}: {error}", folder.display())),
        _ => Ok(()),
    }
}

/// The thread. It makes its runtime itself, since no runtime may be dropped inside another one.
fn run(
    config: &config::Admin,
    router: &axum::Router,
    started: &mpsc::Sender<anyhow::Result<Address>>,
    stopped: oneshot::Receiver<()>,
) {
    let listening = || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (socket, address) = {
            let _inside = runtime.enter();
            listen(config).with_context(|| {
                let address = shown(&config.listen);
                format!("cannot listen on {address}; correct `listen` in [admin]")
            })?
        };
        anyhow::Ok((runtime, socket, address))
    };
    // Whoever has started this waits for it.
    match listening() {
        Ok((runtime, socket, address)) => {
            let _ = started.send(Ok(address));
            runtime.block_on(serve(&socket, router, stopped));
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    }
}

async fn serve(socket: &Socket, router: &axum::Router, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        let has_room = connections.len() < CONNECTIONS as usize;
        let stream = tokio::select! {
            stream = accept(socket), if has_room => stream,
            Some(_) = connections.join_next() => continue,
            _ = &mut stopped => break,
        };
        match stream {
            Ok(stream) => {
                let router = router.clone();
                connections.spawn(async move {
                    if let Err(error) = converse(stream, router).await {
                        tracing::debug!("admin connection ended: {error}");
                    }
                });
            }
            Err(error) => {
                tracing::error!("cannot accept an admin connection: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let finish = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(LAST_ANSWERS, finish).await;
}

/// A connection of whatever kind.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn accept(socket: &Socket) -> std::io::Result<Box<dyn Stream>> {
    Ok(match socket {
        Socket::Tcp(socket) => Box::new(socket.accept().await?.0),
        Socket::Unix(socket) => Box::new(socket.accept().await?.register()?),
    })
}

async fn converse(stream: Box<dyn Stream>, router: axum::Router) -> hyper::Result<()> {
    let busy = Semaphore::new(1);
    let (answering, router) = (&busy, &router);
    let service = service_fn(move |request| async move {
        let _busy = answering.acquire().await;
        router.clone().oneshot(request).await
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    let over = async {
        sleep(CONNECTION_TIME).await;
        // To read the configuration again may take longer.
        let _idle = busy.acquire().await;
    };
    tokio::select! {
        served = connection => served,
        () = over => Ok(()),
    }
}

#[cfg(test)]
mod tests;
