//! The access log: one line for each request, in a form that log analysers know.

mod combined;
mod json;
mod line;
mod w3c;
mod writer;

use std::io;
use std::sync::Arc;

pub use line::{Asked, Line};
pub use writer::Writer;

use crate::config::{self, LogFormat};
use writer::Shared;

/// Takes lines from every thread. When the last holder drops it, the writer writes what there is and ends.
#[derive(Debug)]
pub struct AccessLog {
    format: LogFormat,
    shared: Arc<Shared>,
}

impl AccessLog {
    /// Opens the file and starts the thread that writes to it.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub fn open(config: &config::AccessLog) -> io::Result<(Arc<Self>, Writer)> {
        let format = config.format;
        let preamble = match format {
            LogFormat::W3c => w3c::preamble,
            LogFormat::Combined | LogFormat::Json => || String::new(),
        };
        let shared = Arc::new(Shared::new(config.buffer));
        let writer = Writer::start(config, preamble, Arc::clone(&shared))?;
        Ok((Arc::new(Self { format, shared }), writer))
    }

    /// Adds a line. It never waits: a line for which the buffer has no room is dropped and counted.
    pub fn write(&self, line: &Line) {
        let mut text = match self.format {
            LogFormat::W3c => w3c::format(line),
            LogFormat::Combined => combined::format(line),
            LogFormat::Json => json::format(line),
        };
        text.push('\n');
        self.shared.add(text.as_bytes());
    }

    /// Has the file opened again under its name, when everything so far has been written to the old one.
    pub fn reopen(&self) {
        self.shared.reopen();
    }

    /// Lines that were dropped so far.
    pub fn lost(&self) -> u64 {
        self.shared.lost()
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

#[cfg(test)]
mod tests;
