//! A plain FastCGI application: any web server connects, one request at a time on each connection.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{RunError, start, stop, system};
use crate::bell::Bell;
use crate::connection;
use crate::log;
use crate::options::{Address, Options};
use crate::os::{self, Listener};

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
    loop {
        let place = Places::take(&places);
        let transport = match listener.accept() {
            Ok(transport) => transport,
            Err(error) => {
                log::line(format_args!("cannot accept a connection: {error}"));
                // Out of descriptors or memory: others have to end first.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        let (threads, connections) = (Arc::clone(&threads), options.connections);
        let serve = move || {
            let _place = place;
            // A client that breaks off or breaks the protocol ends its own connection, nothing else.
            if let Err(error) = connection::serve(transport, &threads, connections) {
                log::line(error);
            }
        };
        if let Err(error) = std::thread::Builder::new()
            .name("connection".into())
            .spawn(serve)
        {
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
