//! A CGI program: one request through the environment, standard input and standard output (RFC 3875).

use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use fastcgi_protocol::Params;

use super::{RunError, start, stop, system};
use crate::link::{Gone, Link, Stream};
use crate::log;
use crate::options::Options;
use crate::os::{self, Streams, Transport as _, uninterrupted};
use crate::path::Served;
use crate::response::Ending;
use crate::session::Session;
use crate::threads::Threads;
use crate::variables::Variables;

/// Serves the one request.
pub(super) fn run(options: &Options) -> Result<ExitCode, RunError> {
    let streams = Arc::new(
        os::take_standard_streams().map_err(system("cannot take standard input and output"))?,
    );
    let threads = start(options)?;
    let mut params: Params = Params::new();
    for (name, value) in std::env::vars_os() {
        params.push(name.as_encoded_bytes(), value.as_encoded_bytes());
    }
    let refused = Served::by(threads.extension().path())
        .apply(&mut params)
        .err();
    let variables = Variables::new(params);
    // Without CONTENT_LENGTH there is no body, unless the client announced one (RFC 3875 §4.1.2, §4.2).
    let chunked = !variables.param("HTTP_TRANSFER_ENCODING").is_empty();
    let length = variables
        .content_length()
        .or(if chunked { None } else { Some(0) });
    let (done, ended) = channel();
    let link = Arc::new(Cgi {
        streams: Arc::clone(&streams),
        threads: Arc::clone(&threads),
        done: Mutex::new(done),
    });
    let session = Arc::new(Session::new(1, link, variables, length, None));
    match refused {
        Some(reason) => session.refuse(400, reason),
        None => {
            if session.becomes_ready() {
                threads.submit(&mut vec![Arc::clone(&session)]);
            }
            let shared = Arc::clone(&threads);
            let pump = move || {
                let mut buffer = vec![0; 64 * 1024];
                let mut ready = Vec::new();
                loop {
                    session.wait_for_room();
                    let count = uninterrupted(|| streams.read(&mut buffer)).unwrap_or(0);
                    let is_ready = if count == 0 {
                        session.end_body()
                    } else {
                        session.push_body(&buffer[..count]).unwrap_or(false)
                    };
                    if is_ready {
                        ready.push(Arc::clone(&session));
                    }
                    shared.submit(&mut ready);
                    if count == 0 {
                        return;
                    }
                }
            };
            if length != Some(0) {
                std::thread::Builder::new()
                    .name("body".into())
                    .spawn(pump)
                    .map_err(system("cannot start a thread"))?;
            }
        }
    }
    // The sender lives in the session; it cannot be gone before it has sent.
    let whole = ended.recv().unwrap_or(false);
    stop(&threads, options.stop_timeout);
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Cgi {
    streams: Arc<Streams>,
    threads: Arc<Threads>,
    /// Tells that the answer is over, and whether it is whole.
    done: Mutex<Sender<bool>>,
}

impl Link for Cgi {
    fn send(&self, _: u16, _: Stream, bytes: &[u8]) -> Result<(), Gone> {
        self.streams.write_all(bytes).map_err(|_| Gone)
    }

    fn is_ready(&self) -> bool {
        self.streams.is_writable()
    }

    fn finish(&self, _: u16, last: &[u8], ending: Ending, log: &[u8]) {
        let written = self.streams.write_all(last).is_ok();
        if !log.is_empty() {
            log::line(String::from_utf8_lossy(log));
        }
        // The receiver waits for this.
        let _ = self
            .done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(written && ending == Ending::Complete);
    }

    fn report(&self, _: u16, text: &str) {
        log::line(text);
    }

    fn grant(&self, _: u16, _: u32) {}

    fn resume(&self, session: Arc<Session>) {
        self.threads.resume(session);
    }
}
