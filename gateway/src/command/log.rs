//! The log: on standard error, for people or for programs.

use std::io::IsTerminal as _;

use anyhow::anyhow;
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One line of text for each event.
    Human,
    /// One JSON object a line for each event.
    Json,
}

/// Starts the log. `filter` takes precedence over `RUST_LOG`; without both, `info` and louder is logged.
///
/// # Errors
/// When the filter cannot be understood.
pub fn start(form: Form, filter: Option<&str>) -> anyhow::Result<()> {
    let from_environment = std::env::var("RUST_LOG").ok();
    let filter = filter
        .or(from_environment.as_deref())
        .filter(|filter| !filter.is_empty())
        .unwrap_or("info");
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        anyhow!("\"{filter}\" is not a log filter ({error}); write a level, such as `debug`")
    })?;
    let stderr = std::io::stderr();
    // A file, a pipe or a journal shows escape sequences as rubbish.
    let colours = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_target(false)
        // It would tell by `eprintln!`, which panics, that nobody reads standard error any more.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match form {
        Form::Human => log.init(),
        Form::Json => log.json().init(),
    }
    Ok(())
}
