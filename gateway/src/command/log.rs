//! The log: on standard error, for people or for programs.

use anyhow::Context as _;
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
    let filter = filter.or(from_environment.as_deref()).unwrap_or("info");
    let filter = EnvFilter::try_new(filter).with_context(|| {
        format!("\"{filter}\" is not a log filter: write a level (error, warn, info, debug, trace)")
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match form {
        Form::Human => log.init(),
        Form::Json => log.json().init(),
    }
    Ok(())
}
