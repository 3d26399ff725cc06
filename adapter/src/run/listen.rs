//! A plain FastCGI application: any web server connects, one request at a time on each connection.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{RunError, start, stop, system};
use crate::bell::Bell;
#[cfg(windows)]
use crate::connection;
#[cfg(unix)]
use crate::connection::Hub;
use crate::log;
use crate::options::{Address, Options};
use crate::os::{self, Listener, Transport};
use crate::threads::Threads;

/// Binds the address of `--listen`.
pub(super) fn bind(address: &Address) -> Result<Listener, RunError> {
    os::listen(address).map_err(system(format!("cannot listen on {address}")))
}

/// Serves connections until a termination signal; requests that run then are finished first.
pub(super) fn run(options: &Options, listener: Listener) -> Result<ExitCode, RunError> {
    let threads = start(options)?;
    let (shared, limit) = (Arc::clone(&threads), options.stop_timeout);
    let socket_file = match &options.listen {
        Some(Address::Unix(path)) => Some(path.clone()),
        _ => None,
    };
    os::on_termination(move || {
        if let Some(path) = socket_file {
            // Nobody can connect from now on; a file that has gone already is no harm.
            let _ = std::fs::remove_file(path);
        }
        stop(&shared, limit);
        std::process::exit(0);
    })
    .map_err(system("cannot wait for signals"))?;
    let places = Arc::new(Places {
        free: Mutex::new(options.connections),
        freed: Bell::default(),
    });
    let mut readers = Readers::start(&threads, options.connections)?;
    loop {
        let place = Places::take(&places);
        match listener.accept() {
            Ok(transport) => readers.serve(transport, place),
            Err(error) => {
                log::line(format_args!("cannot accept a connection: {error}"));
                // Out of descriptors or memory: others have to end first.
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// What reads the connections: hubs in turn, one for each processor.
#[cfg(unix)]
struct Readers {
    hubs: Vec<Arc<Hub>>,
    next: usize,
}

#[cfg(unix)]
impl Readers {
    fn start(threads: &Arc<Threads>, connections: usize) -> Result<Self, RunError> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let hubs = (0..processors.min(threads.limit())).map(|_| Hub::start(threads, connections));
        Ok(Self {
            hubs: hubs
                .collect::<Result<_, _>>()
                .map_err(system("cannot start threads"))?,
            next: 0,
        })
    }

    fn serve(&mut self, transport: Arc<dyn Transport>, place: Place) {
        self.hubs[self.next].serve(transport, Arc::new(place));
        self.next = (self.next + 1) % self.hubs.len();
    }
}

/// What reads the connections: a thread for each.
#[cfg(windows)]
struct Readers {
    threads: Arc<Threads>,
    connections: usize,
}

#[cfg(windows)]
impl Readers {
    fn start(threads: &Arc<Threads>, connections: usize) -> Result<Self, RunError> {
        Ok(Self {
            threads: Arc::clone(threads),
            connections,
        })
    }

    fn serve(&mut self, transport: Arc<dyn Transport>, place: Place) {
        let (threads, connections) = (Arc::clone(&self.threads), self.connections);
        let serve = move || {
            let _place = place;
            // A client that breaks off or breaks the protocol ends its own connection, nothing else.
            if let Err(error) = connection::serve(transport, &threads, connections) {
                log::line(error);
            }
        };
        let thread = std::thread::Builder::new().name("connection".into());
        if let Err(error) = thread.spawn(serve) {
            log::line(format_args!(
                "cannot start a thread for a connection: {error}"
            ));
        }
    }
}

/// Bounds the number of connections.
struct Places {
    free: Mutex<usize>,
    freed: Bell,
}

struct Place(Arc<Places>);

impl Places {
    fn take(this: &Arc<Self>) -> Place {
        let free = this.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = this.freed.wait_while(free, |free| *free == 0);
        *free -= 1;
        Place(Arc::clone(this))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.ring_one();
    }
}
