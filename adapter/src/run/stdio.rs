//! Under the gateway: standard input and output, and further inherited sockets, carry multiplexed connections.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use super::{RunError, start, stop, system};
use crate::connection::{self, Connection};
use crate::options::Options;
use crate::os::{self, Transport};

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
    first.wait_readable(None);
    let threads = match start(options) {
        Ok(threads) => threads,
        Err(error) => {
            // The gateway learns it from the greeting. If it does not listen, standard error has to do.
            let _ = first.write_all(&connection::refusal(&error.to_string()));
            return Err(error);
        }
    };
    let transports = further.into_iter().map(|socket| Arc::new(socket) as _);
    let mut connections = Vec::new();
    for (lane, transport) in (0..).zip([first as Arc<dyn Transport>].into_iter().chain(transports))
    {
        let processor = options.processors.get(usize::from(lane)).copied();
        connections.push(
            Connection::attend(transport, lane, processor, &threads)
                .map_err(system("cannot start threads"))?,
        );
    }
    os::keep_freed_memory();
    for connection in connections {
        connection.wait()?;
    }
    stop(&threads, options.stop_timeout);
    Ok(ExitCode::SUCCESS)
}
