//! The three ways to run a worker: what php-cgi is to PHP, the worker is to ISAPI. And one that runs no extension: it
//! starts CGI programs.

mod cgi;
mod listen;
#[cfg(target_os = "linux")]
mod programs;
mod stdio;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::crash;
use crate::extension::{Extension, LoadError};
use crate::log;
use crate::options::Options;
use crate::os;
use crate::threads::Threads;
#[cfg(target_os = "linux")]
pub use programs::run as start_programs;

/// Why a worker cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The extension cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The system refuses something.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: std::io::Error,
    },
    /// Started by hand without a way to get requests.
    #[error(
        "standard input is a terminal, not a gateway: give --listen ADDRESS, or start isapi-gateway instead (see --help)"
    )]
    NoGateway,
    /// The extension cannot be kept to what it may do.
    #[cfg(unix)]
    #[error(transparent)]
    Sandbox(#[from] crate::sandbox::SandboxError),
    /// The gateway broke the protocol.
    #[error(transparent)]
    Connection(#[from] crate::connection::ConnectionError),
}

/// Whether a web server has started this process as a CGI program.
pub fn is_cgi() -> bool {
    std::env::var_os("GATEWAY_INTERFACE").is_some()
}

/// Runs the worker to its end.
///
/// # Errors
/// When it cannot run; the text is for the operator.
pub fn run(options: &Options) -> Result<ExitCode, RunError> {
    os::prepare_process(&options.drives);
    crash::install();
    options.trace.set_for_process();
    if is_cgi() && options.listen.is_none() {
        return cgi::run(options);
    }
    match &options.listen {
        Some(address) => listen::run(options, listen::bind(address)?),
        None => match os::listener_on_standard_input() {
            Some(listener) => listen::run(options, listener),
            None => stdio::run(options),
        },
    }
}

/// Loads the extension, within its limits, and starts the threads that run it. There is only one thread until then, so that
/// all are bound by the sandbox.
fn start(options: &Options) -> Result<Arc<Threads>, RunError> {
    #[cfg(unix)]
    for limit in &options.limits {
        let failed = system(format!("cannot set the limit {}", limit.name()));
        limit.set().map_err(failed)?;
    }
    #[cfg(unix)]
    if let Some(profile) = &options.sandbox {
        crate::sandbox::enter(profile, &options.extension)?;
    }
    // A process for one request is gone before its file changes.
    let shadow_copy = options.shadow_copy && !is_cgi();
    let extension = Arc::new(Extension::load(&options.extension, shadow_copy)?);
    Threads::start(extension, options.threads).map_err(system("cannot start threads"))
}

/// Ends the extension in order if its requests end in time. Otherwise the end of the process has to do: an extension
/// is never terminated while a request is outstanding (ISAPI.md §1.5).
fn stop(threads: &Threads, limit: Duration) {
    if threads.wait_until_quiet(limit) {
        threads.extension().terminate();
    } else {
        log::line(format_args!(
            "requests still run after {limit:?}: ending without TerminateExtension"
        ));
    }
}

fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> RunError {
    let what = what.into();
    move |error| RunError::System { what, error }
}
