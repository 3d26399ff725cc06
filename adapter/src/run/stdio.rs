//! Under the gateway: standard input and output, and further inherited sockets, carry multiplexed connections.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::{RunError, start, stop, system};
use crate::connection::{self, Peer};
use crate::options::Options;
use crate::os::{self, Transport};

/// How long the worker sleeps at most while it waits for the gateway's greeting.
const GREETING_WAIT: Duration = Duration::from_secs(60);

/// Serves until the gateway closes its connections.
pub(super) fn run(options: &Options) -> Result<ExitCode, RunError> {
    if std::io::stdin().is_terminal() {
        return Err(RunError::NoGateway);
    }
    let first = Arc::new(
        os::take_standard_streams().map_err(system("cannot take standard input and output"))?,
    );
    let mut further = Vec::new();
    for number in &options.descriptors {
        further.push(os::inherited_socket(*number).map_err(system(format!("--fd {number}")))?);
    }
    // The gateway greets when this process is in its control group: before that, no code of the extension runs.
    while !first.wait_readable(GREETING_WAIT) {}
    let threads = match start(options) {
        Ok(threads) => threads,
        Err(error) => {
            // The gateway learns it from the greeting. If it does not listen, standard error has to do.
            let _ = first.write_all(&connection::refusal(&error.to_string()));
            return Err(error);
        }
    };
    let mut readers = Vec::new();
    for (lane, socket) in (1..).zip(further) {
        let threads = Arc::clone(&threads);
        let serve =
            move || connection::serve(Arc::new(socket), Peer::Gateway { lane }, &threads, 1);
        readers.push(
            std::thread::Builder::new()
                .name("connection".into())
                .spawn(serve)
                .map_err(system("cannot start threads"))?,
        );
    }
    connection::serve(first, Peer::Gateway { lane: 0 }, &threads, 1)?;
    for reader in readers {
        if let Ok(result) = reader.join() {
            result?;
        }
    }
    stop(&threads, options.stop_timeout);
    Ok(ExitCode::SUCCESS)
}
