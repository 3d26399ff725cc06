//! Under the gateway: standard input and output, and further inherited sockets, carry multiplexed connections.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;

use shared_buffers::Memory;

use super::{RunError, start, stop, system};
use crate::connection::{self, Connection};
use crate::options::Options;
use crate::os::{self, Transport};

/// Serves until the gateway closes its connections.
pub(super) fn run(options: &Options) -> Result<ExitCode, RunError> {
    if io::stdin().is_terminal() {
        return Err(RunError::NoGateway);
    }
    let first = Arc::new(
        os::take_standard_streams().map_err(system("cannot take standard input and output"))?,
    );
    let mut further = Vec::new();
    for number in &options.descriptors {
        let socket: io::Result<os::Stream> = os::inherited(*number);
        further.push(socket.map_err(system(format!("--fd {number}")))?);
    }
    let lanes = 1 + further.len();
    let memory = match options.buffers {
        Some(number) => {
            let memory = os::inherited(number).and_then(|file: File| Memory::open(&file, lanes));
            Some(memory.map_err(system(format!("--buffers {number}")))?)
        }
        None => None,
    };
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
        let share = memory.as_ref().map(|memory| memory.share(lane.into()));
        connections.push(
            Connection::attend(transport, lane, processor, share, &threads)
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
